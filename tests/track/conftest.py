"""Small real videos of two cameras, with the boxes that a detector would give."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.video.writer import VideoWriter

ROOT = Path(__file__).resolve().parents[2]
SIZE_WH = (320, 240)
FPS = 10.0
PEOPLE = {1: ((40, 40, 200), (60, 60, 60)), 2: ((200, 120, 30), (30, 90, 160)), 3: ((60, 180, 60), (20, 20, 20))}
"""Shirt and trousers, BGR, by person."""


@dataclass(frozen=True)
class Footage:
    """`videos` by camera; `boxes`: folder of <camera>.txt for --replay; who is where."""

    videos: dict[str, Path]
    boxes: Path
    people: dict[str, tuple[int, ...]]


def draw_person(image: np.ndarray, x: int, y: int, who: int, step: int) -> tuple[int, int, int, int]:
    """A figure of 36 x 110 px with its feet at (x + 18, y + 110)."""
    shirt, trousers = PEOPLE[who]
    cv2.circle(image, (x + 18, y + 10), 9, (150, 170, 200), -1, cv2.LINE_AA)
    cv2.rectangle(image, (x + 4, y + 20), (x + 32, y + 62), shirt, -1)
    swing = 6 if step % 6 < 3 else -6
    for side in (-1, 1):
        cv2.line(image, (x + 18, y + 62), (x + 18 + side * swing, y + 108), trousers, 9, cv2.LINE_AA)
    return x, y, 36, 110


def film(path: Path, boxes: Path, visits: list[tuple[int, int]], seed: int) -> None:
    """One person after another walks through: `visits` are (person, frames)."""
    rng = np.random.default_rng(seed)
    wall = cv2.GaussianBlur(rng.integers(90, 200, (240, 320, 3), dtype=np.uint8), (9, 9), 3)
    rows: list[str] = []
    frame = 0
    with VideoWriter(path, SIZE_WH, FPS) as writer:
        for who, frames in visits:
            for step in range(frames):
                image = wall.copy()
                left, top, width, height = draw_person(image, 10 + step * 260 // frames, 100, who, step)
                rows.append(f"{frame + 1},-1,{left},{top},{width},{height},0.95,-1,-1,-1\n")
                writer.write(image, frame / FPS)
                frame += 1
            for _ in range(45):  # longer than a track may be lost
                writer.write(wall, frame / FPS)
                frame += 1
    boxes.mkdir(exist_ok=True)
    (boxes / f"{path.stem}.txt").write_text("".join(rows))


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """Two cameras: persons 1 and 2 in both, person 3 only in the second."""
    folder = tmp_path_factory.mktemp("footage")
    people = {"hall": ((1, 30), (2, 30)), "yard": ((2, 30), (3, 30), (1, 30))}
    for seed, (camera, visits) in enumerate(people.items()):
        film(folder / f"{camera}.mp4", folder / "boxes", list(visits), seed)
    return Footage(
        {camera: folder / f"{camera}.mp4" for camera in people},
        folder / "boxes",
        {camera: tuple(who for who, _ in visits) for camera, visits in people.items()},
    )


@pytest.fixture
def passerby(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `run.py` as a user does, in an empty folder."""

    def run(*arguments: object, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "run.py"), *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=timeout_s, check=False)

    return run
