"""The offset between two cameras' clocks from people on the floor both see.

First which offset makes the two cameras' floors busy at the same places at the same instants: cross-correlation over
time of the presence in each cell of floor, its mean taken out, summed over the cells. A wrong offset gives noise, whose
spread over all offsets is known, so the peak has a significance. Then the tracklets that match at that offset give it
to a fraction of a frame: who walks at v and is seen d metres off is d / v seconds off. Last, whoever is on common floor
at that offset must be seen by both (clock_witness.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.association.clock_evidence import ClockEvidence
from pipeline.association.clock_witness import witness
from pipeline.association.floor_tracks import STEP_S, FloorTracks
from pipeline.association.place import FOOT_SPREAD_M
from pipeline.types import Bool, Float64, Int64

_CELL_M = 0.75
_LEAST_PEAK = 5.0
"""Spreads of the noise by which the best offset stands out. Synthetic world, seeds 1 to 6, 9 and 18 people: recordings
that have no time in common reach 4.7, those with 10 s 5.1 or more."""
_LEAST_SEEN = 0.7
"""Of those on common floor, seen by both beyond chance. The same seeds: .87 or more at the right offset; recordings
without common time that stand out by 4 spreads, .55 at most, trajectories of one time moved at random .69 (seed 31)."""
_LEAST_AHEAD = 1.25
"""By how much it stands above every other offset."""
_RIVAL_S = 2.0
"""Offsets nearer than this to the best are the same answer."""
_LEAST_PEOPLE = 3
_MOST_SIGMA_S = 0.4
_MOVING_M_S = 0.3
_ROUNDS = 6
_GATE = 9.0
"""Squared Mahalanobis distance, 2 degrees of freedom: 99 % of what fits lies below."""
_LEAST_COMMON_S = 1.0


@dataclass(frozen=True, slots=True)
class _Presence:
    """Moving people on the floor: instant `(R,)`, cell `(R,)`, weight `(R,)`."""

    instant: Int64
    cell: Int64
    weight: Float64


def floor_offset(a: FloorTracks, b: FloorTracks, camera_a: str, camera_b: str) -> ClockEvidence | None:
    """The evidence, or None where the two have not enough moving people on common floor to compare at all."""
    found = _peak(a, b)
    if found is None:
        return None
    lag, peak, rival = found
    offset, sigma, people = _refine(a, b, lag * STEP_S)
    faults = []
    if peak < _LEAST_PEAK:
        faults.append(f"no offset stands out ({peak:.1f} spreads of the noise, want {_LEAST_PEAK:g})")
    elif peak < _LEAST_AHEAD * rival:
        faults.append(f"another offset fits nearly as well ({rival:.1f} against {peak:.1f})")
    if people < _LEAST_PEOPLE:
        faults.append(f"only {people} people match on the common floor, want {_LEAST_PEOPLE}")
    elif sigma > _MOST_SIGMA_S:
        faults.append(f"people disagree about the offset (one sigma {sigma:.2f} s, want {_MOST_SIGMA_S:g})")
    seen = witness(a, b, offset).beyond_chance
    if seen < _LEAST_SEEN:
        faults.append(f"too few on common floor are seen by both ({seen:.2f} beyond chance, want {_LEAST_SEEN:g})")
    reason = "; ".join(faults) or f"{people} people at the same places at the same instants"
    return ClockEvidence(camera_a, camera_b, "floor", offset, sigma, people, peak, rival, not faults, reason, seen)


def _peak(a: FloorTracks, b: FloorTracks) -> tuple[int, float, float] | None:
    """Lag in instants (to add to b), its significance and that of the best one elsewhere."""
    one, two = _presence(a), _presence(b)
    common = np.intersect1d(one.cell, two.cell)
    if len(common) < 2:
        return None
    start_a, start_b = int(one.instant.min()), int(two.instant.min())
    length_a, length_b = int(np.ptp(one.instant)) + 1, int(np.ptp(two.instant)) + 1
    size = 1 << (length_a + length_b).bit_length()
    total, spread = np.zeros(size), np.zeros(size)
    for cell in common.tolist():
        x = _series(one, cell, start_a, length_a)
        y = _series(two, cell, start_b, length_b)
        total += np.fft.irfft(np.fft.rfft(x, size) * np.conj(np.fft.rfft(y, size)), size)
        spread += np.fft.irfft(np.fft.rfft(x * x, size) * np.conj(np.fft.rfft(y * y, size)), size)
    lags = np.concatenate([np.arange(size // 2), np.arange(-size // 2, 0)])
    least = round(2 * _LEAST_COMMON_S / STEP_S)
    inside = (lags > -length_b + least) & (lags < length_a - least)
    # Where nobody of the one meets a place that anybody of the other is ever at, there is nothing to compare.
    usual = float(np.median(spread[inside & (spread > 1e-9)])) if (inside & (spread > 1e-9)).any() else 0.0
    if usual <= 0.0:
        return None
    score = np.where(inside, total / np.sqrt(spread + usual), -np.inf)
    known = score[inside]
    noise = 1.4826 * float(np.median(np.abs(known - np.median(known))))
    if noise <= 0.0:
        return None
    best = int(np.argmax(score))
    elsewhere = score[np.abs(lags - lags[best]) * STEP_S > _RIVAL_S]
    rival = float(elsewhere.max()) if len(elsewhere) and np.isfinite(elsewhere.max()) else 0.0
    return int(lags[best]) + start_a - start_b, float(score[best]) / noise, max(rival, 0.0) / noise


def _presence(tracks: FloorTracks) -> _Presence:
    """Where moving people were; who stands still is at one place at any offset and says nothing."""
    xy = tracks.xy.astype(np.float64)
    owner = np.repeat(np.arange(len(tracks.start)), np.diff(tracks.first))
    instant = tracks.start[owner] + np.arange(len(xy)) - tracks.first[:-1][owner]
    ahead = np.full(len(xy), np.nan)
    step = round(1.0 / STEP_S)
    if len(xy) > step:
        same = owner[step:] == owner[:-step]
        ahead[:-step] = np.where(same, np.linalg.norm(xy[step:] - xy[:-step], axis=1), np.nan)
    speed = ahead.copy()  # forwards, and backwards near a tracklet's end
    speed[step:] = np.where(np.isnan(speed[step:]) & (owner[step:] == owner[:-step]), ahead[:-step], speed[step:])
    kept = np.isfinite(xy[:, 0]) & (speed >= _MOVING_M_S)
    sigma = np.sqrt(tracks.covariance[kept][:, [0, 2]].mean(axis=1)) if kept.any() else np.zeros(0)
    at = xy[kept] / _CELL_M
    parts = []
    for dx in (0, 1):  # bilinear: a person between four cells is a little in each
        for dy in (0, 1):
            corner = np.floor(at - 0.5) + np.array([dx, dy])
            share = np.prod(1.0 - np.abs(at - 0.5 - corner), axis=1)
            parts.append((corner, share / (1.0 + sigma / _CELL_M)))
    cells = np.concatenate([corner for corner, _ in parts]).astype(np.int64) if parts else np.zeros((0, 2), np.int64)
    weight = np.concatenate([share for _, share in parts])
    code = (cells[:, 0] + (1 << 20)) * (1 << 21) + cells[:, 1] + (1 << 20)
    return _Presence(np.tile(instant[kept], 4), code, weight)


def _series(presence: _Presence, cell: int, start: int, length: int) -> Float64:
    rows = presence.cell == cell
    series = np.bincount(presence.instant[rows] - start, presence.weight[rows], length)
    result: Float64 = series - series.mean()
    return result


def _refine(a: FloorTracks, b: FloorTracks, offset_s: float) -> tuple[float, float, int]:
    """The offset to a fraction of a frame, its one sigma by jackknife over people, and how many matched."""
    told = np.zeros((0, 2))
    for _ in range(_ROUNDS):
        told = _slips(a, b, offset_s)
        if not len(told):
            return offset_s, np.inf, 0
        step = float(told[:, 0].sum() / told[:, 1].sum()) if told[:, 1].sum() > 0 else 0.0
        offset_s += float(np.clip(step, -0.5, 0.5))
        if abs(step) < 0.002:
            break
    number = len(told)
    if number < 2:
        return offset_s, np.inf, number
    without = (told[:, 0].sum() - told[:, 0]) / np.maximum(told[:, 1].sum() - told[:, 1], 1e-9)
    sigma = float(np.sqrt((number - 1) / number * np.square(without - without.mean()).sum()))
    return offset_s, sigma, number


def _slips(a: FloorTracks, b: FloorTracks, offset_s: float) -> Float64:
    """For each matched pair of tracklets the sums of `v S^-1 d` and `v S^-1 v`, whose ratio is its own correction."""
    pairs: list[tuple[int, int, float, float, float]] = []
    common = np.minimum(a.end_time[:, 1:], b.end_time[:, 1] + offset_s)
    common = common - np.maximum(a.end_time[:, :1], b.end_time[:, 0] + offset_s)
    for i, j in np.argwhere(common >= _LEAST_COMMON_S - STEP_S).tolist():  # NaN, of those without a place, is not
        one = _compare(a, i, b, j, offset_s)
        if one is not None:
            pairs.append((i, j, *one))
    if not pairs:
        return np.zeros((0, 2))
    rows = sorted({p[0] for p in pairs})
    columns = sorted({p[1] for p in pairs})
    gain = np.zeros((len(rows), len(columns)))
    for i, j, good, _, _ in pairs:
        gain[rows.index(i), columns.index(j)] = good
    chosen = {(rows[r], columns[c]) for r, c in zip(*linear_sum_assignment(-gain), strict=True) if gain[r, c] > 0}
    return np.array([(top, bottom) for i, j, _, top, bottom in pairs if (i, j) in chosen and bottom > 0]).reshape(-1, 2)


def _compare(a: FloorTracks, i: int, b: FloorTracks, j: int, offset_s: float) -> tuple[float, float, float] | None:
    """Instants that fit, and the sums of `_slips`; None where the two have not enough in common or lie apart."""
    rows_a = np.arange(a.first[i], a.first[i + 1])
    rows_b = np.arange(b.first[j], b.first[j + 1])
    time_a = (a.start[i] + rows_a - rows_a[0]) * STEP_S
    time_b = (b.start[j] + rows_b - rows_b[0]) * STEP_S + offset_s
    inside = (time_a >= time_b[0]) & (time_a <= time_b[-1])
    if inside.sum() * STEP_S < _LEAST_COMMON_S:
        return None
    xy_b = b.xy[rows_b].astype(np.float64)
    at = np.stack([np.interp(time_a[inside], time_b, xy_b[:, k]) for k in range(2)], axis=1)
    speed = np.gradient(xy_b, STEP_S, axis=0) if len(xy_b) > 1 else np.zeros_like(xy_b)
    v = np.stack([np.interp(time_a[inside], time_b, speed[:, k]) for k in range(2)], axis=1)
    spread_b = np.stack([np.interp(time_a[inside], time_b, b.covariance[rows_b][:, k]) for k in range(3)], axis=1)
    d = at - a.xy[rows_a[inside]]
    s = a.covariance[rows_a[inside]] + spread_b
    xx, xy, yy = s[:, 0] + FOOT_SPREAD_M**2, s[:, 1], s[:, 2] + FOOT_SPREAD_M**2
    det = xx * yy - xy * xy
    w = np.stack([yy, -xy, xx], axis=1) / det[:, None]
    known: Bool = np.isfinite(d).all(axis=1) & np.isfinite(v).all(axis=1)
    if known.sum() * STEP_S < _LEAST_COMMON_S:
        return None
    d, v, w = d[known], v[known], w[known]
    square = _form(d, d, w)
    if np.median(square) > _GATE:
        return None
    fits = square <= 4 * _GATE
    # The place in b at offset + e is at + v (-e): d shrinks by v e.
    good = float(np.maximum(_GATE - square, 0.0).sum())
    return good, float(_form(v, d, w)[fits].sum()), float(_form(v, v, w)[fits].sum())


def _form(u: Float64, v: Float64, w: Float64) -> Float64:
    """`u W v` by rows, W symmetric as xx, xy, yy."""
    result: Float64 = u[:, 0] * (w[:, 0] * v[:, 0] + w[:, 1] * v[:, 1]) + u[:, 1] * (
        w[:, 1] * v[:, 0] + w[:, 2] * v[:, 1]
    )
    return result
