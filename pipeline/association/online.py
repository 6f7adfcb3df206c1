"""Who is who while the cameras still run: each tracklet gets a person at once, and what is thought anew is told.

The same associator as afterwards solves the tracklets that are in work, each time one comes or grows. Three bounds keep
the cost of a tracklet the same however long it goes on: so many tracklets are in work, so many of each person, and what
is older than `revise_s` is settled. Settled tracklets stay in work as what their person looks like; the solver is given
them as known, like corrections (known.py). Against the answer afterwards it lacks the future, and who has dropped out
of work is not found again: docs/corrections.md measures both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.known import Known
from pipeline.association.numbering import Numbers, Stretch, renumber
from pipeline.association.prior import DistancePrior
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings, Scene, Tracklet, TrackletKey


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept in work: `tracklets` in all, `per_person` once settled; what ended more than `revise_s` ago is
    settled. A choice by cost, not tuned: so many tracklets are compared well within a second (docs/corrections.md)."""

    tracklets: int = 200
    per_person: int = 3
    revise_s: float = 60.0

    def __post_init__(self) -> None:
        if self.tracklets < 2 or self.per_person < 1 or not self.revise_s >= 0:
            raise ValueError(f"bounds want 2 tracklets, 1 of a person, 0 s or more, got {self}")


@dataclass(frozen=True, slots=True)
class Event:
    """At `time_s`, tracklet `key` got `person_id`; `before` is whom it was thought to be, None when it is new."""

    time_s: float
    key: TrackletKey
    person_id: int
    before: int | None = None


