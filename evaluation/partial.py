"""Scores against a truth that annotates only some people or some frames.

A prediction far from every truth box is neither right nor wrong, so false alarms can't be counted: only IDF1 and the
cross-camera pairs are reported, never MOTA, HOTA or a precision of boxes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.identity import identity
from evaluation.mot_text import MotRows
from evaluation.multi_camera import PairResult, overlaps_by_camera, pair_links
from evaluation.overlaps import IOU_THRESHOLD, find_overlaps, join_cameras


@dataclass(frozen=True, slots=True)
class PartialResult:
    """`idf1` over all cameras with global ids, `cameras` each alone, `pairs` the links between cameras."""

    idf1: float
    cameras: Mapping[str, float]
    pairs: PairResult


def drop_far(truth: MotRows, predicted: MotRows, threshold: float = IOU_THRESHOLD) -> MotRows:
    """The predicted boxes of one camera that reach IoU `threshold` with a truth box of their frame, in frame order."""
    predicted = predicted.take(np.argsort(predicted.frame, kind="stable"))
    overlaps = find_overlaps(truth, predicted)
    return predicted.take(np.unique(overlaps.pair_predicted[overlaps.iou >= threshold]))


def evaluate_partial(truth: Mapping[str, MotRows], predicted: Mapping[str, MotRows]) -> PartialResult:
    """Score `predicted` against an incomplete `truth`, both keyed by camera; the cameras are those of `truth`."""
    near = {camera: drop_far(truth[camera], rows) for camera, rows in predicted.items() if camera in truth}
    overlaps = overlaps_by_camera(truth, near)
    joined = join_cameras(list(overlaps.values()))
    return PartialResult(identity(joined).idf1, {c: identity(o).idf1 for c, o in overlaps.items()}, pair_links(joined))
