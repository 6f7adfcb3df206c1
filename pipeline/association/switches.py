"""Where a tracklet went on with somebody else: its crops fall into two groups in time.

A tracker takes somebody else for the person after a gap, where two people meet, or where one leaves as another enters.
Every place between two crops is asked whether the crops before it and those after it show one person, by the log-odds
that association calibrates on the footage and what is known of such places before any look. The likeliest place is cut
and both sides are asked again (binary segmentation: Scott and Knott, Biometrics 30, 1974).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.association.calibration import likelihood_ratio
from pipeline.association.prior import SCALE_OF_STD, Density
from pipeline.association.similarity import aggregate, cosine_distances, crop_statistics, reliability
from pipeline.types import Embeddings, Float64, Int64, Tracklet

GAP_KEPT_RIGHT = 0.84
"""Share of gaps of 0.5 s or more that lead to the same person: 443 of 529 on campus_auditorium and TUD
(`python -m benchmarks.gaps --data ../shared/data`)."""
MEETING_KEPT_RIGHT = 0.976
"""The same of steps of 1.6 s in which the box overlapped somebody else's or was missed: 1587 of 1626."""
ALONE_KEPT_RIGHT = 0.9987
"""The same of steps in which neither was so: 1517 of 1519."""
MEETING_OVERLAP = 0.3
"""Intersection over the smaller box from which two people meet."""
CROPS_ON_A_SIDE = 2
"""Without a gap, fewer crops are not believed: somebody else may cover the person in one."""
_ITERATIONS = 10
_LEAST_SPREAD = 0.1
"""Standard deviation, in distances of two people, by which one person's halves differ at least: those of 0277 on cuhk03
lie at 0.00 to 0.09, two people at 0.85."""
_APART = 2.0
"""Standard deviations by which two people must usually differ more than one person."""
_NEAR = 3
"""Crops on each side that must look like two people as well: who walks away changes a lot, but bit by bit."""
_SAME_MEETING_S = 2.0
"""Two tracklets cut within this time of one another, while both were there, swapped their people at one moment."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A tracklet ends before its row `row`, and another one begins there. `log_odds` (< 0) that both are one person."""

    row: int
    log_odds: float
    gap: bool


@dataclass(frozen=True, slots=True)
class Looks:
    """How one person's looks change within a tracklet, and how two people's differ in one camera."""

    same: Density
    different: Density
    crop_similarity: float
    """Usual cosine of two crops that follow one another."""

    def evidence(self, crops: Embeddings, start: int, middle: int, stop: int) -> float:
        """Log-likelihood ratio that the rows `start` to before `middle` and from there to before `stop` are one
        person."""
        camera, part = crops.keys[0][0], slice(start, stop)
        keys = tuple((camera, int(row >= middle)) for row in range(start, stop))
        vectors = aggregate(Embeddings(keys, crops.frame_index[part], crops.vector[part], crops.quality[part]))
        if len(vectors) < 2:
            return 0.0
        trust = reliability(vectors.crops, self.crop_similarity)
        distance: Float64 = cosine_distances(vectors.vector[:1], vectors.vector[1:]).astype(np.float64)
        both = np.array([[trust[0] * trust[1]]])
        return float(likelihood_ratio(self.same, self.different, distance, both)[0, 0])


def learn_looks(usable: Embeddings, different: Density) -> Looks | None:
    """What the footage says of looks; None where one person and two cannot be told apart.

    Tracklets that hold two people are among those learned from. Crops that follow one another are hardly ever of two
    people: their median is safe. Halves of a tracklet often are: only those that lie nearer to one person count.
    `usable`: sorted by key and time; `different`: distances of two people in one camera.
    """
    next_to = [row for row in range(len(usable) - 1) if usable.keys[row] == usable.keys[row + 1]]
    if not next_to:
        return None
    cosine = np.einsum("nd,nd->n", usable.vector[next_to], usable.vector[[row + 1 for row in next_to]])
    similarity = float(np.clip(np.median(cosine), 0.05, 1.0))
    statistics = crop_statistics(usable)
    trust = np.prod(reliability(statistics.half_crops, similarity), axis=1)
    halves = 1.0 - (1.0 - statistics.half_distance) / trust
    location, spread = _nearer_part(halves, different.location)
    if different.location - location < _APART * spread:
        return None
    same = Density(location, spread * SCALE_OF_STD)
    return Looks(same, different, similarity)


