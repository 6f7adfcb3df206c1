"""Detection measures: AP50, AP50:95 and recall at a precision, COCO-style.

Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and its evaluation as pycocotools carries it out:
greedy matching by confidence, precision made monotone and read at 101 recalls. Other than there, detections per
image are not cut at 100: a crowd holds more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.geometry import intersection, iou
from pipeline.types import Bool, Float64

IOU_THRESHOLDS: Float64 = np.linspace(0.5, 0.95, 10)
RECALL_POINTS: Float64 = np.linspace(0.0, 1.0, 101)
HEIGHT_BUCKETS: Mapping[str, tuple[float, float]] = {
    "below_50px": (0.0, 50.0),
    "50_100px": (50.0, 100.0),
    "from_100px": (100.0, float("inf")),
}
"""Heights of a person in px: Caltech's (Dollar et al. 2012) "reasonable" set begins at 50."""

_EPS = float(np.spacing(1))


@dataclass(frozen=True, slots=True)
class ImageBoxes:
    """One image: `truth (G, 4)` and `detected (N, 4)` xyxy px, `confidence (N,)`, `ignore (R, 4)` regions.

    A detection that lies (by the threshold's share of its own area) in an ignore region and matches no truth is
    neither right nor wrong.
    """

    truth: Float64
    detected: Float64
    confidence: Float64
    ignore: Float64 = field(default_factory=lambda: np.zeros((0, 4)))

    def __post_init__(self) -> None:
        for name in ("truth", "detected", "ignore"):
            boxes = np.asarray(getattr(self, name), dtype=np.float64).reshape(-1, 4)
            if not np.isfinite(boxes).all():
                raise ValueError(f"{name} boxes hold nan or infinite values")
            object.__setattr__(self, name, boxes)
        confidence = np.asarray(self.confidence, dtype=np.float64)
        if confidence.shape != (len(self.detected),) or not np.isfinite(confidence).all():
            raise ValueError(f"want {len(self.detected)} finite confidences, got shape {confidence.shape}")
        object.__setattr__(self, "confidence", confidence)


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """Fractions 0..1 over all images."""

    ap50: float
    ap50_95: float
    """Mean AP over IoU .50, .55, ... .95."""
    recall_at_p90: float
    """Largest recall at IoU 0.5 any confidence threshold gives while precision is at least 0.9; 0 if none does."""
    truths: int
    detections: int


def evaluate_detections(
    images: Sequence[ImageBoxes], height_px: tuple[float, float] = (0.0, float("inf"))
) -> DetectionResult | None:
    """Score the detections of all images; None where no truth box is to be found.

    height_px: only people of at least the first and less than the second height count; truth of other heights, and
    unmatched detections of other heights, are ignored.
    """
    confidence, matched, ignored, truths = [], [], [], 0
    for image in images:
        order = np.argsort(-image.confidence, kind="stable")
        counted = _within(image.truth, height_px)
        hit, ignore = match_image(image, order, counted, ~_within(image.detected[order], height_px))
        confidence.append(image.confidence[order])
        matched.append(hit)
        ignored.append(ignore)
        truths += int(counted.sum())
    if truths == 0:
        return None
    order = np.argsort(-np.concatenate(confidence), kind="stable")
    hit = np.concatenate(matched, axis=1)[:, order]
    valid = ~np.concatenate(ignored, axis=1)[:, order]
    ap = np.zeros(len(IOU_THRESHOLDS))
    recall_at_p90 = 0.0
    for k in range(len(IOU_THRESHOLDS)):
        right = np.cumsum(hit[k][valid[k]])
        recall = right / truths
        precision = right / (np.arange(1, len(right) + 1) + _EPS)
        if k == 0:
            recall_at_p90 = float(np.max(recall, where=precision >= 0.9 - 1e-9, initial=0.0))
        ap[k] = _interpolated_ap(recall, precision)
    return DetectionResult(float(ap[0]), float(ap.mean()), recall_at_p90, truths, int(valid[0].sum()))


def evaluate_by_height(
    images: Sequence[ImageBoxes], buckets: Mapping[str, tuple[float, float]] = HEIGHT_BUCKETS
) -> dict[str, DetectionResult | None]:
    """The same for people of each range of heights; None for a bucket without truth."""
    return {name: evaluate_detections(images, height) for name, height in buckets.items()}


def match_image(image: ImageBoxes, order: np.ndarray, counted: Bool, outside: Bool) -> tuple[Bool, Bool]:
    """Match one image's detections, the most confident first, to its truth at every IoU threshold.

    order (N,): the detections by falling confidence; counted (G,): truth that is to be found, the rest is ignored;
    outside (N,), in that order: detections that are ignored unless matched.
    Returns `hit` and `ignored`, both `(10, N) bool` in that order.
    """
    detected = image.detected[order]
    overlap = iou(detected, image.truth)
    area = np.prod(detected[:, 2:] - detected[:, :2], axis=1)
    covered = intersection(detected, image.ignore) / np.maximum(area, _EPS)[:, None]
    in_region = covered.max(axis=1, initial=0.0)
    rows = np.arange(len(IOU_THRESHOLDS))
    least = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
    taken = np.zeros((len(IOU_THRESHOLDS), len(image.truth)), np.bool_)
    hit = np.zeros((len(IOU_THRESHOLDS), len(detected)), np.bool_)
    ignored = np.zeros_like(hit)
    for n in range(len(detected)):
        if len(image.truth):
            free = np.where(taken, -1.0, overlap[n])
            # counted truth first; the last of equal overlaps, as pycocotools
            best, reached = _best(np.where(counted, free, -1.0), least)
            spare, spare_reached = _best(np.where(counted, -1.0, free), least)
            use_spare = spare_reached & ~reached & (free[rows, spare] >= in_region[n])
            taken[rows[reached], best[reached]] = True
            taken[rows[use_spare], spare[use_spare]] = True
            hit[:, n] = reached
            ignored[:, n] = use_spare
        missed = ~hit[:, n] & ~ignored[:, n]
        ignored[:, n] |= missed & ((in_region[n] >= least) | outside[n])
    return hit, ignored


def _best(overlap: Float64, least: Float64) -> tuple[np.ndarray, Bool]:
    """Per threshold the truth with the largest overlap (the last on a tie), and whether it reaches the threshold."""
    best = overlap.shape[1] - 1 - np.argmax(overlap[:, ::-1], axis=1)
    return best, overlap[np.arange(len(best)), best] >= least


def _interpolated_ap(recall: Float64, precision: Float64) -> float:
    """Mean of the monotone precision at 101 recalls; 0 beyond the largest recall."""
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(recall, RECALL_POINTS, side="left")].mean())


def _within(boxes: Float64, height_px: tuple[float, float]) -> Bool:
    height = boxes[:, 3] - boxes[:, 1]
    result: Bool = (height >= height_px[0]) & (height < height_px[1])
    return result
