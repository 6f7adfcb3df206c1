"""`--merge 3 7 --split 5@cam2:14 --lock 2` to corrections, by the people that trajectories.json holds."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commands.track_arguments import seconds
from pipeline.association.corrections import Correction, Kind, TrackletRef
from pipeline.errors import UsageError
from pipeline.types import Tracklet, TrackletKey, Trajectory

_PLACE = re.compile(r"(?P<person>\d+)@(?P<camera>[^:#]+)(?P<sign>[:#])(?P<where>.+)")

Members = dict[TrackletKey, Tracklet]


def name_of(key: TrackletKey) -> str:
    """`cam2#9`: track 9 of camera cam2."""
    return f"{key[0]}#{key[1]}"


@dataclass(slots=True)
class Reader:
    """Turns what is said at once into corrections; people are meant as they were before it.

    `number`: of the first correction; `batch`: of all. `videos`: hash by camera.
    """

    people: dict[int, Members]
    number: int
    batch: int
    videos: Mapping[str, str]

    @classmethod
    def of(
        cls, trajectories: Iterable[Trajectory], said_before: Sequence[Correction], videos: Mapping[str, str]
    ) -> Reader:
        """For people that are numbered as in `trajectories`."""
        people = {person.person_id: {t.key: t for t in person.tracklets} for person in trajectories}
        last = said_before[-1] if said_before else None
        return cls(people, last.number + 1 if last else 1, max((c.batch for c in said_before), default=0) + 1, videos)

    def read(self, operations: Sequence[tuple[str, Any]]) -> tuple[Correction, ...]:
        """Raises UsageError for a person, camera, tracklet or time that is not there."""
        result: list[Correction] = []
        cut: set[int] = set()
        for word, values in operations:
            said = f"--{word} {' '.join(map(str, values))}"
            if word == "merge":
                result.append(self._merge(said, values))
            elif word == "split":
                for value in values:
                    result += self._split(value, cut)
            else:
                for person in values:
                    if person in cut:
                        raise UsageError(
                            f"--lock {person}: is split in the same call; lock what comes of it in a second"
                        )
                    members = self._members(person, said)
                    result.append(self._correction("lock", f"--lock {person}", members.values()))
        return tuple(result)

    def _merge(self, said: str, persons: Sequence[int]) -> Correction:
        whole: Members = {}
        for person in persons:
            whole |= self._members(person, said)
        self.people |= dict.fromkeys(persons, whole)
        return self._correction("merge", said, whole.values())

    def _split(self, value: str, cut: set[int]) -> list[Correction]:
        said = f"--split {value}"
        match = _PLACE.fullmatch(value)
        if match is None:
            raise UsageError(f"{said}: wants PERSON@CAMERA:TIME or PERSON@CAMERA#TRACK, e.g. 5@cam2:14 or 5@cam2#9")
        person, camera, where = int(match["person"]), match["camera"], match["where"]
        members = self._members(person, said)
        own = sorted((t for t in members.values() if t.camera_id == camera), key=lambda t: t.start_s)
        if not own:
            cameras = ", ".join(sorted({t.camera_id for t in members.values()}))
            raise UsageError(f"{said}: person {person} is not in camera {camera}, but in {cameras}")
        if match["sign"] == "#":
            return [self._take_out(said, person, own, where)]
        try:
            time_s = seconds(where)
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{said}: {error}") from None
        return self._split_at(said, person, own, time_s, cut)

    def _take_out(self, said: str, person: int, own: Sequence[Tracklet], where: str) -> Correction:
        subject = next((t for t in own if where == str(t.key[1])), None)
        if subject is None:
            tracks = ", ".join(name_of(t.key) for t in own)
            raise UsageError(f"{said}: person {person} has no such tracklet there, but {tracks}")
        others = [t for key, t in self.people[person].items() if key != subject.key]
        if not others:
            raise UsageError(f"{said}: {name_of(subject.key)} is all there is of person {person}")
        self._drop(person, subject)
        return self._correction("apart", said, [subject], others)

    def _split_at(
        self, said: str, person: int, own: Sequence[Tracklet], time_s: float, cut: set[int]
    ) -> list[Correction]:
        rows = [int(np.searchsorted(t.time_s, time_s)) for t in own]
        through = [(t, row) for t, row in zip(own, rows, strict=True) if 0 < row < len(t)]
        if through:
            cut.add(person)
            return [self._correction("cut", said, [t], frame=int(t.frame_index[row])) for t, row in through]
        before, after = [t for t in own if t.end_s < time_s], [t for t in own if t.start_s >= time_s]
        if not before or not after:
            spans = ", ".join(f"{t.start_s:.1f} to {t.end_s:.1f} s" for t in own)
            raise UsageError(f"{said}: person {person} is there at {spans}; want a time within, or between two")
        self._drop(person, after[0])
        return [self._correction("apart", said, [after[0]], before)]

    def _drop(self, person: int, tracklet: Tracklet) -> None:
        self.people[person] = {key: t for key, t in self.people[person].items() if key != tracklet.key}

    def _members(self, person: int, said: str) -> Members:
        if person not in self.people:
            raise UsageError(f"{said}: there is no person {person}; {known(self.people)}")
        return self.people[person]

    def _correction(
        self,
        kind: Kind,
        said: str,
        tracklets: Iterable[Tracklet],
        others: Iterable[Tracklet] = (),
        frame: int | None = None,
    ) -> Correction:
        refs = tuple(TrackletRef.of(t) for t in sorted(tracklets, key=lambda t: t.key))
        rest = tuple(TrackletRef.of(t) for t in sorted(others, key=lambda t: t.key))
        cameras = {ref.key[0] for ref in (*refs, *rest)}
        videos = {camera: self.videos[camera] for camera in sorted(cameras) if camera in self.videos}
        made = Correction(self.number, kind, said, refs, rest, frame, self.batch, videos)
        self.number += 1
        return made


def known(people: Iterable[int]) -> str:
    """Which people there are, in words."""
    numbers = sorted(people)
    if not numbers:
        return "nobody was found in this run"
    some = ", ".join(map(str, numbers[:20]))
    return f"there are {some}{', ...' if len(numbers) > 20 else ''}"
