"""Video files in (reader) and out (writer), through PyAV."""
