"""Pedestrian detectors: frames in, person boxes out."""
