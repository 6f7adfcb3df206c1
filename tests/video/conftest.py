"""Small videos made by PyAV at test time. Each picture carries its number as a row of black and white blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.types import Frame
from pipeline.video import ReadReport, VideoReader

BITS = 8
QUIET = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libsvtav1": {"preset": "13"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def numbered_picture(number: int, width: int, height: int) -> np.ndarray:
    """Grey BGR picture with `number` in binary along its upper half, left to right."""
    image = np.full((height, width, 3), 110, np.uint8)
    block = width // BITS
    for bit in range(BITS):
        image[: height // 2, bit * block : (bit + 1) * block] = 235 if number >> bit & 1 else 20
    return image


def number_in(image: np.ndarray) -> int:
    """The number that `numbered_picture` wrote."""
    height, width = image.shape[:2]
    block = width // BITS
    row = image[height // 8 : height // 3].mean(axis=(0, 2))
    return sum((row[bit * block + 2 : (bit + 1) * block - 2].mean() > 128) << bit for bit in range(BITS))


def encode(
    path: Path,
    count: int = 30,
    size: tuple[int, int] = (160, 96),
    *,
    codec: str = "libx264",
    fps: int = 30,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    pts: Sequence[int] | None = None,
    picture: Callable[[int], np.ndarray] | None = None,
    container_options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    rotation_ccw: int = 0,
    prepare: Callable[[Any], None] | None = None,
    noise: int = 0,
) -> Path:
    """Write `count` pictures; `pts` in units of 1/fps. Noise makes packets large enough to be hit by damage."""
    random = np.random.default_rng(0)
    width, height = size
    output = av.open(str(path), "w", container_options=container_options or {})
    stream = output.add_stream(codec, rate=fps, options={**QUIET.get(codec, {}), **(options or {})})
    output.metadata.update(metadata or {})
    stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
    stream.codec_context.thread_count = 1
    if rotation_ccw:
        stream.set_display_rotation(rotation_ccw)
    if prepare is not None:
        prepare(stream)
    for index in range(count):
        image = picture(index) if picture is not None else numbered_picture(index, width, height)
        if noise:
            grain = random.integers(-noise, noise + 1, image.shape)
            image = np.clip(image.astype(int) + grain, 0, 255).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pixel_format)
        frame.pts = index if pts is None else pts[index]
        frame.time_base = Fraction(1, fps)
        for packet in stream.encode(frame):
            output.mux(packet)
    for packet in stream.encode(None):
        output.mux(packet)
    output.close()
    return path


def read(*paths: Path, **settings: Any) -> tuple[list[Frame], ReadReport]:
    """All frames and the final report."""
    with VideoReader("cam", list(paths), **settings) as reader:
        frames = list(reader)
        return frames, reader.report()


@pytest.fixture(name="encode")
def _encode() -> Callable[..., Path]:
    return encode


@pytest.fixture(name="read")
def _read() -> Callable[..., tuple[list[Frame], ReadReport]]:
    return read


@pytest.fixture(name="numbers")
def _numbers() -> Callable[[Sequence[Frame]], list[int]]:
    return lambda frames: [number_in(frame.image) for frame in frames]


@pytest.fixture(name="picture")
def _picture() -> Callable[[int, int, int], np.ndarray]:
    return numbered_picture