def _nearer_part(halves: Float64, different: float) -> tuple[float, float]:
    """Mean and standard deviation of the distances nearer to their own mean than to `different` (two-means)."""
    location = float(np.quantile(halves, 0.25))
    near = halves
    for _ in range(_ITERATIONS):
        near = halves[halves <= (location + different) / 2]
        if len(near) == 0:
            break
        location = float(near.mean())
    return max(location, 0.0), max(float(near.std()) if len(near) else 0.0, _LEAST_SPREAD * different)


def neighbours(ordered: Sequence[Tracklet]) -> list[Float64]:
    """How much of each box (or of the other one, if smaller) lies in a box of another tracklet of its camera: `(T,)` a
    tracklet, 0..1, the largest of all others'."""
    result: list[Float64] = [np.zeros(len(t)) for t in ordered]
    for rows in _by_camera(ordered).values():
        frame = np.concatenate([ordered[r].frame_index for r in rows])
        order = np.argsort(frame, kind="stable")
        boxes = np.concatenate([ordered[r].xyxy for r in rows]).astype(np.float64)[order]
        most = np.zeros(len(frame))
        first = np.flatnonzero(np.append(True, np.diff(frame[order]) > 0))
        for start, stop in zip(first.tolist(), [*first[1:].tolist(), len(frame)], strict=True):
            if stop - start > 1:
                most[start:stop] = _share_in_others(boxes[start:stop])
        back = np.empty(len(frame))
        back[order] = most
        for row, part in zip(rows, np.split(back, np.cumsum([len(ordered[r]) for r in rows])[:-1]), strict=True):
            result[row] = part
    return result


def find_cuts(
    tracklet: Tracklet, gap_rows: Sequence[tuple[int, int]], overlap: Float64, crops: Embeddings, looks: Looks
) -> list[Cut]:
    """The cuts of one tracklet, by row. `gap_rows` as of Tracklet.gaps; `overlap (T,)` as of `neighbours`; `crops`:
    the tracklet's own, in order of time."""
    place: Int64 = np.searchsorted(tracklet.frame_index, crops.frame_index)
    between = [cut_between(tracklet, gap_rows, overlap, int(a), int(b)) for a, b in itertools.pairwise(place)]
    cuts: list[Cut] = []
    waiting = [(0, len(place))]
    while waiting:
        start, stop = waiting.pop()
        best: tuple[float, int] | None = None
        for after in range(start + 1, stop):
            _row, prior, gap = between[after - 1]
            if not gap and min(after - start, stop - after) < CROPS_ON_A_SIDE:
                continue
            near = looks.evidence(crops, max(start, after - _NEAR), after, min(stop, after + _NEAR))
            odds = prior + max(near, looks.evidence(crops, start, after, stop))
            if odds < 0 and (best is None or odds < best[0]):
                best = (odds, after)
        if best is not None:
            row, _prior, gap = between[best[1] - 1]
            cuts.append(Cut(row, best[0], gap))
            waiting += [(start, best[1]), (best[1], stop)]
    return sorted(cuts, key=lambda cut: cut.row)


def cut_between(
    tracklet: Tracklet, gap_rows: Sequence[tuple[int, int]], overlap: Float64, a: int, b: int
) -> tuple[int, float, bool]:
    """Where to cut between the boxes of two crops, the log-odds before any look that nothing happened, and if a gap is
    there."""
    gaps = [(before, after) for before, after in gap_rows if a <= before and after <= b]
    if gaps:
        longest = max(gaps, key=lambda gap: (tracklet.time_s[gap[1]] - tracklet.time_s[gap[0]], -gap[0]))
        return longest[1], _log_odds(GAP_KEPT_RIGHT), True
    rows = np.arange(a + 1, b + 1)
    if len(rows) == 0:
        return b, _log_odds(ALONE_KEPT_RIGHT), False
    near = np.maximum(overlap[rows - 1], overlap[rows])
    lost = ~(tracklet.observed[rows - 1] & tracklet.observed[rows])
    middle = -1e-3 * np.abs(rows - (a + b + 1) / 2)  # where nothing tells, half way
    row = int(rows[np.argmax(near + 0.5 * lost + _jump(tracklet, rows) + middle)])
    met = near.max() >= MEETING_OVERLAP or bool(lost.any())
    return row, _log_odds(MEETING_KEPT_RIGHT if met else ALONE_KEPT_RIGHT), False


