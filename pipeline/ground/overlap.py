"""Which calibrated cameras see a common piece of floor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from pipeline.ground.floor import to_floor
from pipeline.types import Camera

_GRID = 60
_PERSON_M, _LEAST_PERSON_PX = 1.7, 32.0
"""Floor so far off that somebody on it is lower than `crops.min_height_px` does not count as seen."""
_CELL_M = 1.0
_LEAST_CELLS = 3

Cell = tuple[int, int]


def seen_floor(camera: Camera) -> frozenset[Cell]:
    """Cells of 1 m that the camera's image shows near enough to find people in; walls are not known. Empty without
    calibration."""
    if camera.calibration is None:
        return frozenset()
    width, height = camera.size_wh
    xs, ys = np.meshgrid(np.linspace(0, width - 1, _GRID), np.linspace(0, height - 1, _GRID))
    pixels = np.column_stack([xs.ravel(), ys.ravel()])
    floor = to_floor(pixels, camera.calibration, camera.size_wh)
    across = np.linalg.norm(to_floor(pixels + np.array([1.0, 0.0]), camera.calibration, camera.size_wh) - floor, axis=1)
    near = np.isfinite(floor).all(axis=1) & (across <= _PERSON_M / _LEAST_PERSON_PX)
    # Between two samples of the image lie several cells of the floor: neighbours are taken along.
    cells = np.floor(floor[near] / _CELL_M).astype(np.int64)
    around = {(int(x) + dx, int(y) + dy) for x, y in np.unique(cells, axis=0) for dx in (-1, 0, 1) for dy in (-1, 0, 1)}
    return frozenset(around)


def overlapping_cameras(cameras: Sequence[Camera]) -> frozenset[frozenset[str]]:
    """Pairs of camera ids that see at least three common cells of one floor."""
    seen = {camera.id: seen_floor(camera) for camera in cameras}
    floor = {camera.id: camera.calibration.floor for camera in cameras if camera.calibration is not None}
    return frozenset(
        frozenset((one, two))
        for one, two in combinations(sorted(floor), 2)
        if floor[one] == floor[two] and len(seen[one] & seen[two]) >= _LEAST_CELLS
    )
