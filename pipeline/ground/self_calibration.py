"""Cameras that nobody calibrated on one floor: from homographies between their views, and from people's heights.

One view gives the floor its scale: a person there is as high in the image as the horizon is far above his feet, times
his height over the camera's (Hoiem, Efros and Hebert, Int. J. Computer Vision 80, 2008, eq. 1). How far a step leads
away from the camera hangs on the focal length, which is taken to be as usual. So metres are rough, by a third along the
view; places are compared, not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from pipeline.ground.view_feet import Feet, feet_of
from pipeline.ground.view_matching import ViewMatch, match_views
from pipeline.types import Calibration, Camera, Float64, Int64, Tracklet

_PERSON_M = 1.7
_FOCAL = 0.9
"""Focal length, share of the image's longer side: 58 degrees, in the middle of surveillance lenses."""
_MOST_S, _BLOCK_S = 600, 15
"""Seconds that are looked at, blocks of _BLOCK_S spread over the recordings."""
_LEAST_FEET = 20


@dataclass(frozen=True, slots=True)
class MatchedViews:
    """All pairs of views that were compared, and what came of it: rough calibrations of cameras that share a floor, one
    floor or several."""

    matches: tuple[ViewMatch, ...]
    calibrations: Mapping[str, Calibration]

    def to_dict(self) -> list[dict[str, Any]]:
        """As JSON, for the report."""
        return [
            {
                "cameras": [match.one, match.two],
                "matrix": match.matrix.tolist(),
                "held_out": match.held_out,
                "by_chance": match.by_chance,
                "off_heights": match.off_heights,
                "feet": match.feet,
                "accepted": match.accepted,
            }
            for match in self.matches
        ]

    def told(self) -> str:
        """The result in a line, with its evidence."""
        if not self.calibrations:
            return f"none of {len(self.matches)} pairs of cameras could be put on one floor by people seen at once"
        evidence = [
            f"{m.one} and {m.two} {100 * m.held_out:.0f} % of the feet, {100 * m.by_chance:.0f} % by chance"
            for m in self.matches
            if m.accepted and m.one in self.calibrations
        ]
        floors: dict[int, list[str]] = {}
        for name in sorted(self.calibrations):
            floors.setdefault(self.calibrations[name].floor, []).append(name)
        groups = " and ".join(f"{', '.join(names)} see one floor" for names in floors.values())
        return f"{groups}, found from people seen at once ({'; '.join(evidence)})"


def calibrate_by_people(tracklets: Sequence[Tracklet], cameras: Sequence[Camera]) -> MatchedViews:
    """`cameras`: those without a calibration, on one clock. Every group that accepted pairs connect gets a floor.

    Each pair is judged by its own two views alone, whatever others see and when.
    """
    by_camera = {camera.id: [t for t in tracklets if t.camera_id == camera.id] for camera in cameras}
    size_wh = {camera.id: camera.size_wh for camera in cameras}

    def feet(*names: str) -> list[Feet]:
        """Of each of these views, at those seconds to look at that all of them have."""
        seconds = _seconds([by_camera[name] for name in names])
        return [feet_of(by_camera[name], seconds, size_wh[name]) for name in names]

    matches: list[ViewMatch] = []
    for one, two in combinations(sorted(by_camera), 2):
        a, b = feet(one, two)
        if (match := match_views(one, a, two, b)) is not None:
            matches.append(match)
    told = tuple(matches)
    accepted = [match for match in told if match.accepted]
    scales = {name: scale for name in by_camera if (scale := _scale(*feet(name))) is not None}
    every: dict[str, Calibration] = {}
    for name in sorted(scales, key=lambda n: (-sum(m.held_out for m in accepted if n in (m.one, m.two)), n)):
        if name not in every and len(group := _spread(name, scales[name], accepted)) > 1:
            number = len({calibration.floor for calibration in every.values()})
            every |= {member: replace(calibration, floor=number) for member, calibration in group.items()}
    return MatchedViews(told, every)


def with_calibrations(cameras: Sequence[Camera], found: MatchedViews) -> tuple[Camera, ...]:
    """The cameras with what was found; their own calibrations stay."""
    return tuple(
        replace(camera, calibration=found.calibrations[camera.id]) if camera.id in found.calibrations else camera
        for camera in cameras
    )


def _seconds(views: Sequence[Sequence[Tracklet]]) -> Int64:
    """The full seconds to look at: from the last view's first tracklet to the first view's last one."""
    if not all(views):
        return np.zeros(0, np.int64)
    low = max(min(t.start_s for t in view) for view in views)
    high = min(max(t.end_s for t in view) for view in views)
    if high < low:
        return np.zeros(0, np.int64)
    every = np.arange(int(np.ceil(low)), int(high) + 1)
    blocks = np.array_split(every, max(len(every) // _BLOCK_S, 1))
    taken = np.unique(np.linspace(0, len(blocks) - 1, min(len(blocks), _MOST_S // _BLOCK_S)).astype(np.int64))
    return np.concatenate([blocks[n] for n in taken.tolist()])


def _scale(feet: Feet) -> Float64 | None:
    """Homography from a view's pixels to m by the heights of people in it; None where these tell no horizon."""
    known = np.isfinite(feet.height)
    y, height = feet.at[known][:, 1], feet.height[known]
    if len(y) < _LEAST_FEET or np.ptp(y) <= 0:
        return None
    weight = np.ones(len(y))
    slope, base = 0.0, 0.0
    for _ in range(10):  # a line, those far off weighing less: bodies are cut off and bow
        slope, base = np.polyfit(y, height, 1, w=np.sqrt(weight))
        weight = 1.0 / (1.0 + np.square((height - slope * y - base) / (0.15 * np.median(height))))
    if slope <= 0.0:
        return None
    horizon, above_m = -base / slope, _PERSON_M / slope
    if horizon >= np.percentile(y, 1):
        return None
    focal = _FOCAL * max(feet.size_wh)
    return np.array([[above_m, 0.0, -above_m * feet.size_wh[0] / 2], [0.0, 0.0, focal * above_m], [0.0, 1.0, -horizon]])


def _spread(root: str, scale: Float64, accepted: Sequence[ViewMatch]) -> dict[str, Calibration]:
    """From the root over the surest pairs to all views connected with it."""
    found = {root: Calibration(scale)}
    while True:
        open_pairs = [m for m in accepted if (m.one in found) != (m.two in found)]
        if not open_pairs:
            return found
        match = max(open_pairs, key=lambda m: m.held_out)
        known, new = (match.one, match.two) if match.one in found else (match.two, match.one)
        matrix = match.matrix if new == match.one else np.linalg.inv(match.matrix)
        error = float(np.hypot(found[known].error_m, _PERSON_M * match.off_heights))
        found[new] = Calibration(found[known].image_to_ground @ matrix, error_m=error)
