"""Which truth boxes and predicted boxes of the same frame overlap: what every tracking measure starts from.

Only pairs with an IoU above 0 are kept, flat over all frames: memory follows the number of people who overlap, not
frames x people^2, and the counts of the measures are sums over flat arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from evaluation.mot_text import MotRows
from pipeline.types import Float64, Int64

EPS = float(np.finfo(np.float64).eps)
"""TrackEval's tolerance at its thresholds; kept so that equal boxes give equal scores."""

IOU_THRESHOLD = 0.5
"""A box counts as found at this IoU: MOTChallenge's (Milan et al. 2016) and Ristani et al.'s (2016) choice."""

_PAIRS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Overlaps:
    """F frames of one or several cameras, in order of time camera by camera.

    `truth (A,)` and `predicted (B,)` int64: per box, in frame order, the index of its id in `truth_ids (G,)` and
    `predicted_ids (P,)`; `truth_start`, `predicted_start`, `pair_start (F + 1,)`: where each frame begins;
    `pair_truth`, `pair_predicted (K,)`: the two boxes of a pair, as positions in `truth` and `predicted`;
    `iou (K,) float64`, above 0; `camera (F,)`: index of the frame's camera.
    """

    truth_ids: Int64
    predicted_ids: Int64
    truth: Int64
    predicted: Int64
    truth_start: Int64
    predicted_start: Int64
    pair_start: Int64
    pair_truth: Int64
    pair_predicted: Int64
    iou: Float64
    camera: Int64

    @property
    def frames(self) -> int:
        """F, the number of frames with any box."""
        return len(self.camera)


def find_overlaps(truth: MotRows, predicted: MotRows) -> Overlaps:
    """Pair the boxes of one camera frame by frame. Within a frame, boxes keep the order of their file."""
    truth = truth.take(np.argsort(truth.frame, kind="stable"))
    predicted = predicted.take(np.argsort(predicted.frame, kind="stable"))
    frames = np.union1d(truth.frame, predicted.frame)
    truth_ids, truth_index = np.unique(truth.identity, return_inverse=True)
    predicted_ids, predicted_index = np.unique(predicted.identity, return_inverse=True)
    truth_start = np.append(np.searchsorted(truth.frame, frames), len(truth)).astype(np.int64)
    predicted_start = np.append(np.searchsorted(predicted.frame, frames), len(predicted)).astype(np.int64)
    parts = list(_pairs(truth.xyxy, predicted.xyxy, truth_start, predicted_start))
    pair_truth = np.concatenate([part[0] for part in parts] or [np.zeros(0, np.int64)])
    pair_predicted = np.concatenate([part[1] for part in parts] or [np.zeros(0, np.int64)])
    iou = np.concatenate([part[2] for part in parts] or [np.zeros(0)])
    return Overlaps(
        truth_ids,
        predicted_ids,
        truth_index.astype(np.int64),
        predicted_index.astype(np.int64),
        truth_start,
        predicted_start,
        np.searchsorted(pair_truth, truth_start).astype(np.int64),
        pair_truth,
        pair_predicted,
        iou,
        np.zeros(len(frames), np.int64),
    )


def _pairs(
    truth: Float64, predicted: Float64, truth_start: Int64, predicted_start: Int64
) -> Iterator[tuple[Int64, Int64, Float64]]:
    """Overlapping pairs (truth box, predicted box, IoU), ascending; some frames at a time to bound memory."""
    per_truth = np.repeat(np.diff(predicted_start), np.diff(truth_start))
    first = np.repeat(predicted_start[:-1], np.diff(truth_start))
    total = np.concatenate([[0], np.cumsum(per_truth)])
    if total[-1] == 0:
        return
    cuts = np.searchsorted(total, np.arange(0, total[-1], _PAIRS_AT_ONCE))
    for begin, end in zip(cuts, np.append(cuts[1:], len(truth)), strict=True):
        count = per_truth[begin:end]
        a = np.repeat(np.arange(begin, end), count)
        b = np.arange(len(a)) - np.repeat(total[begin:end] - total[begin], count) + np.repeat(first[begin:end], count)
        iou = _pairwise_iou(truth[a], predicted[b])
        keep = iou > 0
        yield a[keep], b[keep], iou[keep]


def _pairwise_iou(a: Float64, b: Float64) -> Float64:
    """IoU `(K,)` of boxes `a[k]` and `b[k]`, both `(K, 4)` xyxy."""
    size = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    common = size[:, 0] * size[:, 1]
    union = np.prod(a[:, 2:] - a[:, :2], axis=1) + np.prod(b[:, 2:] - b[:, :2], axis=1) - common
    result: Float64 = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return result


