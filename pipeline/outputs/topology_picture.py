"""topology.svg: the cameras' images side by side, the zones people come and go by, and the ways between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from pipeline.association.topology_report import TopologyReport, WayReport, ZoneReport

_WIDTH, _GAP, _MARGIN, _HEAD = 260.0, 150.0, 40.0, 26.0
_MOST_WAYS = 24
_LEAST_WIDTH, _LINE = 460.0, 17.0
_LABEL_AT = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
"""Places along a way that its label is tried at."""
_INK, _PAPER, _FRAME, _ZONE, _WAY, _SHARED = "#1f2933", "#ffffff", "#eef1f4", "#2a7f9e", "#b4552d", "#6b8f3a"

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def topology_svg(report: TopologyReport, sizes_wh: Mapping[str, tuple[int, int]]) -> str:
    """The picture as text; `sizes_wh`: image size of every camera, px.

    A way's width grows with how often it was walked; beside it stand the times walked and the median seconds it took.
    """
    names = sorted(sizes_wh)
    columns = max(1, math.ceil(math.sqrt(len(names))))
    tallest = max((_WIDTH * h / w for w, h in sizes_wh.values()), default=0.0)
    corner = {
        name: (_MARGIN + n % columns * (_WIDTH + _GAP), _MARGIN + _HEAD + n // columns * (tallest + _GAP))
        for n, name in enumerate(names)
    }
    rows = math.ceil(len(names) / columns)
    width = max(2 * _MARGIN + columns * _WIDTH + (columns - 1) * _GAP, _LEAST_WIDTH)
    legend_y = _MARGIN + _HEAD + rows * tallest + max(rows - 1, 0) * _GAP + _MARGIN
    height = legend_y + 3 * _LINE + 8
    zone_at = {
        (zone.camera, zone.zone): _inside(corner[zone.camera], sizes_wh[zone.camera], zone.centre)
        for zone in report.zones
        if zone.camera in corner
    }
    middle = {name: _inside(corner[name], sizes_wh[name], (0.5, 0.5)) for name in names}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif">',
        f'<rect width="100%" height="100%" fill="{_PAPER}"/>',
        f'<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" '
        f'markerUnits="userSpaceOnUse"><path d="M0 0 8 4 0 8z" fill="{_WAY}"/></marker></defs>',
    ]
    parts += [_camera(name, corner[name], sizes_wh[name]) for name in names]
    between = [w for w in report.ways if w.from_camera != w.to_camera and {w.from_camera, w.to_camera} <= set(corner)]
    at_once: dict[tuple[str, str], int] = {
        (min(o.cameras), max(o.cameras)): 0 for o in report.overlaps if o.found and set(o.cameras) <= set(corner)
    }
    for way in between:
        if way.median_s < 0:
            pair = min(way.from_camera, way.to_camera), max(way.from_camera, way.to_camera)
            at_once[pair] = at_once.get(pair, 0) + way.times
    parts += [_shared(pair, times, middle) for pair, times in sorted(at_once.items())]
    parts += [_zone(zone, zone_at[zone.camera, zone.zone]) for zone in report.zones if zone.camera in corner]
    walked = [way for way in between if way.median_s >= 0]
    shown = [way for way in walked if way.times > 1][:_MOST_WAYS]
    taken = [_box((x + 4.5 * len(name), y - 8), name, 15) for name, (x, y) in corner.items()]
    for way in shown:
        start = zone_at.get((way.from_camera, way.from_zone), middle[way.from_camera])
        end = zone_at.get((way.to_camera, way.to_zone), middle[way.to_camera])
        parts.append(_way(way, start, end, taken))
    parts += [
        f'<text x="{_MARGIN:.0f}" y="{legend_y + n * _LINE:.0f}" font-size="12" fill="{_INK}">{line}</text>'
        for n, line in enumerate(_legend(len(shown), len(walked), shared=bool(at_once)))
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(shown: int, walked: int, *, shared: bool) -> list[str]:
    lines = ["circles: zones where people come and go"]
    if shown:
        of = f"the {shown} walked most of {walked} ways" if shown < walked else f"the {shown} ways"
        lines.append(f"lines: {of} between cameras: how often, median seconds")
    else:
        lines.append("no way between cameras was walked more than once")
    return [*lines, "dotted: seen by both cameras at once"] if shared else lines


def _box(middle: Point, text: str, size: float) -> Box:
    """About where a text of that font size lies, `middle` being the middle of its base line."""
    half = 0.3 * size * len(text)
    return middle[0] - half, middle[1] - size, middle[0] + half, middle[1] + 2


def _free(box: Box, taken: Sequence[Box]) -> bool:
    return not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)


def _inside(corner: Point, size_wh: tuple[int, int], at: Point) -> Point:
    """A place of the image, given as fractions, on the sheet."""
    return corner[0] + at[0] * _WIDTH, corner[1] + at[1] * _WIDTH * size_wh[1] / size_wh[0]


def _camera(name: str, corner: Point, size_wh: tuple[int, int]) -> str:
    x, y = corner
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{_WIDTH:.0f}" height="{_WIDTH * size_wh[1] / size_wh[0]:.0f}" rx="6" '
        f'fill="{_FRAME}" stroke="#9aa5b1"/>'
        f'<text x="{x:.0f}" y="{y - 8:.0f}" font-size="15" font-weight="bold" fill="{_INK}">{escape(name)}</text>'
    )


def _shared(pair: tuple[str, str], times: int, middle: Mapping[str, Point]) -> str:
    (x1, y1), (x2, y2) = middle[pair[0]], middle[pair[1]]
    return (
        f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="{_SHARED}" '
        f'stroke-width="6" stroke-dasharray="1 11" stroke-linecap="round" opacity="0.8"/>'
        f'<text x="{(x1 + x2) / 2:.0f}" y="{(y1 + y2) / 2 - 8:.0f}" font-size="12" text-anchor="middle" '
        f'fill="{_SHARED}" paint-order="stroke" stroke="{_PAPER}" stroke-width="3">at once: {times} x</text>'
    )


def _zone(zone: ZoneReport, at: Point) -> str:
    radius = 7.0 + 1.5 * math.sqrt(zone.entries + zone.exits)
    return (
        f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{min(radius, 26):.1f}" fill="{_ZONE}" opacity="0.35">'
        f"<title>zone {zone.zone}: {zone.entries} in, {zone.exits} out</title></circle>"
        f'<text x="{at[0]:.1f}" y="{at[1] + 4:.1f}" font-size="12" text-anchor="middle" fill="{_INK}">'
        f"{zone.zone}</text>"
    )


def _way(way: WayReport, start: Point, end: Point, taken: list[Box]) -> str:
    """A curve that bends to one side, so that the way there and the way back do not cover each other.

    Its label goes to the first place along it that covers no box of `taken`, and is added to them.
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy) or 1.0
    bend = min(0.18 * length, 60.0)
    control = (start[0] + dx / 2 - dy / length * bend, start[1] + dy / 2 + dx / length * bend)
    text = f"{way.times} x, {way.median_s:.0f} s"
    places = [_along(start, control, end, share) for share in _LABEL_AT]
    label = next((at for at in places if _free(_box(at, text, 11), taken)), places[0])
    taken.append(_box(label, text, 11))
    return (
        f'<path d="M{start[0]:.1f} {start[1]:.1f} Q{control[0]:.1f} {control[1]:.1f} {end[0]:.1f} {end[1]:.1f}" '
        f'fill="none" stroke="{_WAY}" stroke-width="{min(1.0 + 0.8 * math.sqrt(way.times), 8):.1f}" opacity="0.75" '
        'marker-end="url(#a)"/>'
        f'<text x="{label[0]:.1f}" y="{label[1]:.1f}" font-size="11" text-anchor="middle" fill="{_INK}" '
        f'paint-order="stroke" stroke="{_PAPER}" stroke-width="3">{text}</text>'
    )


def _along(start: Point, control: Point, end: Point, share: float) -> Point:
    """The point of the quadratic curve at `share` from its start."""
    a, b, c = (1 - share) ** 2, 2 * share * (1 - share), share**2
    return a * start[0] + b * control[0] + c * end[0], a * start[1] + b * control[1] + c * end[1]
