"""Corrections by the user: two people are one, one is two, these tracklets and no others are one person.

They are kept in terms of tracklets, not of people's numbers, which an answer may change: a tracklet is named by its
camera, id and frames, and by where it is in the image in a few of them. So a correction holds for the same tracklets,
and after the run was made anew with other settings for those that lie in the same place at the same time.

A later correction stands above an earlier one: a tracklet that was cut or taken out leaves the people it was put into
before; people who are put together are no longer kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pipeline import geometry
from pipeline.types import Tracklet, TrackletKey

Kind = Literal["merge", "cut", "apart", "lock"]

_ANCHORS = 3
_SAME_PLACE_IOU = 0.5
"""Two boxes of one person in one frame, as in the evaluation of tracking (MOT16, arXiv 1603.00831, section 4.1)."""


@dataclass(frozen=True, slots=True)
class TrackletRef:
    """A tracklet that is to be found again: its key, frames `first` to `last`, and boxes `(frame, xyxy)` in it."""

    key: TrackletKey
    first: int
    last: int
    anchors: tuple[tuple[int, tuple[float, float, float, float]], ...]

    @classmethod
    def of(cls, tracklet: Tracklet) -> TrackletRef:
        """The first, the middle and the last observed box are its anchors."""
        seen = np.flatnonzero(tracklet.observed)
        rows = np.unique(seen[np.linspace(0, len(seen) - 1, _ANCHORS).round().astype(np.int64)]).tolist()
        anchors = []
        for row in rows:
            x1, y1, x2, y2 = (round(float(v), 2) for v in tracklet.xyxy[row])
            anchors.append((int(tracklet.frame_index[row]), (x1, y1, x2, y2)))
        return cls(tracklet.key, int(tracklet.frame_index[0]), int(tracklet.frame_index[-1]), tuple(anchors))

    def find(self, tracklets: Iterable[Tracklet], *, frame: int | None = None) -> tuple[Tracklet, ...]:
        """The tracklet itself where it still is; else those that go through one of its boxes and have at least half of
        their frames within its own (or, with `frame`, those that go through it)."""
        own = [t for t in tracklets if t.camera_id == self.key[0]]
        for tracklet in own:
            span = int(tracklet.frame_index[0]), int(tracklet.frame_index[-1])
            if tracklet.key == self.key and span == (self.first, self.last) and self._meets(tracklet):
                return (tracklet,)
        return tuple(t for t in own if self._meets(t) and self._stands_for(t, frame))

    def _stands_for(self, tracklet: Tracklet, frame: int | None) -> bool:
        frames = tracklet.frame_index
        if frame is not None:
            return bool(frames[0] < frame <= frames[-1])
        return 2 * int(np.count_nonzero((frames >= self.first) & (frames <= self.last))) >= len(frames)

    def _meets(self, tracklet: Tracklet) -> bool:
        for frame, xyxy in self.anchors:
            row = int(np.searchsorted(tracklet.frame_index, frame))
            if row < len(tracklet) and tracklet.frame_index[row] == frame:
                both = geometry.iou(np.array([xyxy], np.float32), tracklet.xyxy[[row]])
                if float(both[0, 0]) >= _SAME_PLACE_IOU:
                    return True
        return False


@dataclass(frozen=True, slots=True)
class Correction:
    """One thing that the user said.

    merge: `tracklets` are one person. cut: `tracklets[0]` is one person before `frame` and another from it on. apart:
    `tracklets[0]` is none of `others`. lock: `tracklets` and no others are one person.
    """

    number: int
    kind: Kind
    said: str
    """As it was said, with the numbers that people had then."""
    tracklets: tuple[TrackletRef, ...]
    others: tuple[TrackletRef, ...] = ()
    frame: int | None = None
    batch: int = 1
    """What was said at once is taken back at once."""
    videos: Mapping[str, str] = field(default_factory=dict)
    """Hash by camera of the video it was said of."""

    @property
    def cameras(self) -> frozenset[str]:
        """Those whose tracklets it names."""
        return frozenset(ref.key[0] for ref in (*self.tracklets, *self.others))


def of_these_videos(
    corrections: Sequence[Correction], videos: Mapping[str, str]
) -> tuple[tuple[Correction, ...], dict[int, str]]:
    """The corrections of `videos` (hash by camera), and why the others are of other ones, by number."""
    refused: dict[int, str] = {}
    for entry in corrections:
        for camera in sorted(entry.cameras):
            if camera not in videos:
                refused[entry.number] = f"camera {camera} is not in this run"
            elif entry.videos.get(camera, videos[camera]) != videos[camera]:
                refused[entry.number] = f"camera {camera} has another video now"
    return tuple(entry for entry in corrections if entry.number not in refused), refused