def join_cameras(parts: Sequence[Overlaps]) -> Overlaps:
    """All cameras as one sequence: a frame is a (camera, frame); an id is the same person in every camera."""
    truth_ids = np.unique(np.concatenate([p.truth_ids for p in parts] or [np.zeros(0, np.int64)]))
    predicted_ids = np.unique(np.concatenate([p.predicted_ids for p in parts] or [np.zeros(0, np.int64)]))
    truth_before = np.cumsum([0, *(len(p.truth) for p in parts)])
    predicted_before = np.cumsum([0, *(len(p.predicted) for p in parts)])
    pairs_before = np.cumsum([0, *(len(p.iou) for p in parts)])

    def shifted(arrays: Sequence[Int64], before: Int64) -> Int64:
        return np.concatenate([np.zeros(0, np.int64), *(a + n for a, n in zip(arrays, before, strict=False))])

    def starts(arrays: Sequence[Int64], before: Int64) -> Int64:
        return np.append(shifted([a[:-1] for a in arrays], before), before[-1])

    return Overlaps(
        truth_ids=truth_ids,
        predicted_ids=predicted_ids,
        truth=shifted([np.searchsorted(truth_ids, p.truth_ids)[p.truth] for p in parts], np.zeros_like(truth_before)),
        predicted=shifted(
            [np.searchsorted(predicted_ids, p.predicted_ids)[p.predicted] for p in parts],
            np.zeros_like(predicted_before),
        ),
        truth_start=starts([p.truth_start for p in parts], truth_before),
        predicted_start=starts([p.predicted_start for p in parts], predicted_before),
        pair_start=starts([p.pair_start for p in parts], pairs_before),
        pair_truth=shifted([p.pair_truth for p in parts], truth_before),
        pair_predicted=shifted([p.pair_predicted for p in parts], predicted_before),
        iou=np.concatenate([np.zeros(0), *(p.iou for p in parts)]),
        camera=shifted([np.zeros_like(p.camera) for p in parts], np.arange(len(parts))),
    )


def assign_frames(overlaps: Overlaps, score: Float64) -> Int64:
    """One-to-one matching of every frame on its own that maximises the sum of `score (K,)` (>= 0, 0 = not a match).

    Returns the positions, ascending by frame, of the chosen pairs among the K; pairs of score 0 are not among them.
    """
    chosen = []
    for begin, end, rows, columns, shape in frame_pairs(overlaps):
        if begin < end:
            chosen.append(begin + match_frame(rows, columns, score[begin:end], shape))
    return np.concatenate([*chosen, np.zeros(0, np.int64)]).astype(np.int64)


def frame_pairs(overlaps: Overlaps) -> Iterator[tuple[int, int, Int64, Int64, tuple[int, int]]]:
    """Frame by frame: begin and end of its pairs, their truth rows and predicted columns in it, (rows, columns)."""
    pairs = np.diff(overlaps.pair_start)
    rows = overlaps.pair_truth - np.repeat(overlaps.truth_start[:-1], pairs)
    columns = overlaps.pair_predicted - np.repeat(overlaps.predicted_start[:-1], pairs)
    starts = overlaps.pair_start.tolist()
    shapes = zip(np.diff(overlaps.truth_start).tolist(), np.diff(overlaps.predicted_start).tolist(), strict=True)
    for begin, end, shape in zip(starts[:-1], starts[1:], shapes, strict=True):
        yield begin, end, rows[begin:end], columns[begin:end], shape


def match_frame(rows: Int64, columns: Int64, score: Float64, shape: tuple[int, int]) -> Int64:
    """Best one-to-one matching of one frame; positions of the chosen pairs among those given, none of score 0."""
    dense = np.zeros(shape)
    dense[rows, columns] = score
    r, c = linear_sum_assignment(dense, maximize=True)
    position = np.full(shape, -1, np.int64)
    position[rows, columns] = np.arange(len(rows))
    matched: Int64 = position[r, c]
    matched = matched[matched >= 0]
    return matched[score[matched] > 0]


def match_boxes(overlaps: Overlaps, threshold: float = IOU_THRESHOLD) -> Int64:
    """Match boxes frame by frame, ids not looked at: most matches at `threshold` first, then the highest IoU.

    Returns positions among the K pairs.
    """
    return assign_frames(overlaps, np.where(overlaps.iou >= threshold, 1000.0 + overlaps.iou, 0.0))
