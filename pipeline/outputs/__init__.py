"""The run directory: trajectories.json, MOT text, overlay videos, report and store."""
