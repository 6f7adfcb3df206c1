"""Where a tracklet went on with somebody else, told by other views of the same floor.

While it follows one person, it stands where that person's tracklets in other views stand; from the moment on at which
the tracker took somebody else for him it stands where somebody else's do. Each other view is asked at each moment: is
there one tracklet that was at this one's place before and not after, and one that is after and was not before? Or does
one go along throughout? The views' answers are added to what is known of such moments before any look (switches.py),
the surest cut is made, and what it touches is asked again: two views contradict one another where either has switched,
and after the right cut the other one is at peace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.floor_tracks import STEP_S, FloorTracks, on_common_floor
from pipeline.association.place import MEMORY_S, clock_error_s, floor_area, instant_log_odds
from pipeline.association.switches import Cut, cut_between, neighbours
from pipeline.config import AssociationConfig
from pipeline.types import Float64, Int64, Scene, Tracklet

_BIN = 5
"""Instants that are judged together: 1 s."""
_WINDOW = 8
"""Bins looked at on either side of a moment."""
_MOST_AT_ONCE = 6.0
"""No instant says more: farther off than several metres is as astray as farther still."""
_MOST_A_VIEW = 6.0
"""No view says more: what is wrong with it is wrong all along."""
_SHORTEST = 2
"""Bins on either side of a cut at least: as long as an error of positions lasts (place.py)."""
_TRIED = 4
"""Moments of a tracklet whose boxes are looked at, the likeliest ones."""

_BLOCK = 16
"""Moments of a tracklet that are judged together: who stays for an hour is passed by many, but by few at a time."""

Looks = Callable[[int, int, int, int], float]
"""Of tracklet `n`, rows `low`, `row` and `high`: log-likelihood ratio that it is one person from `low` to before `row`
and from there to before `high`, by looks; 0 = cannot tell."""


@dataclass(frozen=True, slots=True)
class _Witnesses:
    """P ordered pairs of tracklets of two views, by `subject (P,)`; their evidence a bin, one after the other: rows
    `first[p]` to `first[p + 1]` of `value`, from bin `start[p]` on."""

    subject: Int64
    witness: Int64
    start: Int64
    first: Int64
    value: Float64


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bins `first` to before `stop` of a tracklet, its rows `low` to before `high`."""

    tracklet: int
    first: int
    stop: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class _Found:
    cut: Cut
    at: int
    """Bin before which the piece is cut."""


def find_floor_cuts(
    ordered: Sequence[Tracklet], scene: Scene, config: AssociationConfig, looks: Looks
) -> list[list[Cut]]:
    """The cuts of each of the tracklets `ordered` by key, by row; none where no calibrated views meet."""
    result: list[list[Cut]] = [[] for _ in ordered]
    tracks = on_common_floor(ordered, scene)
    if tracks is None:
        return result
    seen = _witnesses(ordered, tracks, scene, clock_error_s(config))
    if not len(seen.subject):
        return result
    search = _Search(ordered, tracks, seen, config.split_gap_s, looks)
    while (best := search.best()) is not None:
        piece, found = best
        result[piece.tracklet].append(found.cut)
        search.cut(piece, found)
    return [sorted(cuts, key=lambda cut: cut.row) for cuts in result]


