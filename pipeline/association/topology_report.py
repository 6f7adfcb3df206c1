"""What was learned of the ways between cameras, as figures: zones, ways walked and their times, views shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.overlap import Overlap
from pipeline.association.zones import Zones
from pipeline.types import Tracklet, TrackletKey, Trajectory

_MOST_WAYS = 500


@dataclass(frozen=True, slots=True)
class ZoneReport:
    """A place where people come in or go out: feet as fractions of width and height, and tracklets that start and end
    there."""

    camera: str
    zone: int
    centre: tuple[float, float]
    radius: float
    entries: int
    exits: int


@dataclass(frozen=True, slots=True)
class WayReport:
    """A way that people were linked on: out by a zone, in by the next one they were seen in (0 = elsewhere).

    Times in s from the last box to the first one; negative where both cameras saw the person at once.
    """

    from_camera: str
    from_zone: int
    to_camera: str
    to_zone: int
    times: int
    shortest_s: float
    median_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class TopologyReport:
    """`ways`: the most walked first; between cameras whose clocks do not compare there are none. `overlaps`: pairs of
    cameras that were looked at for a shared view, and what was found."""

    zones: tuple[ZoneReport, ...] = ()
    ways: tuple[WayReport, ...] = ()
    overlaps: tuple[Overlap, ...] = ()


def report_topology(
    ordered: Sequence[Tracklet],
    zones: Zones,
    trajectories: Sequence[Trajectory],
    overlaps: Sequence[Overlap],
    *,
    comparable: bool,
) -> TopologyReport:
    """Count the ways of all people; `ordered`: all tracklets sorted by key, as `zones` was made of."""
    row = {t.key: n for n, t in enumerate(ordered)}
    gaps: dict[tuple[TrackletKey, TrackletKey], list[float]] = {}
    for person in trajectories:
        for one, two in zip(person.tracklets[:-1], person.tracklets[1:], strict=True):
            if comparable or one.camera_id == two.camera_id:
                way = (
                    (one.camera_id, int(zones.exit[row[one.key]])),
                    (two.camera_id, int(zones.entry[row[two.key]])),
                )
                gaps.setdefault(way, []).append(two.start_s - one.end_s)
    walked = sorted(gaps.items(), key=lambda item: (-len(item[1]), item[0]))[:_MOST_WAYS]
    return TopologyReport(
        zones=tuple(
            ZoneReport(
                name,
                n + 1,
                (float(found.centre[n, 0]), float(found.centre[n, 1])),
                float(found.radius[n]),
                int(found.entries[n]),
                int(found.exits[n]),
            )
            for name, found in sorted(zones.by_camera.items())
            for n in range(len(found.centre))
        ),
        ways=tuple(
            WayReport(*out, *into, len(times), min(times), float(np.median(times)), max(times))
            for (out, into), times in walked
        ),
        overlaps=tuple(overlaps),
    )


def ways_table(report: TopologyReport, most: int) -> list[str]:
    """The `most` walked ways between two cameras and the views shared, as lines for the eye."""
    lines = []
    for way in [way for way in report.ways if way.from_camera != way.to_camera][:most]:
        took = f"{way.median_s:.1f} s ({way.shortest_s:.1f} to {way.longest_s:.1f})"
        lines.append(
            f"{_place(way.from_camera, way.from_zone)} -> {_place(way.to_camera, way.to_zone)}: {way.times} x, "
            + (took if way.median_s >= 0 else "seen by both at once")
        )
    for overlap in report.overlaps:
        if overlap.found:
            lines.append(
                f"{overlap.cameras[0]} and {overlap.cameras[1]} see a common floor: {overlap.together} of "
                f"{overlap.matches} look-alikes are seen at once, {overlap.expected:.1f} by chance"
            )
    return lines


def _place(camera: str, zone: int) -> str:
    return f"{camera} zone {zone}" if zone else f"{camera} elsewhere"
