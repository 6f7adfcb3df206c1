"""The stages of a run: camera (frames to tracklets), crops (best crops), scene (all cameras to trajectories)."""
