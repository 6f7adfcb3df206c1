"""Cross-camera association: which tracklets are one person."""
