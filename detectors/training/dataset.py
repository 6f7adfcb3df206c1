"""Images with person boxes, packed once so that a training step costs no decoding.

A source is a tar (or folder) of `gGGGGG_KKKKK.webp` + `.txt` (YOLO lines, class 0 = person). `g` numbers the source
image: augmented copies share it, so that a split by group never puts a copy of a training image into validation.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import UsageError
from pipeline.types import Float32, Int64, UInt8

LONGEST_SIDE_PX = 640
"""Images are stored no larger than this; the network never sees more."""
_IMAGE_SUFFIXES = (".webp", ".jpg", ".jpeg", ".png")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image as it lies in a source: `image (H, W, 3)` BGR, `xyxy (N, 4)` px."""

    source: str
    name: str
    group: str
    image: UInt8
    xyxy: Float32


Complete = Callable[[LabelledImage], LabelledImage]
"""Fills in the labels of an image from a partly labelled source (detectors/training/teacher.py)."""


def in_validation(source: str, group: str, fraction: float) -> bool:
    """Whether a group is held out: by a hash of its name, so that adding data moves nothing."""
    digest = hashlib.sha256(f"{source}/{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


def parse_yolo(text: str, width: int, height: int, where: str) -> Float32:
    """YOLO lines `class cx cy w h` (fractions) to `(N, 4)` xyxy px, class 0 only, clipped to the image.

    Raises UsageError for a line that is not five finite numbers.
    """
    boxes: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            kind, cx, cy, w, h = (float(value) for value in line.split())
        except ValueError:
            raise UsageError(f"{where}:{number}: not a YOLO line `class cx cy w h`: {line!r}") from None
        if not np.isfinite([cx, cy, w, h]).all():
            raise UsageError(f"{where}:{number}: numbers must be finite: {line!r}")
        if kind == 0:
            boxes.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    xyxy = np.array(boxes, np.float64).reshape(-1, 4) * (width, height, width, height)
    xyxy = xyxy.clip(0, (width, height, width, height))
    kept = (xyxy[:, 2] - xyxy[:, 0] >= 1) & (xyxy[:, 3] - xyxy[:, 1] >= 1)
    return xyxy[kept].astype(np.float32)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.is_file():
                yield file.name, file.read_bytes()
        return
    with tarfile.open(path) as archive:
        for member in archive:
            handle = archive.extractfile(member) if member.isfile() else None
            if handle is not None:
                yield Path(member.name).name, handle.read()


def read_source(path: Path) -> Iterator[LabelledImage]:
    """The images of one tar or folder, by name. Raises UsageError for an image without labels or not decodable."""
    files = dict(_members(path))
    for name in sorted(files):
        stem, suffix = Path(name).stem, Path(name).suffix.lower()
        if suffix not in _IMAGE_SUFFIXES:
            continue
        where = f"{path}/{stem}.txt"
        if f"{stem}.txt" not in files:
            raise UsageError(f"{where}: no labels for {name}; an image without people has an empty .txt")
        image = cv2.imdecode(np.frombuffer(files[name], np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise UsageError(f"{path}/{name}: not an image that OpenCV reads; remove it or repair it")
        height, width = image.shape[:2]
        xyxy = parse_yolo(files[f"{stem}.txt"].decode(), width, height, where)
        scale = LONGEST_SIDE_PX / max(width, height)
        if scale < 1:
            new_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = cv2.resize(image, new_wh, interpolation=cv2.INTER_AREA)
            xyxy = xyxy * np.array([new_wh[0] / width, new_wh[1] / height] * 2, np.float32)
        yield LabelledImage(path.stem, stem, stem.split("_")[0], np.ascontiguousarray(image), xyxy)


@dataclass(frozen=True, slots=True)
class PackedImages:
    """Many images in one flat file.

    `shape (N, 2)` h, w; `offset (N,)` into `pixels`; `box_start (N + 1,)` rows of `xyxy`.
    """

    pixels: UInt8
    shape: Int64
    offset: Int64
    box_start: Int64
    xyxy: Float32
    source: tuple[str, ...]
    name: tuple[str, ...]
    group: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.shape)

    def image(self, index: int) -> UInt8:
        """`(H, W, 3)` BGR, a read-only view of the file."""
        height, width = self.shape[index]
        start = self.offset[index]
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3)

    def boxes(self, index: int) -> Float32:
        """`(N, 4)` xyxy px."""
        return self.xyxy[self.box_start[index] : self.box_start[index + 1]]

    def rows(self, validation: bool, fraction: float) -> Int64:
        """Indices of the training or of the held-out images."""
        held = [in_validation(s, g, fraction) for s, g in zip(self.source, self.group, strict=True)]
        return np.flatnonzero(np.array(held, bool) == validation)


def pack(sources: Mapping[str, Path], directory: Path, complete: Mapping[str, Complete] | None = None) -> PackedImages:
    """Write the images of `sources` (name -> tar or folder) to `directory` and open them.

    What lies there already is opened instead if it was made of the same files; `complete` names the sources whose
    labels are filled in first. The result depends on the files and on `complete` alone.
    """
    complete = complete or {}
    stamp = {
        "format": _FORMAT,
        "sources": {name: [path.name, _size_of(path), name in complete] for name, path in sorted(sources.items())},
    }
    index = directory / "index.json"
    if index.is_file() and json.loads(index.read_text(encoding="utf-8"))["stamp"] == stamp:
        return open_packed(directory)
    directory.mkdir(parents=True, exist_ok=True)
    index.unlink(missing_ok=True)
    shapes: list[tuple[int, int]] = []
    boxes: list[Float32] = []
    labels: dict[str, list[str]] = {"source": [], "name": [], "group": []}
    with (directory / "pixels.bin").open("wb") as handle:
        for name, path in sorted(sources.items()):
            for item in read_source(path):
                done = complete[name](item) if name in complete else item
                handle.write(done.image.tobytes())
                shapes.append((done.image.shape[0], done.image.shape[1]))
                boxes.append(done.xyxy)
                for key, value in (("source", name), ("name", done.name), ("group", done.group)):
                    labels[key].append(value)
    np.savez(
        directory / "boxes.npz",
        shape=np.array(shapes, np.int64).reshape(-1, 2),
        box_start=np.cumsum([0, *(len(b) for b in boxes)]).astype(np.int64),
        xyxy=np.concatenate([*boxes, np.zeros((0, 4), np.float32)]).astype(np.float32),
    )
    index.write_text(json.dumps({"stamp": stamp, **labels}), encoding="utf-8")
    return open_packed(directory)


def open_packed(directory: Path) -> PackedImages:
    """Open what `pack` wrote; pixels stay on disk (memory map)."""
    labels = json.loads((directory / "index.json").read_text(encoding="utf-8"))
    with np.load(directory / "boxes.npz") as arrays:
        shape, box_start, xyxy = arrays["shape"], arrays["box_start"], arrays["xyxy"]
    size = shape[:, 0] * shape[:, 1] * 3
    return PackedImages(
        pixels=np.memmap(directory / "pixels.bin", np.uint8, mode="r"),
        shape=shape,
        offset=np.concatenate([[0], np.cumsum(size)[:-1]]).astype(np.int64),
        box_start=box_start,
        xyxy=xyxy,
        source=tuple(labels["source"]),
        name=tuple(labels["name"]),
        group=tuple(labels["group"]),
    )


def find_source(root: Path, name: str) -> Path:
    """`root/name.tar`, else the folder `root/name`. Raises UsageError when neither is there."""
    for path in (root / f"{name}.tar", root / name):
        if path.exists():
            return path
    raise UsageError(f"{root}: holds neither {name}.tar nor a folder {name}; --data names the folder with the sources")


def write_held_out(sources: Mapping[str, Path], fraction: float, directory: Path) -> None:
    """Copy the held-out images and labels of `sources` to `directory/<source>/`, so that any detector can be scored
    on them (`run.py evaluate-detector --data`)."""
    for name, path in sources.items():
        target = directory / name
        target.mkdir(parents=True, exist_ok=True)
        for file, content in _members(path):
            if in_validation(name, Path(file).stem.split("_")[0], fraction):
                (target / file).write_bytes(content)


def _size_of(path: Path) -> int:
    return sum(f.stat().st_size for f in path.iterdir()) if path.is_dir() else path.stat().st_size
