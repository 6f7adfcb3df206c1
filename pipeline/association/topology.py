"""How people go from camera to camera: ways between zones and the time they take, learned from the footage itself.

Pairs of tracklets, each weighed by the probability that it is one person, are compared with all pairs that might be:
how often a pair leaves by zone u and enters by zone v, and how long that takes. The logarithm of the ratio of the two
shares is evidence: `place` for the way, `time` for the gap. Learned, used and learned again this is the expectation-
maximisation of a mixture of pairs of one person and of two. Pairs need not be neighbours on a person's way: whoever
goes A, B, A is one person in both tracklets of A, and the learned times of A to A are those of all such pairs. What is
rare leans on what is common: a way on its pair of cameras, a pair of cameras on no opinion. No pair is evidence for
itself.

Times under half of the shortest one seen on a pair of cameras that was often walked are a veto.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.association.affinity import Affinity
from pipeline.association.confidence import sigmoid
from pipeline.association.continuity import LONGEST_S
from pipeline.association.journeys import BEFORE_GAPS, BINS, Journeys, Ways
from pipeline.association.pair_evidence import PairEvidence
from pipeline.types import Float64, Int64

_STRENGTH = 8.0
"""Linked pairs that weigh as much as what they lean on. Tuned on the synthetic world."""
_MAX_LOG_ODDS = 4.0
"""No way and no time says more than 1 in 55: the links it was learned from may be wrong themselves."""
_AT_BIN = 0.5
"""Share of a count that stays in its bin when neighbours are blurred."""
_VETO_LINKS = 20.0
"""Links between two cameras from which their shortest time is known; a guess on the safe side."""
_VETO_SHARE = 0.5
_LIKELY = 0.05
"""Probability from which a pair is kept apart, so that it is no evidence for itself."""
_MOST_PAIRS = 2_000_000
"""All pairs are counted up to there, of more an even sample."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Counts of pairs of one person (`one_*`, sums of probabilities) and of all pairs that might be (`all_*`).

    C cameras, Z zones over all cameras, B bins of gaps: `*_gap (C, C, B)` (blurred over the bins), their sums
    `*_cameras (C, C)`, `*_way (Z, Z)`, and `*_way_gap (W, B)` of the W ways that were walked. `shortest_s (C, C)`:
    shortest gap of sure links, -inf
    where there are too few to tell.
    """

    journeys: Journeys
    one_gap: Float64
    all_gap: Float64
    one_cameras: Float64
    all_cameras: Float64
    one_way: Float64
    all_way: Float64
    way_row: Int64
    """`(Z, Z)` row in `*_way_gap`, -1 where nobody was linked."""
    one_way_gap: Float64
    all_way_gap: Float64
    shortest_s: Float64
    own_code: Int64
    """`(Q,)` ascending, lower row * N + upper row of the likely pairs; `own_weight (Q,)` is what each added to
    `one_*`."""
    own_weight: Float64

    def time_evidence(self) -> PairEvidence:
        """Log-likelihood ratio of the gap, given the way."""
        return PairEvidence("time", self._time)

    def place_evidence(self) -> PairEvidence:
        """Log-likelihood ratio of the way: from which zone to which."""
        return PairEvidence("place", self._place)

    def _own(self, left: Int64, right: Int64) -> Float64:
        """What each pair added to `one_*` itself."""
        if not len(self.own_code):
            return np.zeros(len(left))
        code = np.minimum(left, right) * len(self.journeys.camera) + np.maximum(left, right)
        place = np.minimum(np.searchsorted(self.own_code, code), len(self.own_code) - 1)
        result: Float64 = np.where(self.own_code[place] == code, self.own_weight[place], 0.0)
        return result

    def _time(self, left: Int64, right: Int64) -> Float64:
        ways = self.journeys.ways(left, right)
        own = self._own(left, right)
        a, b, k = ways.from_camera, ways.to_camera, ways.bin
        background = self.all_gap[a, b, k] / np.maximum(self.all_cameras[a, b], 1e-9)
        one = lean(self.one_gap[a, b, k] - own * _AT_BIN, self.one_cameras[a, b] - own, background)
        row = self.way_row[ways.from_zone, ways.to_zone]
        way_all = lean(self.all_way_gap[row, k], self.all_way[ways.from_zone, ways.to_zone], background)
        way_one = lean(self.one_way_gap[row, k] - own * _AT_BIN, self.one_way[ways.from_zone, ways.to_zone] - own, one)
        ratio = np.where(row >= 0, log_ratio(way_one, way_all), log_ratio(one, background))
        too_short = (ways.gap_s >= 0) & (ways.gap_s < _VETO_SHARE * self.shortest_s[a, b])
        result: Float64 = np.where(ways.known, np.where(too_short, -np.inf, ratio), 0.0)
        return result

    def _place(self, left: Int64, right: Int64) -> Float64:
        ways = self.journeys.ways(left, right)
        own = self._own(left, right)
        a, b, u, v = ways.from_camera, ways.to_camera, ways.from_zone, ways.to_zone
        one_cameras, all_cameras = self.one_cameras[a, b] - own, self.all_cameras[a, b]
        # How often the two cameras share people at all, against the mean of all pairs of cameras (coming back against
        # the mean of coming back: that the two differ is in the shares of the calibration) ...
        cameras = (one_cameras + _STRENGTH) / (np.where(a == b, *self._shares()) * all_cameras + _STRENGTH)
        # ... and how often those go this way.
        background = self.all_way[u, v] / np.maximum(all_cameras, 1e-9)
        way = lean(self.one_way[u, v] - own, one_cameras, background)
        ratio = np.log(np.maximum(cameras, 1e-9)) + log_ratio(way, background)
        # Going on in the same camera is told by the course itself (continuity.py).
        told = ways.known & ~((a == b) & (ways.gap_s <= LONGEST_S))
        result: Float64 = np.where(told, np.clip(ratio, -_MAX_LOG_ODDS, _MAX_LOG_ODDS), 0.0)
        return result

    def _shares(self) -> tuple[float, float]:
        """Share of pairs that are one person, of one camera and of two."""
        return _share(np.trace(self.one_cameras), np.trace(self.all_cameras)), _share(
            self.one_cameras.sum() - np.trace(self.one_cameras), self.all_cameras.sum() - np.trace(self.all_cameras)
        )


def _share(one: float, every: float) -> float:
    return one / max(every, 1e-9)


def lean(count: Float64, total: Float64, towards: Float64) -> Float64:
    """Share `count / total`, leaning on `towards` by `_STRENGTH` pairs."""
    result: Float64 = (np.maximum(count, 0.0) + _STRENGTH * towards) / (np.maximum(total, 0.0) + _STRENGTH)
    return result


def log_ratio(one: Float64, background: Float64) -> Float64:
    """Natural logarithm of two shares' ratio, within what times and ways may say."""
    ratio = np.log(np.maximum(one, 1e-9)) - np.log(np.maximum(background, 1e-9))
    result: Float64 = np.clip(ratio, -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
    return result


def _blurred(counts: Float64) -> Float64:
    """Counts `(..., B)`, half of each and a quarter to each neighbour: bins are narrow, samples few.

    Being seen at once is another thing than a short gap: bins 0 and 1 do not blur into the gaps.
    """
    padded = np.concatenate([counts[..., 1:2], counts, counts[..., -1:]], axis=-1)
    result: Float64 = _AT_BIN * counts + (1 - _AT_BIN) / 2 * (padded[..., :-2] + padded[..., 2:])
    result[..., :BEFORE_GAPS] = counts[..., :BEFORE_GAPS]
    first = BEFORE_GAPS
    result[..., first] = (1 + _AT_BIN) / 2 * counts[..., first] + (1 - _AT_BIN) / 2 * counts[..., first + 1]
    return result


def learn_topology(journeys: Journeys, left: Int64, right: Int64, probability: Float64, count: Float64) -> Topology:
    """From the rows of all pairs that might be one person (or a search's candidates), the `probability (P,)` that each
    is, and how many pairs each stands for, `count (P,)`. Pairs whose times do not compare are left out."""
    cameras, zones = len(journeys.names), len(journeys.names) * journeys.zones_a_camera
    ways = journeys.ways(left, right)
    everyone = np.where(ways.known, count, 0.0)
    weight = everyone * probability
    likely = weight > _LIKELY
    way_row = np.full((zones, zones), -1, dtype=np.int64)
    walked = np.argwhere(_count((zones, zones), weight * likely, ways.from_zone, ways.to_zone) > 0)
    way_row[walked[:, 0], walked[:, 1]] = np.arange(len(walked))
    gaps = (cameras, cameras, BINS)
    code = np.minimum(left, right)[likely] * len(journeys.camera) + np.maximum(left, right)[likely]
    order = np.argsort(code)
    return Topology(
        journeys=journeys,
        one_gap=_blurred(_count(gaps, weight, ways.from_camera, ways.to_camera, ways.bin)),
        all_gap=_blurred(_count(gaps, everyone, ways.from_camera, ways.to_camera, ways.bin)),
        one_cameras=_count((cameras, cameras), weight, ways.from_camera, ways.to_camera),
        all_cameras=_count((cameras, cameras), everyone, ways.from_camera, ways.to_camera),
        one_way=_count((zones, zones), weight, ways.from_zone, ways.to_zone),
        all_way=_count((zones, zones), everyone, ways.from_zone, ways.to_zone),
        way_row=way_row,
        one_way_gap=_blurred(_way_gaps(way_row, len(walked), ways, weight)),
        all_way_gap=_blurred(_way_gaps(way_row, len(walked), ways, everyone)),
        shortest_s=_shortest(cameras, ways, np.where(likely, weight, 0.0)),
        own_code=code[order],
        own_weight=weight[likely][order],
    )


def pairs_to_learn_from(affinity: Affinity) -> tuple[Int64, Int64, Float64, Float64]:
    """Rows of all pairs that might be one person, the probability of each, and how many pairs each stands for: in a
    large scene the unlikely ones are an even sample.

    Only pairs that can be compared by looks. Those without are known by place, that is where views meet, at once: taken
    for people's ways they would teach that nobody is ever seen later."""
    looked_at = np.logical_and.outer(affinity.seen, affinity.seen)
    one, two = np.nonzero(np.triu(looked_at & ~affinity.constraints.cannot, 1))
    probability = sigmoid(affinity.log_odds[one, two].astype(np.float64))
    step = max(1, len(one) // _MOST_PAIRS)
    sampled = np.arange(len(one)) % step == 0
    kept = sampled | (probability > _LIKELY)
    count = np.where(probability > _LIKELY, 1.0, float(step))[kept]
    return affinity.rows[one[kept]], affinity.rows[two[kept]], probability[kept], count


def _count(shape: tuple[int, ...], weight: Float64, *index: Int64) -> Float64:
    result = np.zeros(shape)
    np.add.at(result, index, weight)
    return result


def _way_gaps(way_row: Int64, rows: int, ways: Ways, weight: Float64) -> Float64:
    row = way_row[ways.from_zone, ways.to_zone]
    on = row >= 0
    return _count((max(rows, 1), BINS), weight[on], row[on], ways.bin[on])


def _shortest(cameras: int, ways: Ways, weight: Float64) -> Float64:
    """Shortest gap of links surer than not `(C, C)`, -inf where links are too few; 1 in 50 may be wrong."""
    result = np.full((cameras, cameras), -np.inf)
    sure = np.flatnonzero((weight > 0.5) & (ways.from_camera != ways.to_camera))
    pair = ways.from_camera[sure] * cameras + ways.to_camera[sure]
    order = np.argsort(pair, kind="stable")
    for rows in np.split(sure[order], np.flatnonzero(np.diff(pair[order])) + 1):
        if len(rows) and weight[rows].sum() >= _VETO_LINKS:
            result[ways.from_camera[rows[0]], ways.to_camera[rows[0]]] = np.quantile(ways.gap_s[rows], 0.02)
    return result
