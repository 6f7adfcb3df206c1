"""floor_plan.svg: the floor from above, what each camera sees of it, and the way of each person."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from pipeline.ground.floor import to_floor
from pipeline.ground.overlap import seen_floor
from pipeline.outputs.floor_paths import FloorPath
from pipeline.outputs.palette import Bgr, colour
from pipeline.types import Camera, Float64

_LONGER_SIDE, _MARGIN, _FOOT = 1000.0, 46.0, 54.0
_INK, _PAPER, _GRID, _DIM = "#1f2933", "#ffffff", "#e3e7eb", "#6b7783"
_GAP_S = 1.0
"""A way is broken where a person was out of sight for longer; the break is dashed."""
_MOST_NAMED = 60
_MOST_LISTED = 8
_NAME_WH = (18.0, 13.0)
_MARK = 0.02
"""Length of a camera's triangle, share of the plan's longer side."""

_ToPixel = Callable[[Float64], Float64]


def floor_plan_svg(paths: Sequence[FloorPath], cameras: Sequence[Camera]) -> str:
    """The picture as text: x to the right, y up, metres along the edges. Empty where there is no path."""
    if not paths:
        return ""
    low, high = extent(paths)
    scale = _LONGER_SIDE / float((high - low).max())
    width, height = ((high - low) * scale + 2 * _MARGIN).tolist()

    def pixel(place: Float64) -> Float64:
        x = _MARGIN + (place[..., 0] - low[0]) * scale
        return np.stack([x, height - _MARGIN - (place[..., 1] - low[1]) * scale], axis=-1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height + _FOOT:.0f}" '
        'font-family="sans-serif">',
        f'<rect width="100%" height="100%" fill="{_PAPER}"/>',
    ]
    corners = pixel(np.array([low, high]))
    parts.append(
        f'<clipPath id="f"><rect x="{corners[0, 0]:.1f}" y="{corners[1, 1]:.1f}" '
        f'width="{corners[1, 0] - corners[0, 0]:.1f}" height="{corners[0, 1] - corners[1, 1]:.1f}"/></clipPath>'
    )
    parts += _grid(low, high, pixel)
    parts.append('<g clip-path="url(#f)">')
    for camera in cameras:
        outline = view_outline(camera)
        if outline is not None:
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixel(outline))
            parts.append(
                f'<polygon points="{points}" fill="#9fb3c8" fill-opacity="0.1" stroke="#7b8794" stroke-dasharray="5 4">'
                f"<title>seen by {escape(camera.id)}</title></polygon>"
            )
    for path in paths:
        parts += _way(path, pixel)
    parts.append("</g>")
    parts += _cameras(cameras, low, high, pixel)
    parts += _names(paths, pixel)
    people = len({path.person_id for path in paths})
    alone = sorted({path.camera_id for path in paths if path.camera_id is not None})
    if alone:
        where = ", ".join(alone[:_MOST_LISTED]) + (", ..." if len(alone) > _MOST_LISTED else "")
        parts.append(
            f'<text x="{_MARGIN}" y="{height + 46:.0f}" font-size="14" fill="{_INK}">clock unknown: ways by themselves '
            f"in {escape(where)}</text>"
        )
    parts.append(
        f'<text x="{_MARGIN}" y="{height + 26:.0f}" font-size="14" fill="{_INK}">{people} people; '
        f"a dot begins each way, a ring ends it; dashed: floor that a camera (triangle) sees; metres</text></svg>"
    )
    return "\n".join(parts) + "\n"


def extent(paths: Sequence[FloorPath]) -> tuple[Float64, Float64]:
    """Lowest and highest corner `(2,)` m around all but the farthest 1 % of the positions, and a metre more."""
    places = np.concatenate([path.xy for path in paths])
    low, high = np.percentile(places, 0.5, axis=0) - 1.0, np.percentile(places, 99.5, axis=0) + 1.0
    return low, high


def view_outline(camera: Camera) -> Float64 | None:
    """Convex outline `(K, 2)` m of the floor that a camera sees people on; None without calibration."""
    cells = np.array(sorted(seen_floor(camera)), np.float64)
    if len(cells) < 3:
        return None
    try:
        hull = ConvexHull(cells + 0.5)
    except QhullError:  # all on one line
        return None
    return np.asarray(hull.points[hull.vertices], np.float64)


def view_mark(camera: Camera, low: Float64, high: Float64) -> Float64 | None:
    """A triangle `(3, 2)` m where the floor that a camera sees begins, its first corner pointing the way it looks; kept
    within `low`, `high (2,)`. None without calibration, or where the image's lower edge shows no floor."""
    if camera.calibration is None:
        return None
    width, height = camera.size_wh
    middle = np.array([[width / 2, height - 1.0], [width / 2, 0.8 * height]])
    near, far = to_floor(middle, camera.calibration, camera.size_wh)
    ahead = far - near
    if not np.isfinite(ahead).all() or not ahead.any():
        return None
    size = _MARK * float((high - low).max())
    ahead *= size / float(np.linalg.norm(ahead))
    across = np.array([-ahead[1], ahead[0]]) / 3
    at = np.clip(near, low + size, high - size)
    return np.stack([at + ahead / 2, at - ahead / 2 + across, at - ahead / 2 - across])


