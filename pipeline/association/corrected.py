"""Corrections laid over the tracklets of a run: some are cut, and what is known of who is who is told to the solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.association.constraints import build_constraints
from pipeline.association.corrections import Correction, TrackletRef
from pipeline.association.known import NOTHING, Closed, Known
from pipeline.config import AssociationConfig
from pipeline.types import Bool, Embeddings, Scene, Tracklet, TrackletKey

_GONE = "its tracklet is not found any more"
LATER = "a later correction says otherwise"
"""Nothing is amiss: the user changed his mind."""


@dataclass(frozen=True, slots=True)
class Cut:
    """`new_key` is what `key` became from `frame` on."""

    key: TrackletKey
    new_key: TrackletKey
    frame: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """Tracklets sorted by key, their embeddings, what is known of them, and the corrections that do not hold."""

    tracklets: tuple[Tracklet, ...]
    embeddings: Embeddings
    known: Known = NOTHING
    cuts: tuple[Cut, ...] = ()
    refused: Mapping[int, str] = field(default_factory=dict)
    """Why a correction does not hold, by its number."""
    remarks: Mapping[int, str] = field(default_factory=dict)
    """What is odd about one that holds."""


def correct(
    tracklets: Sequence[Tracklet],
    embeddings: Embeddings,
    corrections: Sequence[Correction],
    scene: Scene,
    config: AssociationConfig,
    *,
    given: Sequence[TrackletKey] = (),
) -> Corrected:
    """Lay `corrections`, in the order they were said, over the tracklets. What cannot hold is refused, not raised.

    `given`: further keys that were, to parts that were dropped; no cut gives one of them again.
    """
    current = {t.key: t for t in sorted(tracklets, key=lambda t: t.key)}
    if not corrections:
        return Corrected(tuple(current.values()), embeddings)
    refused: dict[int, str] = {}
    cuts: dict[int, list[Cut]] = {}
    next_id: dict[str, int] = {}
    for camera_id, track_id in (*current, *given):
        next_id[camera_id] = max(next_id.get(camera_id, 0), track_id + 1)
    for entry in corrections:
        if entry.kind == "cut" and entry.frame is not None:
            found = _cut(current, entry.tracklets[0], entry.frame, next_id)
            cuts[entry.number] = [cut for cut, *_ in found]
            current.update({part.key: part for _, *parts in found for part in parts})
            if not found:
                refused[entry.number] = _GONE
    ordered = tuple(current[key] for key in sorted(current))
    every = [cut for made in cuts.values() for cut in made]
    claims = _Claims(ordered, scene, config, cuts, refused)
    known = claims.settle(corrections)
    return Corrected(ordered, _relabelled(embeddings, every), known, tuple(every), refused, claims.remarks)


def _cut(
    current: Mapping[TrackletKey, Tracklet], ref: TrackletRef, frame: int, next_id: dict[str, int]
) -> list[tuple[Cut, Tracklet, Tracklet]]:
    """Each tracklet that `ref` stands for and that goes through `frame`, in two."""
    result: list[tuple[Cut, Tracklet, Tracklet]] = []
    for tracklet in ref.find(current.values(), frame=frame):
        row = int(np.searchsorted(tracklet.frame_index, frame))
        later = np.arange(len(tracklet)) >= row
        if not (tracklet.observed & later).any() or not (tracklet.observed & ~later).any():
            continue
        new_key = (tracklet.camera_id, next_id[tracklet.camera_id])
        next_id[tracklet.camera_id] += 1
        cut = Cut(tracklet.key, new_key, frame)
        result.append((cut, _part(tracklet, ~later, tracklet.key), _part(tracklet, later, new_key)))
    return result


def _part(tracklet: Tracklet, mask: Bool, key: TrackletKey) -> Tracklet:
    """The rows of `mask`, without interpolated boxes at either end."""
    seen = np.flatnonzero(mask & tracklet.observed)
    rows = slice(int(seen[0]), int(seen[-1]) + 1)
    return Tracklet(
        key,
        tracklet.frame_index[rows],
        tracklet.time_s[rows],
        tracklet.xyxy[rows],
        tracklet.confidence[rows],
        tracklet.observed[rows],
    )


def _relabelled(embeddings: Embeddings, cuts: Sequence[Cut]) -> Embeddings:
    keys, frames = list(embeddings.keys), embeddings.frame_index
    for cut in cuts:
        for row in [row for row, key in enumerate(keys) if key == cut.key and frames[row] >= cut.frame]:
            keys[row] = cut.new_key
    return Embeddings(tuple(keys), frames, embeddings.vector, embeddings.quality)


class _Claims:
    """Goes through the corrections from the last to the first; what is said later stands."""

    def __init__(
        self,
        ordered: Sequence[Tracklet],
        scene: Scene,
        config: AssociationConfig,
        cuts: Mapping[int, Sequence[Cut]],
        refused: dict[int, str],
    ) -> None:
        self._ordered, self._scene, self._config = ordered, scene, config
        self._cuts, self._refused = cuts, refused
        self.remarks: dict[int, str] = {}
        self._by_key = {t.key: t for t in ordered}
        self._groups: list[frozenset[TrackletKey]] = []
        self._apart: list[tuple[TrackletKey, TrackletKey]] = []
        self._locks: list[tuple[frozenset[TrackletKey], frozenset[TrackletKey]]] = []
        """Members, and those that were freed since."""
        self._free: set[TrackletKey] = set()
        """Cut or taken out later: these have left the people they were put into before."""

    def settle(self, corrections: Sequence[Correction]) -> Known:
        for entry in reversed(corrections):
            if entry.number in self._refused:
                continue
            if entry.kind == "cut":
                pairs = [(cut.key, cut.new_key) for cut in self._cuts[entry.number]]
                self._part(entry, pairs, {key for pair in pairs for key in pair})
            elif entry.kind == "apart":
                subject, others = self._find(entry.tracklets), self._find(entry.others)
                self._part(entry, [(a, b) for a in sorted(subject) for b in sorted(others - subject)], subject)
            else:
                self._join(entry)
        closed = tuple(Closed(self._whole(lock), may_join) for lock, may_join in self._locks)
        return Known(tuple(self._groups), tuple(self._apart), closed)

    def _find(self, refs: Sequence[TrackletRef]) -> frozenset[TrackletKey]:
        return frozenset(tracklet.key for ref in refs for tracklet in ref.find(self._ordered))

    def _part(
        self, entry: Correction, pairs: Sequence[tuple[TrackletKey, TrackletKey]], subject: AbstractSet[TrackletKey]
    ) -> None:
        open_pairs = [pair for pair in pairs if pair[1] not in self._whole(frozenset({pair[0]}))]
        if not open_pairs:
            self._refused[entry.number] = LATER if pairs else _GONE
        self._apart += open_pairs
        self._free |= subject

    def _join(self, entry: Correction) -> None:
        named = self._find(entry.tracklets)
        keys = named - self._free
        if entry.kind == "merge":
            keys = keys.difference(*(self._whole(lock) for lock, _ in self._locks))
        if len(keys) < (1 if entry.kind == "lock" else 2):
            if not named or (entry.kind == "lock" and not keys) or named & self._free:
                self._refused[entry.number] = LATER if named else _GONE
            return  # else what was said is so already
        whole = frozenset().union(*(self._whole(frozenset({key})) for key in keys))
        if two := self._at_once(whole, replace(self._scene, clock="unknown", on_one_clock=frozenset())):
            self._refused[entry.number] = f"{two} beside each other in one camera: they are two people"
            return
        if two := self._at_once(whole, self._scene):
            self.remarks[entry.number] = f"{two} in two cameras: does `overlaps` lack a pair, or is a clock wrong?"
        self._groups.append(keys)
        if entry.kind == "lock":
            self._locks.append((keys, named & self._free))

    def _whole(self, keys: frozenset[TrackletKey]) -> frozenset[TrackletKey]:
        """`keys` and all that is joined with them by what was said so far."""
        whole, size = keys, -1
        while len(whole) != size:
            size = len(whole)
            whole = whole.union(*(group for group in self._groups if group & whole))
        return whole

    def _at_once(self, keys: frozenset[TrackletKey], scene: Scene) -> str | None:
        """Two of `keys` that were in two places at once, and when, in words."""
        members = [self._by_key[key] for key in sorted(keys)]
        cannot = build_constraints(
            members,
            scene,
            duplicate_overlap=self._config.duplicate_overlap,
            well_apart_overlap=self._config.well_apart_overlap,
            slack_s=self._config.clock_slack_s,
        ).cannot
        pairs = np.argwhere(np.triu(cannot))
        if not len(pairs):
            return None
        one, two = (members[int(row)] for row in pairs[0])
        start, end = max(one.start_s, two.start_s), min(one.end_s, two.end_s)
        return f"{one.key[0]}#{one.key[1]} and {two.key[0]}#{two.key[1]} were seen at once ({start:.1f} to {end:.1f} s)"
