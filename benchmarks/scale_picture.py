"""The log-log picture of benchmarks/association_scale.py: cpu time and memory by number of tracklets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT, LEFT, TOP, GAP = 420.0, 300.0, 62.0, 34.0, 92.0
LARGE = 30_000
"""From here on the slope is taken: below it the fixed cost shows (calibration, imports of a process)."""
COLOURS = ("#1b6ca8", "#c2571a", "#3a7d44", "#7a4988")
PANELS = (("cpu_s", "cpu time, s (one thread)"), ("peak_gb", "memory at the peak, GB"))


def slope(rows: Sequence[dict[str, float]], name: str) -> float | None:
    """Exponent of `name` by size, by least squares in logarithms, of rows of LARGE tracklets and more with clocks that
    compare; None of fewer than two sizes."""
    taken = [row for row in rows if row["tracklets"] >= LARGE and row["common_clock"]]
    if len({row["tracklets"] for row in taken}) < 2:
        return None
    size, value = (np.log([row[key] for row in taken]) for key in ("tracklets", name))
    return float(np.polyfit(size, value, 1)[0])


def draw(rows: Sequence[dict[str, float]]) -> str:
    """SVG, one panel a quantity, one colour a seed, with the slope; of rows with clocks that compare."""
    rows = [row for row in rows if row["common_clock"]]
    width = len(PANELS) * (LEFT + WIDTH) + (len(PANELS) - 1) * (GAP - LEFT) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {TOP + HEIGHT + 58:.0f}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width:.0f}" height="{TOP + HEIGHT + 58:.0f}" fill="white"/>',
    ]
    for number, (name, title) in enumerate(PANELS):
        parts += _panel(rows, name, title, LEFT + number * (WIDTH + GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(rows: Sequence[dict[str, float]], name: str, title: str, left: float) -> list[str]:
    x_low, x_high = _decades([row["tracklets"] for row in rows])
    y_low, y_high = _decades([row[name] for row in rows])

    def x(value: float) -> float:
        return left + WIDTH * (math.log10(value) - x_low) / (x_high - x_low)

    def y(value: float) -> float:
        return TOP + HEIGHT * (1 - (math.log10(value) - y_low) / (y_high - y_low))

    exponent = slope(rows, name)
    told = title if exponent is None else f"{title}; slope from {LARGE:,} on: {exponent:.2f}"
    parts = [f'<text x="{left:.1f}" y="{TOP - 14:.1f}">{told}</text>']
    for power in range(x_low, x_high + 1):
        at = x(10.0**power)
        parts.append(_line(at, TOP, at, TOP + HEIGHT, "#ddd"))
        parts.append(f'<text x="{at:.1f}" y="{TOP + HEIGHT + 18:.1f}" text-anchor="middle">{10**power:,}</text>')
    for power in range(y_low, y_high + 1):
        at = y(10.0**power)
        parts.append(_line(left, at, left + WIDTH, at, "#ddd"))
        parts.append(f'<text x="{left - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    parts.append(f'<text x="{left + WIDTH / 2:.1f}" y="{TOP + HEIGHT + 38:.1f}" text-anchor="middle">tracklets</text>')
    for colour, seed in zip(COLOURS * len(rows), sorted({row["seed"] for row in rows}), strict=False):
        own = sorted((row["tracklets"], row[name]) for row in rows if row["seed"] == seed)
        points = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in own)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x(size):.1f}" cy="{y(value):.1f}" r="3.5" fill="{colour}"/>' for size, value in own]
    return parts


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Powers of ten that hold all values, at least one decade."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
