"""A tiny set of labelled images: one bright upright rectangle, the person, on a dark gradient."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Maker = Callable[..., Path]
PERSON_BGR = (40, 200, 250)


def picture(seed: int, size_wh: tuple[int, int]) -> tuple[np.ndarray, str]:
    """An image and its YOLO line."""
    rng = np.random.default_rng(seed)
    width, height = size_wh
    image = np.repeat(np.linspace(20, 90, width, dtype=np.uint8)[None, :, None], height, 0).repeat(3, 2)
    w, h = int(rng.integers(width // 8, width // 4)), int(rng.integers(height // 3, height // 2))
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    image[y : y + h, x : x + w] = PERSON_BGR
    return image, f"0 {(x + w / 2) / width} {(y + h / 2) / height} {w / width} {h / height}\n"


@pytest.fixture
def make_source(tmp_path: Path) -> Maker:
    """Write `name.tar` (or a folder `name`) of `groups` images with `copies` of each, and return its path."""

    def make(
        name: str, groups: int, *, copies: int = 1, folder: bool = False, size_wh: tuple[int, int] = (96, 80)
    ) -> Path:
        files: dict[str, bytes] = {}
        for number in range(groups * copies):
            image, line = picture(number // copies, size_wh)
            stem = f"g{number // copies:05d}_{number:05d}"
            files[f"{stem}.png"] = cv2.imencode(".png", image)[1].tobytes()
            files[f"{stem}.txt"] = line.encode()
        data = tmp_path / "data"
        data.mkdir(exist_ok=True)
        if folder:
            (data / name).mkdir()
            for file, content in files.items():
                (data / name / file).write_bytes(content)
            return data / name
        with tarfile.open(data / f"{name}.tar", "w") as archive:
            for file, content in files.items():
                member = tarfile.TarInfo(f"{name}/{file}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return data / f"{name}.tar"

    return make


@pytest.fixture
def person_box() -> Callable[[np.ndarray], np.ndarray]:
    """Where the rectangle of `picture` is seen in an image, xyxy px of pixel edges, from the pixels alone."""

    def find(image: np.ndarray) -> np.ndarray:
        seen = (image[..., 1] > 150) & (image[..., 2] > 150)
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)

    return find
