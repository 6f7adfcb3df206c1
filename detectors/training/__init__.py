"""Training the bundled person detector: data build, augmentation, the loop, export of weights."""
