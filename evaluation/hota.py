"""HOTA: one measure of detection, association and localisation.

Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-object Tracking", IJCV 2021, sec. 5; the matching that
favours ids which agree over the whole sequence is its sec. 5 "Hungarian" step as TrackEval carries it out.
Over several cameras at once a wrong link between cameras lowers AssA.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.overlaps import EPS, Overlaps, assign_frames
from pipeline.types import Float64, Int64

ALPHAS: Float64 = np.arange(0.05, 0.99, 0.05)
"""The 19 IoU thresholds of the paper's average."""


@dataclass(frozen=True, slots=True)
class HotaResult:
    """Each field `(19,) float64`, one value an IoU threshold of `ALPHAS`; the properties are their means."""

    hota_alpha: Float64
    deta_alpha: Float64
    assa_alpha: Float64
    loca_alpha: Float64
    detection_recall: Float64
    detection_precision: Float64
    association_recall: Float64
    association_precision: Float64

    @property
    def hota(self) -> float:
        """HOTA, 0..1."""
        return float(self.hota_alpha.mean())

    @property
    def deta(self) -> float:
        """Detection accuracy, 0..1."""
        return float(self.deta_alpha.mean())

    @property
    def assa(self) -> float:
        """Association accuracy, 0..1."""
        return float(self.assa_alpha.mean())

    @property
    def loca(self) -> float:
        """Localisation accuracy, 0..1; 1 at a threshold no box reaches (TrackEval's convention)."""
        return float(self.loca_alpha.mean())


def hota(overlaps: Overlaps) -> HotaResult:
    """HOTA over all frames, of however many cameras."""
    n_truth, n_predicted = len(overlaps.truth), len(overlaps.predicted)
    truth_boxes = np.bincount(overlaps.truth, minlength=len(overlaps.truth_ids))
    predicted_boxes = np.bincount(overlaps.predicted, minlength=len(overlaps.predicted_ids))
    width = max(1, len(overlaps.predicted_ids))
    codes, pair_ids = np.unique(
        overlaps.truth[overlaps.pair_truth] * width + overlaps.predicted[overlaps.pair_predicted], return_inverse=True
    )
    boxes = truth_boxes[codes // width] + predicted_boxes[codes % width]

    chosen = assign_frames(overlaps, _alignment(overlaps, pair_ids, boxes)[pair_ids] * overlaps.iou)
    iou, ids = overlaps.iou[chosen], pair_ids[chosen]
    tp = np.zeros(len(ALPHAS))
    loca, assa, ass_re, ass_pr = (np.zeros(len(ALPHAS)) for _ in range(4))
    for k, alpha in enumerate(ALPHAS):
        found = iou >= alpha - EPS
        matches = np.bincount(ids[found], minlength=len(codes)).astype(np.float64)
        tp[k] = found.sum()
        loca[k] = max(1e-10, iou[found].sum()) / max(1e-10, tp[k])
        per_match = matches / max(1.0, tp[k])
        assa[k] = np.sum(per_match * matches / np.maximum(1, boxes - matches))
        ass_re[k] = np.sum(per_match * matches / truth_boxes[codes // width])
        ass_pr[k] = np.sum(per_match * matches / predicted_boxes[codes % width])
    deta = tp / np.maximum(1, n_truth + n_predicted - tp)
    return HotaResult(
        hota_alpha=np.sqrt(deta * assa),
        deta_alpha=deta,
        assa_alpha=assa,
        loca_alpha=loca,
        detection_recall=tp / max(1, n_truth),
        detection_precision=tp / max(1, n_predicted),
        association_recall=ass_re,
        association_precision=ass_pr,
    )


def _alignment(overlaps: Overlaps, pair_ids: Int64, boxes: Int64) -> Float64:
    """Per pair of ids, how well they align over the whole sequence, 0..1: a soft Jaccard index of their boxes."""
    iou = overlaps.iou
    of_truth = np.bincount(overlaps.pair_truth, weights=iou, minlength=len(overlaps.truth))
    of_predicted = np.bincount(overlaps.pair_predicted, weights=iou, minlength=len(overlaps.predicted))
    share = iou / (of_predicted[overlaps.pair_predicted] + of_truth[overlaps.pair_truth] - iou)
    potential = np.bincount(pair_ids, weights=share, minlength=len(boxes))
    result: Float64 = potential / (boxes - potential)
    return result
