"""Person crops with identity and camera: a folder or tar of `<id>_c<camera>_<n>.<ext>`, decoded once into an array.

Also crops without identity: persons cut out of a tar of images with YOLO boxes. They have identity -1 and serve
distillation only.
"""

from __future__ import annotations

import hashlib
import logging
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from pipeline.errors import UsageError
from pipeline.types import Float32, Int64, UInt8
from reid.embedder import resize
from reid.image_sequences import ChosenImages, JoinedImages
from reid.pose import load_keypoints
from reid.releases import PartName, read_release, recognise

logger = logging.getLogger(__name__)

NAME = re.compile(r"(-?\d+)_c(\d+)(?:s\d+)?_f?\d+(?:_\d+)?$")
"""Ours, and those of Market-1501 (`0002_c1s1_000451_03`) and DukeMTMC-reID (`0001_c2_f0046182`)."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
UNKNOWN = -1
CACHE_VERSION = 1


@dataclass(frozen=True, slots=True)
class CropTable:
    """N crops of one or several sets.

    `images (N, H, W, 3) uint8 BGR` (may be memory-mapped); `identity (N,) int64`, unique over all sets, -1 = unknown;
    `camera (N,) int64` as the file says, meaningful within one set; `source (N,) int64`, the row of `names`;
    `keypoints (N, 17, 3) float32` (reid/pose.py) where they are wanted.
    """

    images: Sequence[UInt8]
    identity: Int64
    camera: Int64
    source: Int64
    names: tuple[str, ...]
    keypoints: Float32 | None = None

    def __len__(self) -> int:
        return len(self.identity)


def parse_name(name: str) -> tuple[int, int]:
    """Identity and camera of a crop's file name. Raises UsageError for another form."""
    match = NAME.match(PurePosixPath(name).stem)
    if match is None:
        raise UsageError(f"{name}: a crop is called <id>_c<camera>_<n>.<ext>, e.g. 0012_c2_003.jpg; rename it")
    return int(match[1]), int(match[2])


