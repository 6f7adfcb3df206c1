"""The homography from the feet in one view to those in another, from people who are seen by both at once; or none.

RANSAC (Fischler and Bolles, Comm. ACM 24, 1981) over pairs of tracklets of one time; those whose speeds go up and down
together are drawn more often. Every second block of time finds the homography, the others check it: it must explain
far more there than with one view's time shifted, which is what chance gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.ground.view_feet import Feet, partners, score, transfer
from pipeline.types import Float64, Int64

_BLOCK = 15
"""Instants (seconds) of a block."""
_DRAWS, _MOST_TRIED, _REFINED, _ROUNDS, _BATCH = 200_000, 4000, 60, 8, 50
_LEAST_AREA_PX = 1250.0
_LEAST_PARTNERS = 10
_SOFT = 0.12
"""Heights by which feet may be off before they weigh half."""
_LEAST_FEET = 6
"""Partners in blocks that were not learned from. On the synthetic seeds 201 to 203 a wrong homography had .27 held out,
by two partners, others 4 partners at most; right ones had 9 or more, with two people and more."""
_LEAST_HELD = 0.25
_LEAST_AHEAD = 2.0
"""Share of feet in the common view with a partner in blocks that were not learned from, and how many times what any
shift of time gives it must be. On campus wrong homographies have 1.3 times as much at most, right ones 15 times or
more; on PETS those of .45 and more are right, one of .18 is not (docs/geometry.md; both were looked at)."""


@dataclass(frozen=True, slots=True)
class ViewMatch:
    """`matrix (3, 3)`: pixels of `one` to pixels of `two`. `held_out`: share of feet in the common view with a partner
    there, in blocks of time that did not find it; `by_chance`: the most with one view's time shifted; `off_heights`:
    median distance of partners there, in heights of people; `feet`: how many partners there are."""

    one: str
    two: str
    matrix: Float64
    held_out: float
    by_chance: float
    off_heights: float
    feet: int

    @property
    def accepted(self) -> bool:
        """Whether the two views are taken to see one floor."""
        return self.feet >= _LEAST_FEET and self.held_out >= max(_LEAST_HELD, _LEAST_AHEAD * self.by_chance)


def match_views(one: str, a: Feet, two: str, b: Feet, *, draws: int = _DRAWS, seed: int = 0) -> ViewMatch | None:
    """The best homography, accepted or not; None where too few people are seen at once to draw any. `a` and `b` are of
    the same instants, a second apart."""
    instants = np.arange(len(a.at))
    learn, check = (instants[(instants // _BLOCK) % 2 == part] for part in (0, 1))
    shifts = range(10, len(check) - 10, 5)
    if not shifts:
        return None
    a1, b1, a2, b2 = a.of(learn), b.of(learn), a.of(check), b.of(check)
    drawn = _draw(a1, b1, np.random.default_rng(seed), draws)
    if not len(drawn):
        return None
    some = a.of(learn[::2]), b.of(learn[::2])
    first = np.concatenate([score(drawn[n : n + _BATCH], *some)[0] for n in range(0, len(drawn), _BATCH)])
    better = np.stack([_refine(drawn[n], a1, b1) for n in np.argsort(-first, kind="stable")[:_REFINED]])
    best = better[int(np.argmax(score(better, a1, b1)[0]))]
    held = float(score(best[None], a2, b2)[1][0])
    order = np.arange(len(check))
    chance = max(float(score(best[None], a2, b2.of(np.roll(order, k)))[1][0]) for k in shifts)
    found, other, _ = partners(best[None], a2, b2)
    second, person = np.nonzero(found[0])
    there = other[0][second, person]
    apart = transfer(best[None], a2.at[second, person])[0][0] - b2.at[second, there]
    off = np.linalg.norm(apart, axis=1) / b2.height[second, there]
    return ViewMatch(one, two, best, held, chance, float(np.median(off)) if len(off) else np.inf, len(off))


def _draw(a: Feet, b: Feet, rng: np.random.Generator, count: int) -> Float64:
    """Homographies through four instants of two to four pairs of tracklets, that keep the floor's orientation."""
    pairs, chance = _pairs(a, b)
    if len(pairs) < 2:
        return np.zeros((0, 3, 3))
    length = np.array([len(pair) for pair in pairs])
    begin = np.cumsum(length) - length
    taken = rng.choice(len(pairs), (count, 4), p=chance)
    different = rng.integers(2, 5, count)
    chosen = np.take_along_axis(taken, np.arange(4)[None] % different[:, None], 1)
    # (H, 4, 4): x, y in a and in b
    points = np.concatenate(pairs)[begin[chosen] + np.floor(rng.random((count, 4)) * length[chosen]).astype(np.int64)]
    source, target = points[..., :2], points[..., 2:]
    turned = np.stack([_turns(side) for side in (source, target)])
    kept = (np.abs(turned) > 2 * _LEAST_AREA_PX).all(axis=(0, 2)) & (np.sign(turned[0]) == np.sign(turned[1])).all(
        axis=1
    )
    few = np.flatnonzero(kept)[:_MOST_TRIED]
    return _fit(source[few], target[few], np.ones((len(few), 4)))