def _witnesses(ordered: Sequence[Tracklet], tracks: FloorTracks, scene: Scene, slack_s: float) -> _Witnesses:
    """Every pair that two views of one floor saw at once, in both directions."""
    stop = tracks.stop()
    by_start = np.flatnonzero(tracks.placed)[np.argsort(tracks.start[tracks.placed], kind="stable")]
    left: list[int] = []
    right: list[int] = []
    alive: list[int] = []
    for row in by_start.tolist():
        alive = [other for other in alive if stop[other] > tracks.start[row]]
        for other in alive:
            views = frozenset((ordered[row].camera_id, ordered[other].camera_id))
            if views in scene.overlapping and tracks.floor[row] == tracks.floor[other]:
                left.append(row)
                right.append(other)
        alive.append(row)
    a, b = np.array(left, np.int64), np.array(right, np.int64)
    low, high = np.maximum(tracks.start[a], tracks.start[b]), np.minimum(stop[a], stop[b])
    start, bins = low // _BIN, (high - 1) // _BIN - low // _BIN + 1
    first = np.concatenate([[0], np.cumsum(bins)]).astype(np.int64)
    value = np.zeros(int(first[-1]))
    floor = floor_area(tracks)
    for p in range(len(a)):
        instants = np.arange(low[p], high[p])
        in_a, in_b = (tracks.first[x] + instants - tracks.start[x] for x in (a[p], b[p]))
        apart = tracks.xy[in_a].astype(np.float64) - tracks.xy[in_b]
        spread = tracks.covariance[in_a].astype(np.float64) + tracks.covariance[in_b]
        told = np.isfinite(apart).all(axis=1)
        ratio = instant_log_odds(np.where(told[:, None], apart, 0.0), spread, floor, slack_s)
        ratio = np.where(told, np.clip(ratio, -_MOST_AT_ONCE, _MOST_AT_ONCE), 0.0)
        value[first[p] : first[p + 1]] = np.bincount(instants // _BIN - start[p], ratio) * (STEP_S / MEMORY_S)
    both = np.concatenate([a, b])
    order = np.argsort(both, kind="stable")
    pair = np.tile(np.arange(len(a)), 2)[order]
    length = bins[pair]
    place = np.repeat(first[pair] - np.concatenate([[0], np.cumsum(length)])[:-1], length) + np.arange(length.sum())
    ends = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    return _Witnesses(both[order], np.concatenate([b, a])[order], start[pair], ends, value[place])


class _Search:
    """The pieces that tracklets are cut into, and the best cut of each."""

    def __init__(
        self, ordered: Sequence[Tracklet], tracks: FloorTracks, seen: _Witnesses, gap_s: float, looks: Looks
    ) -> None:
        self._ordered, self._tracks, self._seen, self._gap_s, self._looks = ordered, tracks, seen, gap_s, looks
        self._overlap = neighbours(ordered)
        stop = (tracks.stop() - 1) // _BIN + 1
        self._range = np.searchsorted(seen.subject, np.arange(len(ordered) + 1))
        self._pieces: dict[int, list[_Piece]] = {
            row: [_Piece(row, int(tracks.start[row]) // _BIN, int(stop[row]), 0, len(ordered[row]))]
            for row in np.unique(seen.subject).tolist()
        }
        self._best: dict[_Piece, _Found] = {}
        self._stale = {own[0] for own in self._pieces.values()}

    def best(self) -> tuple[_Piece, _Found] | None:
        """The surest cut of all.

        A cut mostly takes cuts away from those who saw it: they are looked at again when their turn comes, not before.
        """
        while True:
            if not self._best:
                for piece in sorted(self._stale, key=lambda p: (p.tracklet, p.first)):
                    self._look_at(piece)
                if not self._best:
                    return None
            first = min(self._best.items(), key=lambda item: (item[1].cut.log_odds, item[0].tracklet, item[0].first))
            if first[0] not in self._stale:
                return first
            self._look_at(first[0])

    def cut(self, piece: _Piece, found: _Found) -> None:
        """Part `piece` where it was found to go on with somebody else."""
        row, at, middle = piece.tracklet, found.at, found.cut.row
        self._best.pop(piece)
        parts = [_Piece(row, piece.first, at, piece.low, middle), _Piece(row, at, piece.stop, middle, piece.high)]
        self._pieces[row] = sorted([p for p in self._pieces[row] if p != piece] + parts, key=lambda p: p.first)
        self._stale.update(parts)
        for other in self._seen.witness[self._range[row] : self._range[row + 1]].tolist():
            near = [p for p in self._pieces[other] if p.first - _WINDOW < at < p.stop + _WINDOW]
            self._stale.update(near)

    def _look_at(self, piece: _Piece) -> None:
        self._stale.discard(piece)
        self._best.pop(piece, None)
        if (found := self._best_cut(piece)) is not None:
            self._best[piece] = found

    def _best_cut(self, piece: _Piece) -> _Found | None:
        """The likeliest moment at which the piece went on with somebody else, if it is likelier than not."""
        for_a_cut = self._evidence(piece)
        best: _Found | None = None
        for moment in np.argsort(-for_a_cut, kind="stable")[:_TRIED].tolist():
            if for_a_cut[moment] <= 0.0:
                break
            at = piece.first + moment + _SHORTEST
            row, before = self._where(piece, at)
            if row is None:
                continue
            odds = before - float(for_a_cut[moment]) + self._looks(piece.tracklet, piece.low, row, piece.high)
            if odds < 0.0 and (best is None or odds < best.cut.log_odds):
                near = round(float(self._ordered[piece.tracklet].time_s[row]) / (_BIN * STEP_S))
                at = int(np.clip(near, piece.first + _SHORTEST, piece.stop - _SHORTEST))
                best = _Found(Cut(row, odds, gap=False), at)
        return best

    def _where(self, piece: _Piece, at: int) -> tuple[int | None, float]:
        """The row to cut before, near the bin `at`, and the log-odds before any look that nothing happened there; no
        row where a part without an observed box would be left."""
        tracklet = self._ordered[piece.tracklet]
        seen = piece.low + np.flatnonzero(tracklet.observed[piece.low : piece.high])
        away = np.abs(tracklet.time_s - at * _BIN * STEP_S)
        near = seen[away[seen] <= _BIN * STEP_S]
        if len(near) < 2:
            return None, 0.0
        row, odds, _gap = cut_between(
            tracklet, tracklet.gaps(self._gap_s), self._overlap[piece.tracklet], int(near[0]), int(near[-1])
        )
        return row, odds

    def _evidence(self, piece: _Piece) -> Float64:
        """For a cut before each bin of the piece, but for _SHORTEST at either end: what all views say, larger = cut."""
        moment = np.arange(piece.first + _SHORTEST, piece.stop - _SHORTEST + 1)
        total = np.zeros(len(moment))
        for begin in range(0, len(moment), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            total[block] = self._at(piece, moment[block])
        return total

    def _at(self, piece: _Piece, moment: Int64) -> Float64:
        """The same for cuts before the bins `moment (M,)`, which follow one another.

        The subject's own error is in what every view says: with errors of one size, the answers of V views correlate
        by a half and are worth 2 V / (V + 1) answers.
        """
        first, stop = max(int(moment[0]) - _WINDOW, piece.first), min(int(moment[-1]) + _WINDOW, piece.stop)
        rows: list[Float64] = []
        view: list[int] = []
        seen, own = self._seen, slice(*self._range[piece.tracklet : piece.tracklet + 2].tolist())
        near = (seen.start[own] < stop) & (seen.start[own] + np.diff(seen.first)[own] > first)
        for p in (own.start + np.flatnonzero(near)).tolist():
            witness, start = int(seen.witness[p]), int(seen.start[p])
            value = seen.value[seen.first[p] : seen.first[p + 1]]
            for part in self._pieces[witness]:
                low, high = max(part.first, first, start), min(part.stop, stop, start + len(value))
                if low < high:
                    row = np.zeros(stop - first)
                    row[low - first : high - first] = value[low - start : high - start]
                    rows.append(row)
                    view.append(int(self._tracks.camera[witness]))
        total, views = np.zeros(len(moment)), np.zeros(len(moment))
        if not rows:
            return total
        told = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=1)], axis=1)
        at = moment - first
        before = told[:, at] - told[:, np.maximum(at - _WINDOW, 0)]
        after = told[:, np.minimum(at + _WINDOW, stop - first)] - told[:, at]
        for name in set(view):
            of_view = np.flatnonzero(np.array(view) == name)
            said = _one_view(before[of_view], after[of_view])
            total += said
            views += said != 0.0
        return total * 2.0 / (views + 1.0)


def _one_view(before: Float64, after: Float64) -> Float64:
    """What one view says for a cut, `(M,)`, from the evidence of its W tracklets before and after each of M moments,
    `(W, M)`: one goes along before and another one after, which is likelier than that either does throughout, or that
    both are one person; against it: one goes along on both sides."""
    stays = np.minimum(before, after).max(axis=0)
    first, second = (before > 0.0).any(axis=1), (after > 0.0).any(axis=1)
    not_the_first = after[None, second] - after[first, None]
    not_the_second = before[first, None] - before[None, second]
    not_both = -(after[first, None] + before[None, second])
    change = np.minimum(np.minimum(not_the_first, not_the_second), not_both)
    change[(before[first] <= 0.0)[:, None] | (after[second] <= 0.0)[None, :]] = 0.0
    most = np.clip(change.max(axis=(0, 1), initial=0.0), 0.0, _MOST_A_VIEW)
    result: Float64 = most - np.clip(stays, 0.0, _MOST_A_VIEW)
    return result
