"""From the image to the floor: lens, homography, positions with their uncertainty, calibration files."""