def _turns(corners: Float64) -> Float64:
    """Twice the signed area of each three of four points `(H, 4, 2)`: `(H, 4)` px^2."""
    a, b, c = (corners[:, [t[k] for t in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))]] for k in range(3))
    one, two = b - a, c - a
    return np.asarray(one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0], np.float64)


def _pairs(a: Feet, b: Feet) -> tuple[list[Float64], Float64]:
    """Tracklets seen at once for 3 s: their feet `(T, 4)`, and the share of draws that each pair gets."""
    result, weight = [], []
    ours, theirs = _where(a), _where(b)
    for s1, p1 in ours:
        for s2, p2 in theirs:
            if s1[0] > s2[-1] or s2[0] > s1[-1]:
                continue
            _, i, j = np.intersect1d(s1, s2, assume_unique=True, return_indices=True)
            if len(i) < 3:
                continue
            here, there = a.at[s1[i], p1[i]], b.at[s2[j], p2[j]]
            result.append(np.concatenate([here, there], axis=1))
            pace = [
                np.minimum(np.linalg.norm(np.diff(at, axis=0), axis=1) / float(np.median(height)), 1.5)
                for at, height in ((here, a.height[s1[i], p1[i]]), (there, b.height[s2[j], p2[j]]))
            ]
            alike = np.corrcoef(*pace)[0, 1] if min(p.std() for p in pace) > 0.02 and len(i) > 4 else -0.2
            weight.append(np.exp(4 * max(float(alike), -0.2)) * (0.05 + min(*(p.sum() for p in pace), 4.0)))
    return result, np.array(weight) / np.sum(weight) if weight else np.zeros(0)


def _where(feet: Feet) -> list[tuple[Int64, Int64]]:
    """The seconds at which each tracklet is seen, ascending, and its place among the people of each."""
    seconds, places = np.nonzero(feet.tracklet >= 0)
    order = np.argsort(feet.tracklet[seconds, places], kind="stable")
    seconds, places = seconds[order], places[order]
    parts = np.flatnonzero(np.diff(feet.tracklet[seconds, places])) + 1
    return [] if not len(seconds) else list(zip(np.split(seconds, parts), np.split(places, parts), strict=True))


def _refine(matrix: Float64, a: Feet, b: Feet) -> Float64:
    """One homography `(3, 3)` fitted to the partners it finds, again and again; those far off weigh less."""
    for _ in range(_ROUNDS):
        found, other, _ = partners(matrix[None], a, b)
        second, person = np.nonzero(found[0])
        if len(second) < _LEAST_PARTNERS:
            break
        there = other[0][second, person]
        source, target, height = a.at[second, person], b.at[second, there], b.height[second, there]
        weight = 1.0 / height
        for _ in range(4):
            matrix = _fit(source[None], target[None], weight[None])[0]
            off = np.linalg.norm(transfer(matrix[None], source)[0][0] - target, axis=1) / height
            weight = 1.0 / height / (1.0 + (off / _SOFT) ** 2)
    return matrix


def _fit(source: Float64, target: Float64, weight: Float64) -> Float64:
    """Homographies `(H, 3, 3)` of points `(H, K, 2)` by the normalised direct linear transform, `weight (H, K)`."""
    (a, to_a), (b, to_b) = _normal(source), _normal(target)
    count, points = a.shape[:2]
    equations = np.zeros((count, points, 2, 9))
    ones = np.concatenate([a, np.ones((count, points, 1))], axis=2)
    equations[:, :, 0, :3], equations[:, :, 1, 3:6] = ones, ones
    equations[..., 6:] = -b[..., None] * ones[:, :, None]
    rows = (equations * weight[..., None, None]).reshape(count, 2 * points, 9)
    smallest = np.linalg.eigh(rows.transpose(0, 2, 1) @ rows)[1][..., 0].reshape(-1, 3, 3)
    return np.asarray(np.linalg.inv(to_b) @ smallest @ to_a, np.float64)


def _normal(points: Float64) -> tuple[Float64, Float64]:
    middle = points.mean(axis=1, keepdims=True)
    scale = np.sqrt(2) / np.maximum(np.linalg.norm(points - middle, axis=2).mean(axis=1), 1e-9)
    matrix = np.zeros((len(points), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale
    matrix[:, :2, 2] = -scale[:, None] * middle[:, 0]
    matrix[:, 2, 2] = 1.0
    return (points - middle) * scale[:, None, None], matrix
