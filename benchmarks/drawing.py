"""CPU milliseconds to draw one overlay frame with ten people, by image height (encoding not counted).

python benchmarks/drawing.py
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from pipeline.config import OutputConfig
from pipeline.outputs.overlay import OverlayPainter
from pipeline.types import Camera, Frame, Tracklet, Trajectory

PEOPLE, FRAMES, FPS = 10, 60, 30.0


def walkers(size_wh: tuple[int, int]) -> list[Trajectory]:
    """Ten people of a fifth to half the image's height who cross it."""
    generator = np.random.default_rng(0)
    width, height = size_wh
    index = np.arange(FRAMES)
    people = []
    for person_id in range(1, PEOPLE + 1):
        tall = height * generator.uniform(0.2, 0.5)
        x = width * generator.uniform(0.1, 0.8) + index * width / 600
        y = np.full(FRAMES, height * generator.uniform(0.55, 0.95))
        xyxy = np.stack([x, y - tall, x + 0.4 * tall, y], axis=1)
        confidence, observed = np.full(FRAMES, 0.9), np.ones(FRAMES, bool)
        tracklet = Tracklet(("camera", person_id), index, index / FPS, xyxy, confidence, observed)
        people.append(Trajectory(person_id, (tracklet,), 1.0, (1.0,)))
    return people


def main() -> None:
    """Print the table."""
    print("image       blur      ms median   ms best")
    for size_wh in ((640, 360), (1280, 720), (1920, 1080), (3840, 2160)):
        image = np.random.default_rng(1).integers(0, 255, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
        camera = Camera("camera", (Path("camera.mp4"),), size_wh, FPS)
        for blur in ("none", "heads", "persons"):
            options = OutputConfig.model_validate({"blur": blur, "max_height_px": 2160})
            painter = OverlayPainter(camera, walkers(size_wh), FPS, options)
            taken = []
            for index in range(FRAMES):
                start = time.thread_time()
                painter.paint(Frame("camera", index, index / FPS, image))
                taken.append(1000 * (time.thread_time() - start))
            print(f"{size_wh[0]}x{size_wh[1]:<6} {blur:<9} {np.median(taken):9.2f} {min(taken):9.2f}")


if __name__ == "__main__":
    main()