def _jump(tracklet: Tracklet, rows: Int64) -> Float64:
    """How far the box moves from the row before, beyond what is usual in the tracklet, in body heights, `(R,)`."""
    boxes = tracklet.xyxy.astype(np.float64)
    edges = np.abs(np.diff(boxes, axis=0)).mean(axis=1) / np.maximum(boxes[1:, 3] - boxes[1:, 1], 1.0)
    excess: Float64 = np.clip(edges - np.median(edges), 0.0, 1.0)
    return excess[rows - 1]


def agree(ordered: Sequence[Tracklet], cuts: Sequence[Sequence[Cut]]) -> list[list[Cut]]:
    """Cuts of two tracklets of one camera that swapped their people, brought to one frame: the one in which their boxes
    overlap most. Else the ends of two parts would stand side by side, and one person would be barred from being one."""
    result = [list(own) for own in cuts]
    for rows in _by_camera(ordered).values():
        open_cuts = [(row, n) for row in rows for n, cut in enumerate(result[row]) if not cut.gap]
        for one, (a, i) in enumerate(open_cuts):
            for b, j in open_cuts[one + 1 :]:
                if a != b:
                    _agree_two(ordered[a], ordered[b], (result[a], i), (result[b], j))
    return result


def _moved(tracklet: Tracklet, cuts: Sequence[Cut], number: int, row: int) -> Cut | None:
    """The cut at another row; None where a part without an observed box would be left."""
    bounds = [0, *(row if n == number else cut.row for n, cut in enumerate(cuts)), len(tracklet)]
    whole = all(a < b and bool(tracklet.observed[a:b].any()) for a, b in itertools.pairwise(bounds))
    return replace(cuts[number], row=row) if whole else None


def _agree_two(a: Tracklet, b: Tracklet, of_a: tuple[list[Cut], int], of_b: tuple[list[Cut], int]) -> None:
    cut_a, cut_b = of_a[0][of_a[1]], of_b[0][of_b[1]]
    time_a, time_b = float(a.time_s[cut_a.row]), float(b.time_s[cut_b.row])
    if abs(time_a - time_b) > _SAME_MEETING_S:
        return
    low, high = min(time_a, time_b), max(time_a, time_b)
    _, in_a, in_b = np.intersect1d(a.frame_index, b.frame_index, assume_unique=True, return_indices=True)
    during = (a.time_s[in_a] >= low - 1e-6) & (a.time_s[in_a] <= high + 1e-6) & (in_a > 0) & (in_b > 0)
    if not during.any():
        return
    in_a, in_b = in_a[during], in_b[during]
    pairs = np.stack([a.xyxy[in_a], b.xyxy[in_b]], axis=1).astype(np.float64)
    shares = [_share_in_others(pair)[0] for pair in pairs]
    best = int(np.argmax(shares))
    moved_a, moved_b = _moved(a, *of_a, int(in_a[best])), _moved(b, *of_b, int(in_b[best]))
    if moved_a is not None and moved_b is not None:
        of_a[0][of_a[1]], of_b[0][of_b[1]] = moved_a, moved_b


def _share_in_others(boxes: Float64) -> Float64:
    """Largest intersection over the smaller box of each of `boxes (N, 4)` with another one, `(N,)`."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    np.fill_diagonal(common, 0.0)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-9), axis=1)
    share: Float64 = (common / np.minimum(area[:, None], area[None, :])).max(axis=1)
    return share


def _by_camera(ordered: Sequence[Tracklet]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, tracklet in enumerate(ordered):
        rows.setdefault(tracklet.camera_id, []).append(row)
    return rows


def _log_odds(probability: float) -> float:
    return float(np.log(probability / (1.0 - probability)))
