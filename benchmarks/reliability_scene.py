"""A small scene for the reliability scripts and tests: short clips, the boxes in them, an embedder that costs nothing.

With the boxes given (`--replay`) and a tiny embedder a whole run takes about two seconds, most of it starting.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.video.writer import VideoWriter

ROOT = Path(__file__).resolve().parents[1]
SIZE_WH = (240, 160)
FPS = 10.0
COLOURS = ((40, 40, 200), (200, 120, 30), (60, 180, 60), (30, 200, 220), (180, 60, 180))
"""Shirts, BGR, by person."""

_EMBEDDER = """
import sys
import numpy as np
from openvino import Model, PartialShape, opset8 as op, save_model
crops = op.parameter(PartialShape([-1, 3, 256, 128]), np.float32, name="crops")
grid = op.avg_pool(crops, [64, 64], [0, 0], [0, 0], [64, 64], True)
rows = op.reshape(grid, np.array([0, 24], np.int64), True)
centred = op.subtract(rows, op.constant(np.float32(110)))
save_model(Model([centred], [crops], "colours"), sys.argv[1], compress_to_fp16=False)
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """`videos` in order; `boxes`: folder of <camera>.txt; `embedder`: an OpenVINO model of mean colours."""

    videos: tuple[Path, ...]
    boxes: Path
    embedder: Path

    def arguments(self) -> list[str]:
        """Of `run.py track`, but for --output."""
        return [
            "--videos", *map(str, self.videos), "--replay", str(self.boxes), "--embedder", str(self.embedder),
            "--device", "cpu", "--set", "runtime.threads=1",
        ]  # fmt: skip


def make_scene(folder: Path, visits: Sequence[Sequence[int]] = ((0, 1, 2), (1, 2, 3, 0)), seed: int = 0) -> Scene:
    """One clip for each entry of `visits`: who walks through, one after the other."""
    boxes = folder / "boxes"
    boxes.mkdir(parents=True, exist_ok=True)
    videos = []
    for number, people in enumerate(visits):
        videos.append(folder / f"cam{number}.mp4")
        rows = film(videos[-1], people, np.random.default_rng([seed, number]))
        (boxes / f"cam{number}.txt").write_text("".join(rows))
    embedder = folder / "colours.xml"
    subprocess.run([sys.executable, "-W", "ignore", "-c", _EMBEDDER, str(embedder)], check=True, timeout=120)
    return Scene(tuple(videos), boxes, embedder)


def film(path: Path, people: Sequence[int], rng: np.random.Generator) -> list[str]:
    """Write the clip; returns its boxes as MOT text."""
    wall = cv2.GaussianBlur(rng.integers(90, 200, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8), (9, 9), 3)
    rows: list[str] = []
    frame = 0
    with VideoWriter(path, SIZE_WH, FPS) as writer:
        for who in people:
            for step in range(30):
                image = wall.copy()
                x, y = 8 + step * 6, 40 + int(4 * np.sin(step / 3))
                cv2.circle(image, (x + 16, y + 9), 8, (150, 170, 200), -1)
                cv2.rectangle(image, (x + 4, y + 18), (x + 28, y + 56), COLOURS[who], -1)
                cv2.rectangle(image, (x + 8, y + 56), (x + 24, y + 100), (60, 60, 60), -1)
                rows.append(f"{frame + 1},-1,{x},{y},32,100,0.95,-1,-1,-1\n")
                writer.write(image, frame / FPS)
                frame += 1
            for _ in range(38):  # longer than a track may be lost
                writer.write(wall, frame / FPS)
                frame += 1
    return rows


def command(scene: Scene, output: Path, *more: str) -> list[str]:
    """The run as a command line."""
    return [sys.executable, str(ROOT / "run.py"), *scene.arguments(), "--output", str(output), *more]


def people(output: Path) -> int:
    """How many a finished run found."""
    return len(json.loads((output / "trajectories.json").read_text())["trajectories"])
