"""CLEAR MOT: MOTA, MOTP and what they are made of.

Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", 2008, sec. 2;
mostly tracked / mostly lost: Li, Huang and Nevatia, CVPR 2009. Matching (identities of the frame before are kept, then
the highest IoU) and the counting of fragments follow TrackEval, so that the numbers are its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.overlaps import EPS, IOU_THRESHOLD, Overlaps, frame_pairs, match_frame

_KEEP_IDENTITY = 1000.0
"""Weight of a pair matched in the frame before: above any sum of IoUs of one frame."""


@dataclass(frozen=True, slots=True)
class ClearResult:
    """Counts of one camera, or summed over cameras."""

    tp: int
    fp: int
    fn: int
    idsw: int
    """Identity switches: a truth id is matched by another predicted id than the last time it was matched."""
    frag: int
    """Times a truth id's coverage is taken up again after a break."""
    mt: int
    """Truth ids matched in more than 80 % of their boxes."""
    pt: int
    ml: int
    """Truth ids matched in less than 20 % of their boxes."""
    iou_sum: float
    """Sum of the IoU of the matched boxes."""

    @property
    def mota(self) -> float:
        """1 - (FN + FP + IDSW) / truth boxes; below 0 where errors outnumber the truth; 0 where there is no truth."""
        truth = self.tp + self.fn
        return (self.tp - self.fp - self.idsw) / truth if truth else 0.0

    @property
    def motp(self) -> float:
        """Mean IoU of the matched boxes, 0..1; 0 where none is matched."""
        return self.iou_sum / self.tp if self.tp else 0.0


def clear(overlaps: Overlaps, threshold: float = IOU_THRESHOLD) -> ClearResult:
    """CLEAR counts of one camera; for several cameras sum the results of each with `sum_clear`.

    Raises ValueError if `overlaps` holds several cameras: a switch is counted inside a camera only.
    """
    if np.any(overlaps.camera != 0):
        raise ValueError("clear() takes one camera; sum the cameras' results with sum_clear()")
    n_ids = len(overlaps.truth_ids)
    last = np.full(n_ids, -1, np.int64)
    before = np.full(n_ids, -1, np.int64)
    matched = np.zeros(n_ids, np.int64)
    runs = np.zeros(n_ids, np.int64)
    idsw = 0
    iou_sum = 0.0
    for begin, end, rows, columns, shape in frame_pairs(overlaps):
        if 0 in shape:
            continue
        near = np.flatnonzero(overlaps.iou[begin:end] >= threshold - EPS)
        iou = overlaps.iou[begin:end][near]
        g = overlaps.truth[overlaps.pair_truth[begin:end][near]]
        p = overlaps.predicted[overlaps.pair_predicted[begin:end][near]]
        pick = match_frame(rows[near], columns[near], _KEEP_IDENTITY * (before[g] == p) + iou, shape)
        g, p = g[pick], p[pick]
        idsw += int(np.sum((last[g] >= 0) & (last[g] != p)))
        iou_sum += float(iou[pick].sum())
        matched[g] += 1
        runs[g] += before[g] < 0
        last[g] = p
        before[:] = -1
        before[g] = p
    tp = int(matched.sum())
    share = matched / np.maximum(1, np.bincount(overlaps.truth, minlength=n_ids))
    mt = int(np.sum(share > 0.8))
    ml = int(np.sum(share < 0.2))
    return ClearResult(
        tp=tp,
        fp=len(overlaps.predicted) - tp,
        fn=len(overlaps.truth) - tp,
        idsw=idsw,
        frag=int(np.sum(np.maximum(0, runs - 1))),
        mt=mt,
        pt=n_ids - mt - ml,
        ml=ml,
        iou_sum=iou_sum,
    )


def sum_clear(results: Sequence[ClearResult]) -> ClearResult:
    """Counts summed over cameras: the multi-camera MOTA, and TrackEval's COMBINED row."""
    return ClearResult(
        tp=sum(r.tp for r in results),
        fp=sum(r.fp for r in results),
        fn=sum(r.fn for r in results),
        idsw=sum(r.idsw for r in results),
        frag=sum(r.frag for r in results),
        mt=sum(r.mt for r in results),
        pt=sum(r.pt for r in results),
        ml=sum(r.ml for r in results),
        iou_sum=sum(r.iou_sum for r in results),
    )
