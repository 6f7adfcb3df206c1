"""Regions to watch and to ignore, by where a person stands."""

from __future__ import annotations

import numpy as np

from pipeline.geometry import feet, inside_polygon
from pipeline.types import Bool, Detections, Region


def inside_region(detections: Detections, region: Region, size_wh: tuple[int, int]) -> Detections:
    """The detections whose feet lie in a watched polygon (if any is given) and in no ignored one.

    Feet on the image's lower edge count as inside: polygons that reach the edge are meant to include it.
    """
    if not (region.watch or region.ignore) or len(detections) == 0:
        return detections
    points = feet(detections.xyxy.astype(np.float64)) / np.array(size_wh, np.float64)
    points = np.minimum(points, 1.0 - 1e-6)

    def in_any(polygons: tuple[tuple[tuple[float, float], ...], ...]) -> Bool:
        hits = np.zeros(len(points), np.bool_)
        for polygon in polygons:
            hits |= inside_polygon(points, np.array(polygon, np.float64))
        return hits

    keep = in_any(region.watch) if region.watch else np.ones(len(points), np.bool_)
    return detections.take(keep & ~in_any(region.ignore))
