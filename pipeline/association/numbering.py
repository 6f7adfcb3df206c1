"""Numbers of people that stay: who is solved anew keeps the number of the person he overlaps most with.

Two earlier answers count: the last one (`now`), which the user has before his eyes, and then the first one of the run
(`base`), whose numbers come back when a correction is taken back. Overlap is told in frames of the stored tracks,
which no later step renames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.types import TrackletKey, Trajectory


@dataclass(frozen=True, slots=True)
class Stretch:
    """A person in a stored track, from frame `first` to frame `last`."""

    camera_id: str
    track_id: int
    first: int
    last: int
    person_id: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Who had which number in the first and in the last answer."""

    base: tuple[Stretch, ...]
    now: tuple[Stretch, ...]


def renumber(
    trajectories: Sequence[Trajectory], origin: Mapping[TrackletKey, TrackletKey], before: Numbers | None
) -> tuple[tuple[Trajectory, ...], Numbers]:
    """The same people, ordered by their numbers, and the numbers for the next time.

    `origin`: the stored track of each tracklet that was cut off one; others are their own. `before` None: they keep
    the numbers they have. A number goes to the person that overlaps most with it (ties: the lower number, then the
    order given), once; people without one get numbers above all that were given before.
    """
    if before is None:
        stretches = _stretches(trajectories, origin)
        return tuple(trajectories), Numbers(stretches, stretches)
    number_of: dict[int, int] = {}
    for answer in (_by_track(before.now), _by_track(before.base)):
        claims: list[tuple[int, int, int]] = []
        for row, trajectory in enumerate(trajectories):
            own = _stretches([trajectory], origin)
            claims += [(-frames, number, row) for number, frames in _overlaps(own, answer).items()]
        taken = set(number_of.values())
        for _, number, row in sorted(claims):
            if row not in number_of and number not in taken:
                number_of[row] = number
                taken.add(number)
    new = max((stretch.person_id for stretch in (*before.base, *before.now)), default=0)
    for row in range(len(trajectories)):
        if row not in number_of:
            new += 1
            number_of[row] = new
    numbered = [replace(trajectory, person_id=number_of[row]) for row, trajectory in enumerate(trajectories)]
    result = tuple(sorted(numbered, key=lambda trajectory: trajectory.person_id))
    return result, Numbers(before.base, _stretches(result, origin))


def _by_track(stretches: Sequence[Stretch]) -> dict[TrackletKey, list[Stretch]]:
    found: dict[TrackletKey, list[Stretch]] = {}
    for stretch in stretches:
        found.setdefault((stretch.camera_id, stretch.track_id), []).append(stretch)
    return found


def _overlaps(own: Sequence[Stretch], answer: Mapping[TrackletKey, Sequence[Stretch]]) -> dict[int, int]:
    """Frames in common by number."""
    frames: dict[int, int] = {}
    for stretch in own:
        for other in answer.get((stretch.camera_id, stretch.track_id), ()):
            common = min(stretch.last, other.last) - max(stretch.first, other.first) + 1
            if common > 0:
                frames[other.person_id] = frames.get(other.person_id, 0) + common
    return frames


def _stretches(trajectories: Sequence[Trajectory], origin: Mapping[TrackletKey, TrackletKey]) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(
            *origin.get(tracklet.key, tracklet.key),
            int(tracklet.frame_index[0]),
            int(tracklet.frame_index[-1]),
            trajectory.person_id,
        )
        for trajectory in trajectories
        for tracklet in trajectory.tracklets
    )
