"""Photos in, the people in them out: reading, finding and describing for `run.py album`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from commands.image_size import MAX_PIXELS, image_size
from pipeline.config import CropConfig
from pipeline.stages.crops import box_quality
from pipeline.types import Detector, Embedder, Float32, Frame, UInt8

logger = logging.getLogger(__name__)

CAMERA = "album"
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
BATCH = 4
"""Photos in memory at a time."""
CROP_HEIGHT_PX = 384
"""MGN's input; a crop need be no taller to be described or shown."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """One person in one photo: the photo's number, the box in px of the upright photo, and its quality 0..1."""

    photo: int
    xyxy: Float32
    confidence: float
    quality: float
    crop: Path


@dataclass(frozen=True, slots=True)
class Found:
    """All people in all photos: `vector (K, D)` in the order of `appearances`; what could not be read, and why."""

    appearances: tuple[Appearance, ...]
    vector: Float32
    unreadable: dict[Path, str]


def photos_in(folder: Path, but_not: Path) -> list[Path]:
    """The photos of a folder and the folders in it, in order of their names; links to folders are not followed, and
    nothing under `but_not` (the output) is taken."""
    found: list[Path] = []
    skipped = but_not.resolve()
    for directory, folders, files in os.walk(folder):
        here = Path(directory)
        folders[:] = sorted(name for name in folders if (here / name).resolve() != skipped)
        found += [here / name for name in files if Path(name).suffix.lower() in SUFFIXES and (here / name).is_file()]
    return sorted(found)


def read_photo(path: Path) -> UInt8 | str:
    """`(H, W, 3)` BGR, turned upright as its EXIF says; or why it cannot be read."""
    try:
        data = np.fromfile(path, np.uint8)
        size_wh = image_size(data.tobytes())
        if size_wh is not None and size_wh[0] * size_wh[1] > MAX_PIXELS:
            return f"{size_wh[0]}x{size_wh[1]} is more than {MAX_PIXELS} pixels; scale it down"
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if size_wh is not None else None
    except (OSError, cv2.error) as error:
        return str(error).strip().splitlines()[-1][:200]
    if image is None:
        return "not an image that can be decoded"
    return np.asarray(image, np.uint8)


def find_people(
    photos: list[Path],
    detector: Detector,
    embedder: Embedder,
    *,
    crops: CropConfig,
    folder: Path,
    min_confidence: float,
    tell: Callable[[str, int], None],
) -> Found:
    """Detect and describe; a crop of each person is written into `folder` at once, so that none waits in memory."""
    appearances: list[Appearance] = []
    vectors = [np.zeros((0, embedder.dimension), np.float32)]
    unreadable: dict[Path, str] = {}
    for frames in _batches(photos, unreadable):
        for frame, detections in zip(frames, detector.detect(frames), strict=True):
            height, width = frame.image.shape[:2]
            quality = box_quality(detections, (width, height))
            images: list[UInt8] = []
            for row in np.flatnonzero(detections.confidence >= min_confidence).tolist():
                image = cut(frame.image, detections.xyxy[row], crops.min_height_px)
                if image is None:
                    continue
                path = folder / f"{frame.index + 1:06d}-{len(images) + 1:02d}.jpg"
                _write_jpeg(path, image)
                images.append(image)
                appearances.append(
                    Appearance(
                        frame.index,
                        detections.xyxy[row].copy(),
                        float(detections.confidence[row]),
                        float(quality[row]),
                        path,
                    )
                )
            if images:
                vectors.append(embedder.embed(images))
        tell("photos", frames[-1].index + 1)
    return Found(tuple(appearances), np.concatenate(vectors), unreadable)


def _batches(photos: list[Path], unreadable: dict[Path, str]) -> Iterator[list[Frame]]:
    waiting: list[Frame] = []
    for number, path in enumerate(photos):
        image = read_photo(path)
        if isinstance(image, str):
            unreadable[path] = image
            logger.warning("%s: %s", path, image)
            continue
        waiting.append(Frame(CAMERA, number, float(number), image))
        if len(waiting) == BATCH:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def cut(image: UInt8, xyxy: Float32, min_height_px: int) -> UInt8 | None:
    """The person in the box `xyxy`, at most 384 px tall; None for one too small to be told from others."""
    height, width = image.shape[:2]
    x1, y1 = max(0, int(xyxy[0])), max(0, int(xyxy[1]))
    x2, y2 = min(width, int(np.ceil(xyxy[2]))), min(height, int(np.ceil(xyxy[3])))
    if y2 - y1 < min_height_px or x2 - x1 < min_height_px // 4:
        return None
    crop = image[y1:y2, x1:x2]
    if crop.shape[0] > CROP_HEIGHT_PX:
        size = (max(1, round(crop.shape[1] * CROP_HEIGHT_PX / crop.shape[0])), CROP_HEIGHT_PX)
        crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(crop, np.uint8)


def _write_jpeg(path: Path, image: UInt8) -> None:
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not ok:
        raise OSError(f"{path}: could not be encoded")
    path.write_bytes(data.tobytes())
