"""Keypoints of a crop, and the boxes of body parts made from them, for pose-guided parts.

Keypoints are COCO's 17 (nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right), as
`(17, 3)`: x and y in fractions of the crop's width and height, and a confidence 0..1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.errors import UsageError
from pipeline.types import Float32

KEYPOINTS = 17
PARTS: Mapping[str, tuple[int, ...]] = {
    "head": (0, 1, 2, 3, 4),
    "torso": (5, 6, 11, 12),
    "left arm": (5, 7, 9),
    "right arm": (6, 8, 10),
    "left leg": (11, 13, 15),
    "right leg": (12, 14, 16),
}
"""The six of Su et al., "Pose-driven Deep Convolutional Model for Person Re-identification", ICCV 2017, section 3."""

MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""Keypoint of the mirror image by keypoint: left and right change places."""

MIN_CONFIDENCE = 0.3
MARGIN = 0.06
"""Of the crop's side: a box of joints ends in the middle of a limb. Both chosen by looking at crops of 64 x 128 px."""


def part_boxes(keypoints: Float32) -> Float32:
    """Boxes `(N, 6, 4)`, xyxy in fractions of the crop, from `(N, 17, 3)`; all 0 where no joint of a part was seen."""
    boxes = np.zeros((len(keypoints), len(PARTS), 4), np.float32)
    for column, joints in enumerate(PARTS.values()):
        points = keypoints[:, joints]
        seen = points[..., 2] >= MIN_CONFIDENCE
        there = seen.any(1)
        low = np.where(seen[..., None], points[..., :2], np.inf).min(1) - MARGIN
        high = np.where(seen[..., None], points[..., :2], -np.inf).max(1) + MARGIN
        boxes[there, column] = np.clip(np.concatenate([low, high], axis=1)[there], 0, 1)
    return boxes


def mirror(keypoints: Float32) -> Float32:
    """Keypoints `(..., 17, 3)` of the mirror images."""
    result = keypoints[..., MIRRORED, :].copy()
    result[..., 0] = 1 - result[..., 0]
    return np.asarray(result, np.float32)


def save_keypoints(path: Path, names: Sequence[str], keypoints: Float32) -> None:
    """Write `{file name: [[x, y, confidence] x 17]}` as JSON, 4 decimals."""
    rows = {name: np.round(row.astype(float), 4).tolist() for name, row in zip(names, keypoints, strict=True)}
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(rows), encoding="utf-8")
    part.replace(path)


def load_keypoints(path: Path, names: Sequence[str]) -> Float32:
    """`(N, 17, 3)` of the crops called `names` (folders before the name do not count).

    Raises UsageError when the file is missing, is of another form, or lacks a crop.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(rows, dict):
            raise ValueError("want an object {file name: 17 x [x, y, confidence]}")
        table = {PurePosixPath(name).name: np.asarray(row, np.float32) for name, row in rows.items()}
    except FileNotFoundError:
        raise UsageError(f"{path}: no such keypoint file; `run.py keypoints` writes one") from None
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: not a keypoint file ({error}); `run.py keypoints` writes one") from None
    wanted = [PurePosixPath(name).name for name in names]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise UsageError(f"{path}: {len(missing)} of {len(wanted)} crops are not in it, first {missing[0]}")
    wrong = next((n for n in wanted if table[n].shape != (KEYPOINTS, 3) or not np.isfinite(table[n]).all()), None)
    if wrong is not None:
        raise UsageError(f"{path}: {wrong}: want 17 x [x, y, confidence], finite, got shape {table[wrong].shape}")
    return np.stack([table[name] for name in wanted])