def read_crops(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each image in a folder (searched deep) or tar, in the order of their names.

    Raises UsageError when there is no such folder or tar, when a tar cannot be read, or when it holds no image.
    """
    count = 0
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in SUFFIXES and file.is_file():
                count += 1
                yield file.name, file.read_bytes()
    elif path.is_file():
        for name, data in _tar_members(path):
            if PurePosixPath(name).suffix.lower() in SUFFIXES:
                count += 1
                yield name, data
    else:
        raise UsageError(f"{path}: no such folder or tar of crops")
    if count == 0:
        raise UsageError(f"{path}: holds no image ({', '.join(sorted(SUFFIXES))})")


def _tar_members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as archive:
            for member in sorted((m for m in archive if m.isfile()), key=lambda m: m.name):
                handle = archive.extractfile(member)
                if handle is not None:
                    yield member.name, handle.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UsageError(f"{path}: not a readable tar ({error}); give a folder or tar of crops") from None


@dataclass(frozen=True, slots=True)
class LabelledCrop:
    """One image file with its labels."""

    name: str
    data: bytes
    identity: int
    camera: int


def labelled_crops(path: Path, part: PartName = "train", split: int = 0) -> Iterator[LabelledCrop]:
    """The crops of `part` of a published data set (reid/releases.py), or all those of a plain folder or tar.

    Raises UsageError.
    """
    layout = recognise(path)
    if layout is None:
        for name, data in read_crops(path):
            yield LabelledCrop(name, data, *parse_name(name))
        return
    parts, _ = read_release(path, layout, split)
    for item in parts[part]:
        try:
            data = item.path.read_bytes()
        except OSError as error:
            raise UsageError(f"{item.path}: cannot be read ({error.strerror}); restore the data set") from None
        yield LabelledCrop(item.path.name, data, item.identity, item.camera)


def tell_counts(path: Path, split: int = 0) -> None:
    """Log which release of a published data set this is, or what differs; nothing for a plain set."""
    layout = recognise(path)
    if layout is not None:
        for line in read_release(path, layout, split)[1]:
            logger.info("%s: %s", path.name, line)


def decode(name: str, data: bytes) -> UInt8:
    """One image file as `(H, W, 3)` BGR. Raises UsageError when it cannot be decoded."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise UsageError(f"{name}: not an image that can be decoded; replace or remove it")
    return np.asarray(image, np.uint8)


def load_crops(path: Path, size_wh: tuple[int, int], cache: Path, split: int = 0) -> CropTable:
    """The crops of one folder or tar at `size_wh`, decoded into `cache` at the first call and mapped from there.

    Of a published data set those that are trained on; `split` is which of its random splits.
    """

    def rows() -> Iterator[tuple[UInt8, int, int]]:
        for crop in labelled_crops(path, "train", split):
            yield resize(decode(crop.name, crop.data), size_wh), crop.identity, crop.camera

    layout = recognise(path)
    kind = f"crops-{size_wh}" if layout is None else f"{layout.name}-{split}-{size_wh}"
    return _cached(path, kind, cache, rows())


def with_keypoints(table: CropTable, crops: Path, keypoints: Path) -> CropTable:
    """`table` as `load_crops` made it of `crops`, with the joints of the file `keypoints` (reid/pose.py)."""
    points = load_keypoints(keypoints, [crop.name for crop in labelled_crops(crops)])
    return replace(table, keypoints=points)


def load_unlabelled(path: Path, size_wh: tuple[int, int], cache: Path, *, min_height_px: int = 64) -> CropTable:
    """Persons cut out of a tar of `<name>.<ext>` + `<name>.txt` (YOLO boxes), all with identity -1, camera 0.

    Left out: boxes under `min_height_px`, and those less than 1.2 or more than 5 times as tall as wide, which are
    persons cut by an edge or lying.
    """
    return _cached(path, f"boxes-{size_wh}-{min_height_px}", cache, _persons(path, size_wh, min_height_px))


def _persons(path: Path, size_wh: tuple[int, int], min_height_px: int) -> Iterator[tuple[UInt8, int, int]]:
    if not path.is_file():
        raise UsageError(f"{path}: no such tar of images with boxes")
    waiting: dict[PurePosixPath, bytes] = {}
    for name, data in _tar_members(path):
        member = PurePosixPath(name)
        stem = member.with_suffix("")
        if member.suffix.lower() not in SUFFIXES | {".txt"}:
            continue
        if stem not in waiting:
            waiting[stem] = data
            continue
        first = waiting.pop(stem)
        image_bytes, boxes = (first, data) if member.suffix == ".txt" else (data, first)
        image = cv2.imdecode(np.frombuffer(image_bytes, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise UsageError(f"{path}: {name} cannot be decoded")
        height, width = image.shape[:2]
        for line in boxes.decode("ascii").splitlines():
            try:
                cx, cy, w, h = (float(field) for field in line.split()[1:5])
            except ValueError:
                raise UsageError(f"{path}: {name}: not a YOLO box: {line!r}") from None
            x1, x2 = max(0, round((cx - w / 2) * width)), min(width, round((cx + w / 2) * width))
            y1, y2 = max(0, round((cy - h / 2) * height)), min(height, round((cy + h / 2) * height))
            if y2 - y1 >= min_height_px and 1.2 <= (y2 - y1) / max(1, x2 - x1) <= 5:
                yield resize(np.asarray(image[y1:y2, x1:x2], np.uint8), size_wh), UNKNOWN, 0


def _cached(path: Path, kind: str, cache: Path, rows: Iterator[tuple[UInt8, int, int]]) -> CropTable:
    key = hashlib.sha256(repr((str(path.resolve()), _stamp(path), kind, CACHE_VERSION)).encode()).hexdigest()[:16]
    images, labels = cache / f"{path.stem}-{key}.npy", cache / f"{path.stem}-{key}.labels.npy"
    if not (images.is_file() and labels.is_file()):
        decoded = list(rows)
        if not decoded:
            raise UsageError(f"{path}: no crop left to train on")
        cache.mkdir(parents=True, exist_ok=True)
        _save(images, np.stack([row[0] for row in decoded]))
        _save(labels, np.array([row[1:] for row in decoded], np.int64))
    label = np.load(labels)
    mapped = np.load(images, mmap_mode="r")
    return CropTable(mapped, label[:, 0].copy(), label[:, 1].copy(), np.zeros(len(label), np.int64), (path.stem,))


def _stamp(path: Path) -> tuple[int, int, int]:
    """Number of files, bytes and newest change: enough to notice that a set was replaced."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
    stats = [file.stat() for file in files]
    return len(stats), sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)


def _save(path: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    part = path.with_suffix(".part.npy")
    np.save(part, array)
    part.replace(path)


def join(tables: Sequence[CropTable]) -> CropTable:
    """Several sets as one; identities are numbered anew from 0, so that equal numbers of two sets stay apart."""
    if not tables:
        raise UsageError("no set of crops given")
    identity: list[Int64] = []
    source: list[Int64] = []
    names: list[str] = []
    keypoints = [table.keypoints for table in tables if table.keypoints is not None]
    offset = 0
    for table in tables:
        own, number = np.unique(table.identity[table.identity >= 0], return_inverse=True)
        renumbered = np.full(len(table), UNKNOWN, np.int64)
        renumbered[table.identity >= 0] = number + offset
        offset += len(own)
        identity.append(renumbered)
        source.append(table.source + len(names))
        names.extend(table.names)
    return CropTable(
        JoinedImages([table.images for table in tables]),
        np.concatenate(identity),
        np.concatenate([table.camera for table in tables]),
        np.concatenate(source),
        tuple(names),
        np.concatenate(keypoints) if len(keypoints) == len(tables) else None,
    )


def held_out_identities(identity: Int64, count: int, seed: int, name: str) -> Int64:
    """`count` of the identities, drawn by `seed`: the first of NumPy's (PCG64) permutation of the sorted ones.

    Raises UsageError, naming the set `name`, when there are not that many.
    """
    known = np.unique(identity[identity >= 0])
    if count > len(known):
        raise UsageError(f"{name}: {count} identities to hold back, only {len(known)} there; hold back fewer")
    return np.random.default_rng(seed).permutation(known)[:count]


def split_identities(table: CropTable, held_out: int, seed: int) -> tuple[CropTable, CropTable]:
    """The crops of all other identities, and those of the `held_out` identities of `held_out_identities`."""
    mask = np.isin(table.identity, held_out_identities(table.identity, held_out, seed, "+".join(table.names)))
    return take(table, np.flatnonzero(~mask)), take(table, np.flatnonzero(mask))


def take(table: CropTable, rows: Int64) -> CropTable:
    """The crops of `rows`, in that order."""
    return CropTable(
        ChosenImages(table.images, rows),
        table.identity[rows],
        table.camera[rows],
        table.source[rows],
        table.names,
        None if table.keypoints is None else table.keypoints[rows],
    )
