"""Single-camera trackers: detections in, identified boxes out, one instance a camera."""
