"""Meshes of stacked rings: every part of a body, and what it wears, is one; bound to bones by weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Float64, Int64

Paint = Callable[[Float64, Float64], Float64]
"""Angle `(F,)` rad (0 = front, pi/2 = left) and height `(F,)` m of faces to colours `(F, 3)` BGR 0..1."""
Bind = Callable[[Float64], Float64]
"""Vertices `(V, 3)` m to weights of the bones `(V, bones)`."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """`vertices (V, 3)` m at rest, `faces (F, 4)` rows of vertices (counter-clockwise seen from outside),
    `weights (V, bones)` rows that sum to 1, `colour (F, 3)` BGR 0..1."""

    vertices: Float64
    faces: Int64
    weights: Float64
    colour: Float64

    @classmethod
    def join(cls, parts: Sequence[Mesh]) -> Mesh:
        """One mesh of all `parts`."""
        starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
        return cls(
            np.concatenate([part.vertices for part in parts]),
            np.concatenate([part.faces + start for part, start in zip(parts, starts[:-1], strict=True)]),
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.colour for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Grain:
    """How fine a mesh is: the height of a ring and the width of a face, m."""

    ring: float
    face: float


FINE, MEDIUM, COARSE = Grain(0.020, 0.026), Grain(0.038, 0.048), Grain(0.075, 0.085)


def rings(profile: Sequence[Sequence[float]], grain: Grain, bind: Bind, paint: Paint, exponent: float = 2.0) -> Mesh:
    """A closed body from a `profile` of rows (z, centre x, centre y, half depth, half width) in m, z ascending.

    `exponent` 2 is an ellipse, larger ones come near a rectangle. Rows are joined by straight lines; the ends are
    closed by a ring of no size.
    """
    table = np.asarray(profile, np.float64)
    height = float(table[-1, 0] - table[0, 0])
    count = max(round(height / grain.ring), 2)
    z = np.linspace(table[0, 0], table[-1, 0], count + 1)
    rows = np.stack([np.interp(z, table[:, 0], column) for column in table.T], axis=1)
    ends = rows[[0, -1]] * (1, 1, 1, 0.02, 0.02)
    rows = np.concatenate([ends[:1], rows, ends[1:]])
    girth = np.pi * float(table[:, 3].max() + table[:, 4].max())
    segments = max(round(girth / grain.face), 6)
    angle = np.arange(segments) * 2 * np.pi / segments
    cosine, sine = np.cos(angle), np.sin(angle)
    across = np.sign(cosine) * np.abs(cosine) ** (2 / exponent)
    along = np.sign(sine) * np.abs(sine) ** (2 / exponent)
    vertices = np.stack(
        [
            rows[:, 1, None] + rows[:, 3, None] * across,
            rows[:, 2, None] + rows[:, 4, None] * along,
            np.broadcast_to(rows[:, 0, None], (len(rows), segments)),
        ],
        axis=2,
    ).reshape(-1, 3)
    ring, segment = np.meshgrid(np.arange(len(rows) - 1), np.arange(segments), indexing="ij")
    following = (segment + 1) % segments
    low, high = ring * segments, (ring + 1) * segments
    faces = np.stack([low + segment, low + following, high + following, high + segment], axis=2).reshape(-1, 4)
    face_angle = np.broadcast_to(angle + np.pi / segments, ring.shape).reshape(-1)
    face_angle = (face_angle + np.pi) % (2 * np.pi) - np.pi
    face_height = vertices[faces][:, :, 2].mean(axis=1)
    return Mesh(vertices, faces.astype(np.int64), bind(vertices), paint(face_angle, face_height))


def smoothstep(value: Float64, low: float, high: float) -> Float64:
    """0 below `low`, 1 above `high`, smooth between."""
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    result: Float64 = share * share * (3 - 2 * share)
    return result
