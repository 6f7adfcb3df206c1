"""Images with YOLO labels beside them, from a folder or a tar, one at a time."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from detectors.training.dataset import parse_yolo
from pipeline.errors import UsageError
from pipeline.types import Float32, UInt8

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def read_labelled_images(path: Path) -> Iterator[tuple[str, UInt8, Float32]]:
    """`(name, image (H, W, 3) BGR, xyxy (N, 4) px)` in alphabetical order, at their own size.

    path: a tar or a folder (with folders or tars in it) of `x.jpg` + `x.txt` side by side, or `images/x.jpg` +
    `labels/x.txt`; lines `class cx cy w h` in fractions, class 0 = person, an empty file = nobody.
    Raises UsageError that names what is missing or broken.
    """
    if path.is_dir():
        tars = sorted(path.glob("*.tar"))
        files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        yield from _pairs(path, files, lambda name: (path / name).read_bytes())
        for tar in tars:
            yield from read_labelled_images(tar)
        return
    try:
        with tarfile.open(path) as archive:
            members = {member.name: member for member in archive if member.isfile()}

            def content(name: str) -> bytes:
                handle = archive.extractfile(members[name])
                return b"" if handle is None else handle.read()

            yield from _pairs(path, sorted(members), content)
    except (tarfile.TarError, OSError) as error:
        raise UsageError(f"--data {path}: cannot be read as a tar or folder ({error})") from None


def _pairs(path: Path, names: list[str], content: Callable[[str], bytes]) -> Iterator[tuple[str, UInt8, Float32]]:
    known = set(names)
    for name in names:
        if PurePosixPath(name).suffix.lower() not in _IMAGE_SUFFIXES:
            continue
        label = next((choice for choice in _label_names(name) if choice in known), None)
        if label is None:
            raise UsageError(f"{path}/{name}: no labels beside it; an image without people has an empty .txt")
        data = np.frombuffer(content(name), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if image is None:
            raise UsageError(f"{path}/{name}: not an image that can be decoded; remove it or repair it")
        height, width = image.shape[:2]
        text = content(label).decode("utf-8", errors="replace")
        yield f"{path.name}/{name}", np.asarray(image, np.uint8), parse_yolo(text, width, height, f"{path}/{label}")


def _label_names(image: str) -> Iterator[str]:
    """Where the labels of an image may stand: beside it, or under `labels` where it stands under `images`."""
    beside = PurePosixPath(image).with_suffix(".txt")
    yield str(beside)
    for position in range(len(beside.parts) - 2, -1, -1):
        if beside.parts[position] == "images":
            yield str(PurePosixPath(*beside.parts[:position], "labels", *beside.parts[position + 1 :]))
            return