def grid_step(low: Float64, high: Float64) -> float:
    """Metres between lines: 1, 2, 5, 10, ... so that there are at most 16."""
    longest = float((high - low).max())
    power = 10.0 ** math.floor(math.log10(max(longest / 16, 1e-3)))
    return max(next((power * k for k in (1, 2, 5, 10) if longest / (power * k) <= 16), 20 * power), 0.5)


def _grid(low: Float64, high: Float64, pixel: _ToPixel) -> list[str]:
    step = grid_step(low, high)
    lines = []
    for axis in (0, 1):
        for value in np.arange(math.ceil(low[axis] / step) * step, high[axis], step):
            ends = np.array([low, high])
            ends[:, axis] = value
            (x1, y1), (x2, y2) = pixel(ends)
            lines.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{_GRID}"/>')
            at = f'x="{x1:.1f}" y="{y1 + 16:.1f}" text-anchor="middle"' if axis == 0 else (
                f'x="{x1 - 6:.1f}" y="{y1 + 4:.1f}" text-anchor="end"')  # fmt: skip
            lines.append(f'<text {at} font-size="11" fill="{_DIM}">{value:g}</text>')
    return lines


def _way(path: FloorPath, pixel: _ToPixel) -> list[str]:
    tint = _css(colour(path.person_id))
    points = pixel(smooth(path))
    breaks = np.flatnonzero(np.diff(path.time_s) > _GAP_S) + 1
    parts = []
    for part in np.split(points, breaks):
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in part)
        parts.append(
            f'<polyline points="{text}" fill="none" stroke="{tint}" stroke-width="2.4" stroke-linejoin="round" '
            f'stroke-opacity="0.85"><title>person {path.person_id}</title></polyline>'
        )
    for at in breaks.tolist():
        (x1, y1), (x2, y2) = points[at - 1], points[at]
        parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{tint}" stroke-dasharray="3 5" '
            'stroke-opacity="0.7"/>'
        )
    (x1, y1), (x2, y2) = points[0], points[-1]
    parts.append(f'<circle cx="{x1:.1f}" cy="{y1:.1f}" r="5" fill="{tint}"/>')
    parts.append(f'<circle cx="{x2:.1f}" cy="{y2:.1f}" r="5" fill="{_PAPER}" stroke="{tint}" stroke-width="2.4"/>')
    return parts


def _cameras(cameras: Sequence[Camera], low: Float64, high: Float64, pixel: _ToPixel) -> list[str]:
    parts = []
    for camera in cameras:
        mark = view_mark(camera, low, high)
        if mark is not None:
            corners = pixel(mark)
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
            x, y = corners.mean(axis=0)
            parts.append(f'<polygon class="camera" points="{points}" fill="{_DIM}"/>')
            parts.append(
                f'<text x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle" font-size="12" fill="{_DIM}" '
                f'stroke="{_PAPER}" stroke-width="3" paint-order="stroke">{escape(camera.id)}</text>'
            )
    return parts


def _names(paths: Sequence[FloorPath], pixel: _ToPixel) -> list[str]:
    parts = []
    taken: list[tuple[float, float]] = []
    for path in paths[:_MOST_NAMED]:
        x, y = pixel(path.xy[0]).tolist()
        while any(abs(x - left) < _NAME_WH[0] and abs(y - top) < _NAME_WH[1] for left, top in taken):
            y -= _NAME_WH[1]
        taken.append((x, y))
        parts.append(
            f'<text x="{x + 7:.1f}" y="{y - 6:.1f}" font-size="13" font-weight="600" fill="{_INK}" stroke="{_PAPER}" '
            f'stroke-width="3" paint-order="stroke">{path.person_id}</text>'
        )
    return parts


def smooth(path: FloorPath, width: int = 5) -> Float64:
    """Positions `(T, 2)` as means over `width` instants: feet points jump with the lower edge of a box."""
    count = len(path.xy)
    if count < width:
        return path.xy
    half = width // 2
    padded = np.concatenate([path.xy[:1]] * half + [path.xy] + [path.xy[-1:]] * half)
    result: Float64 = np.mean([padded[i : i + count] for i in range(width)], axis=0)
    return result


def _css(tint: Bgr) -> str:
    blue, green, red = tint
    return f"#{red:02x}{green:02x}{blue:02x}"
