"""Small sets of crops: every identity has its own colours, every camera its own brightness."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

MakeSet = Callable[..., Path]


def person(identity: int, camera: int, shot: int) -> np.ndarray:
    """A 32x64 crop: shirt and trousers in colours of the identity, brighter in some cameras, with noise."""
    rng = np.random.default_rng(identity)
    shirt, trousers = rng.integers(30, 200, (2, 3))
    image = np.full((64, 32, 3), 90.0)
    image[10:36, 6:26] = shirt
    image[36:62, 9:23] = trousers
    image += 20 * (camera - 1) + np.random.default_rng((identity, camera, shot)).normal(0, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def make_set() -> MakeSet:
    def make(folder: Path, identities: int = 6, cameras: int = 2, shots: int = 2, first: int = 0) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for identity in range(first, first + identities):
            for camera in range(1, cameras + 1):
                for shot in range(shots):
                    name = f"{identity:04d}_c{camera}_{shot:03d}.png"
                    cv2.imwrite(str(folder / name), person(identity, camera, shot))
        return folder

    return make


@pytest.fixture(scope="session")
def make_boxes() -> Callable[[Path], Path]:
    """A tar of one 200x200 image with two persons: one tall enough, one lying."""

    def make(path: Path) -> Path:
        image = np.full((200, 200, 3), 60, np.uint8)
        image[20:180, 40:100] = (10, 200, 30)
        folder = path.parent / "boxes_source"
        folder.mkdir()
        cv2.imwrite(str(folder / "g1_0.png"), image)
        (folder / "g1_0.txt").write_text("0 0.35 0.5 0.3 0.8\n0 0.5 0.9 0.8 0.1\n")
        with tarfile.open(path, "w") as archive:
            for file in sorted(folder.iterdir()):
                archive.add(file, f"set/{file.name}")
        return path

    return make
