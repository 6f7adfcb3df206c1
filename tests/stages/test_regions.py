"""Regions to watch and to ignore."""

from __future__ import annotations

import numpy as np

from pipeline.stages.regions import inside_region
from pipeline.types import Detections, Region

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
TOP = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))
PEOPLE = Detections(
    np.array([[10, 20, 30, 40], [10, 60, 30, 100], [70, 60, 90, 100], [70, 20, 90, 40]], np.float32),
    np.array([0.9, 0.8, 0.7, 0.6], np.float32),
)


def kept(region: Region) -> list[float]:
    return [round(float(c), 1) for c in inside_region(PEOPLE, region, (100, 100)).confidence]


def test_feet_decide_watch_and_ignore() -> None:
    assert kept(Region()) == [0.9, 0.8, 0.7, 0.6]
    assert kept(Region(watch=(LEFT,))) == [0.9, 0.8], (
        "feet on the lower image edge are inside a polygon that reaches it"
    )
    assert kept(Region(ignore=(LEFT,))) == [0.7, 0.6]
    assert kept(Region(watch=(LEFT,), ignore=(TOP,))) == [0.8]
    assert kept(Region(watch=(LEFT, TOP))) == [0.9, 0.8, 0.6]