class OnlineAssociator:
    """Takes tracklets as they are confirmed, again as they grow, and tells who they are.

    `people` is who each tracklet seen so far is thought to be.
    """

    def __init__(
        self,
        scene: Scene,
        config: AssociationConfig,
        prior: DistancePrior | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._scene = scene
        self._associator = AverageLinkageAssociator(config, prior)
        self._bounds = bounds or Bounds()
        self._work: dict[TrackletKey, tuple[Tracklet, Embeddings]] = {}
        self._people: dict[TrackletKey, int] = {}
        self._highest = 0

    @property
    def people(self) -> Mapping[TrackletKey, int]:
        """Person by tracklet, of all that were ever seen."""
        return dict(self._people)

    def observe(self, tracklet: Tracklet, embeddings: Embeddings, time_s: float) -> tuple[Event, ...]:
        """A tracklet that is confirmed, or one that has grown, as known at `time_s`; `embeddings`: rows of it alone.

        Returns its person if it is new, then every change of what was thought before. A tracklet that has dropped out
        of work keeps its person and is not looked at again. Raises ValueError for rows of another tracklet.
        """
        if any(key != tracklet.key for key in embeddings.keys):
            raise ValueError(f"embeddings of {sorted(set(embeddings.keys))} beside tracklet {tracklet.key}")
        if tracklet.key in self._people and tracklet.key not in self._work:
            return ()
        self._work[tracklet.key] = (tracklet, embeddings)
        settled = {key for key, (t, _) in self._work.items() if t.end_s < time_s - self._bounds.revise_s}
        settled &= set(self._people)
        found = self._solve(settled)
        events = [
            Event(time_s, key, person, self._people.get(key))
            for key, person in found.items()
            if self._people.get(key) != person
        ]
        self._people |= found
        self._highest = max(self._highest, *found.values())
        self._drop(settled)
        return tuple(sorted(events, key=lambda event: (event.before is not None, event.key)))

    def _solve(self, settled: set[TrackletKey]) -> dict[TrackletKey, int]:
        """Person of each tracklet in work."""
        tracklets = [tracklet for tracklet, _ in self._work.values()]
        dimension = next(iter(self._work.values()))[1].vector.shape[1]
        embeddings = Embeddings.join([rows for _, rows in self._work.values()], dimension)
        result = self._associator.solve(tracklets, embeddings, self._scene, self._known(settled))
        ever = Stretch("", -1, 0, 0, self._highest)  # numbers of people who dropped out are not given again
        before = Numbers((ever,), tuple(self._stretches()))
        people, _ = renumber(result.trajectories, {}, before)
        return {t.key: person.person_id for person in people for t in person.tracklets}

    def _stretches(self) -> Iterable[Stretch]:
        for key, (tracklet, _) in self._work.items():
            if key in self._people:
                frames = tracklet.frame_index
                yield Stretch(*key, int(frames[0]), int(frames[-1]), self._people[key])

    def _known(self, settled: set[TrackletKey]) -> Known:
        groups = self._by_person(settled)
        members = [sorted(keys) for keys in groups.values()]
        apart = tuple((one[0], two[0]) for one, two in combinations(members, 2))
        return Known(tuple(frozenset(keys) for keys in members if len(keys) > 1), apart)

    def _by_person(self, keys: Iterable[TrackletKey]) -> dict[int, list[TrackletKey]]:
        groups: dict[int, list[TrackletKey]] = {}
        for key in sorted(keys, key=lambda key: (self._work[key][0].end_s, key)):
            groups.setdefault(self._people[key], []).append(key)
        return groups

    def _drop(self, settled: set[TrackletKey]) -> None:
        """Out of work: the oldest settled of a person beyond his share, then the people not seen for longest."""
        for keys in self._by_person(settled).values():
            for key in keys[: -self._bounds.per_person]:
                del self._work[key]
        surplus = len(self._work) - self._bounds.tracklets
        if surplus > 0:
            last_seen: dict[int, float] = {}
            for key, (tracklet, _) in self._work.items():
                person = self._people[key]
                last_seen[person] = max(last_seen.get(person, -np.inf), tracklet.end_s)
            order = sorted(self._work, key=lambda key: (last_seen[self._people[key]], self._work[key][0].end_s, key))
            for key in order[:surplus]:
                del self._work[key]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of a tracklet at `time_s`."""

    time_s: float
    tracklet: Tracklet
    embeddings: Embeddings
    whole: bool


def arrivals(
    tracklets: Iterable[Tracklet], embeddings: Embeddings, *, min_observations: int, min_track_s: float
) -> list[Arrival]:
    """A recording as it would have come: each tracklet when it is confirmed and a crop of it is there, and once more
    when it has ended, in order of time.

    Confirmed: seen `min_observations` times over `min_track_s`, as the tracker's rule for keeping it. A recording keeps
    the best crops of a whole tracklet, so fewer are there early than a live camera would have.
    """
    rows_of: dict[TrackletKey, list[int]] = {}
    for row, key in enumerate(embeddings.keys):
        rows_of.setdefault(key, []).append(row)
    result: list[Arrival] = []
    for tracklet in tracklets:
        rows = np.array(rows_of.get(tracklet.key, []), dtype=np.int64)
        ready = (np.cumsum(tracklet.observed) >= min_observations) & (tracklet.time_s - tracklet.start_s >= min_track_s)
        if len(rows):
            ready &= tracklet.frame_index >= embeddings.frame_index[rows].min()
        last = len(tracklet) - 1
        first = int(ready.argmax()) if ready.any() and len(rows) else last
        for row in sorted({first, last}):
            seen = rows[embeddings.frame_index[rows] <= tracklet.frame_index[row]]
            result.append(
                Arrival(float(tracklet.time_s[row]), _until(tracklet, row), _take(embeddings, seen), row == last)
            )
    return sorted(result, key=lambda a: (a.time_s, a.tracklet.key, a.whole))


def _until(tracklet: Tracklet, row: int) -> Tracklet:
    rows = slice(0, row + 1)
    return Tracklet(
        tracklet.key,
        tracklet.frame_index[rows],
        tracklet.time_s[rows],
        tracklet.xyxy[rows],
        tracklet.confidence[rows],
        tracklet.observed[rows],
    )


def _take(embeddings: Embeddings, rows: np.ndarray) -> Embeddings:
    keys = tuple(embeddings.keys[row] for row in rows.tolist())
    return Embeddings(keys, embeddings.frame_index[rows], embeddings.vector[rows], embeddings.quality[rows])
