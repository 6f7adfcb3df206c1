"""A small world with known truth: people walk on a floor with walls and doors, seen by N calibrated cameras.

For the demo, the tests and training. `scenario.build_scenario` makes a world from a seed; `recording.CameraRecording`
renders what one of its cameras sees, frame by frame, with the exact truth beside each frame.

Conventions: metres and seconds; floor axes x, y, height z; a person faces +x of its own axes, y to the left.
Pixels are continuous: pixel i covers i to i + 1. Images are BGR uint8 `(H, W, 3)`.
"""
