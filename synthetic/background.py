"""What stands still, as one camera sees it: floor, walls, ceiling and furniture, by one ray a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Bool, Float32, Float64, UInt8
from synthetic.camera import PinholeCamera
from synthetic.floor import HEIGHT, Box, Floor, Panel

_FAR = 1e6
_WALLS = ((0.80, 0.84, 0.86), (0.74, 0.80, 0.78), (0.82, 0.78, 0.72), (0.72, 0.78, 0.86), (0.80, 0.80, 0.80))
_FLOORS = ((0.52, 0.56, 0.60), (0.42, 0.46, 0.48), (0.36, 0.46, 0.58), (0.58, 0.60, 0.60), (0.44, 0.42, 0.38))
_SURFACES = {"pillar": (0.70, 0.74, 0.76), "bench": (0.22, 0.38, 0.54), "desk": (0.30, 0.42, 0.52)}


@dataclass(frozen=True, slots=True)
class Background:
    """`image (H, W, 3) uint8` BGR, `depth (H, W) float32` m along the camera's axis, `floor (H, W) uint8` 1 = floor."""

    image: UInt8
    depth: Float32
    floor: UInt8


class _Noise:
    """Smooth random numbers -1..1 over the plane, the same at the same place."""

    def __init__(self, seed: int) -> None:
        self._grid = np.random.default_rng(seed).uniform(-1, 1, (256, 256)).astype(np.float32)

    def __call__(self, x: Float32, y: Float32, scale: float) -> Float32:
        columns = np.ascontiguousarray((x / scale % 255).astype(np.float32))
        rows = np.ascontiguousarray((y / scale % 255).astype(np.float32))
        shape = columns.shape
        # remap takes at most 32767 rows
        columns, rows = columns.reshape(-1, 1), rows.reshape(-1, 1)
        parts = [
            cv2.remap(self._grid, columns[i : i + 30000], rows[i : i + 30000], cv2.INTER_LINEAR)
            for i in range(0, len(columns), 30000)
        ]
        result: Float32 = np.concatenate(parts).reshape(shape) if parts else columns.reshape(shape)
        return result


def render_background(floor: Floor, camera: PinholeCamera, supersampling: int, seed: int) -> Background:
    """Look once at the empty floor, `supersampling` times finer than the camera's image."""
    width, height = (side * supersampling for side in camera.size_wh)
    u, v = np.meshgrid((np.arange(width) + 0.5) / supersampling, (np.arange(height) + 0.5) / supersampling)
    inverse = np.linalg.inv(camera.K)
    rays = np.stack([inverse[0, 0] * u + inverse[0, 2], inverse[1, 1] * v + inverse[1, 2], np.ones_like(u)], axis=2)
    rays = (rays @ camera.R).astype(np.float32)
    canvas = _Canvas(rays, camera.centre.astype(np.float32), _Noise(seed))
    canvas.level(0.0)
    canvas.level(HEIGHT)
    for panel in floor.panels:
        canvas.panel(panel, seed)
    for box in floor.boxes:
        canvas.box(box)
    canvas.close(floor)
    image = np.clip(canvas.colour * 255, 0, 255).astype(np.uint8)
    return Background(image, canvas.depth, canvas.is_floor.astype(np.uint8))


class _Canvas:
    def __init__(self, rays: Float32, centre: Float32, noise: _Noise) -> None:
        self._rays, self._centre, self._noise = rays, centre, noise
        self.depth: Float32 = np.full(rays.shape[:2], _FAR, np.float32)
        self.colour: Float32 = np.zeros(rays.shape, np.float32)
        self.is_floor: Bool = np.zeros(rays.shape[:2], np.bool_)

    def level(self, z: float) -> None:
        """The floor or the ceiling; its colour comes last, when it is known what covers it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (z - self._centre[2]) / self._rays[:, :, 2]
        hit = (distance > 0) & (distance < self.depth)
        self.depth[hit] = distance[hit]
        self.is_floor[hit] = z == 0.0
        self.colour[hit] = 0.92 if z else 0.5

    def panel(self, panel: Panel, seed: int) -> None:
        a, b = np.array(panel.a), np.array(panel.b)
        length = float(np.linalg.norm(b - a))
        if length < 1e-6:
            return
        along = (b - a) / length
        hit, distance, s, z = self._upright(a, along, length, panel.low, panel.high)
        if not hit.any():
            return
        side = float(abs(along[0]))
        base = np.array(_WALLS[(panel.room + seed) % len(_WALLS)])
        if panel.surface == "outside":
            base = np.array((0.46, 0.44, 0.42))
        if panel.surface == "passage":
            base = base * 0.82
        shade = 0.86 + 0.08 * side + 0.04 * self._noise(s, z, 0.9) + 0.015 * self._noise(s * 7, z * 7, 0.4)
        shade = shade * (0.90 + 0.10 * np.clip(z / 1.2, 0, 1))
        colour = base * shade[:, None]
        if panel.low == 0.0:
            colour[z < 0.12] *= 0.55
        if panel.surface == "wall" and panel.low > 0:
            colour[z < panel.low + 0.09] = (0.20, 0.30, 0.40)  # door frame
        if panel.surface == "wall" and panel.low == 0 and length > 1.2:
            colour[(s < 0.09) & (z < 2.3)] *= 0.75
            self._posters(colour, s, z, length, round(panel.a[0] * 7 + panel.a[1] * 13 + length * 31) + seed)
        self._put(hit, distance, colour)

    def _posters(self, colour: Float64, s: Float32, z: Float32, length: float, seed: int) -> None:
        rng = np.random.default_rng(abs(seed))
        for _ in range(int(length / 3.0)):
            at, wide, tall = rng.uniform(0.4, max(length - 1.4, 0.5)), rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.1)
            low = rng.uniform(1.0, 1.5)
            tone = rng.uniform(0.15, 0.9, 3)
            inside = (s > at) & (s < at + wide) & (z > low) & (z < low + tall)
            colour[inside] = tone
            band = inside & (z > low + 0.62 * tall) & (z < low + 0.8 * tall)
            colour[band] = 1 - 0.8 * tone
            edge = inside & ((s < at + 0.03) | (s > at + wide - 0.03) | (z < low + 0.03) | (z > low + tall - 0.03))
            colour[edge] = 0.2

    def box(self, box: Box) -> None:
        (x0, y0), (x1, y1) = box.low, box.high
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        base = np.array(_SURFACES[box.surface])
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            start, along = np.array(a), np.subtract(b, a)
            length = float(np.linalg.norm(along))
            hit, distance, s, z = self._upright(start, along / length, length, 0.0, box.height)
            shade = 0.80 + 0.2 * abs(float(along[0]) / length) + 0.05 * self._noise(s, z, 0.3)
            self._put(hit, distance, base * shade[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (box.height - self._centre[2]) / self._rays[:, :, 2]
        x = self._centre[0] + distance * self._rays[:, :, 0]
        y = self._centre[1] + distance * self._rays[:, :, 1]
        hit = (distance > 0) & (distance < self.depth) & (x > x0) & (x < x1) & (y > y0) & (y < y1)
        self._put(hit, distance[hit], np.tile(base * 1.12, (int(hit.sum()), 1)))

    def _upright(
        self, a: Float64, along: Float64, length: float, low: float, high: float
    ) -> tuple[Bool, Float32, Float32, Float32]:
        """Where rays hit an upright rectangle first: mask, and for its pixels depth, distance along, height."""
        nx, ny = float(-along[1]), float(along[0])
        rays, centre = self._rays, self._centre
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            distance = ((a[0] - centre[0]) * nx + (a[1] - centre[1]) * ny) / (rays[:, :, 0] * nx + rays[:, :, 1] * ny)
        distance = distance.astype(np.float32)
        hit = (distance > 1e-3) & (distance < self.depth)
        d, r = distance[hit], rays[hit]
        s = (centre[0] + d * r[:, 0] - a[0]) * along[0] + (centre[1] + d * r[:, 1] - a[1]) * along[1]
        z = centre[2] + d * r[:, 2]
        inside = (s >= 0) & (s <= length) & (z >= low) & (z <= high)
        hit[hit] = inside
        return hit, d[inside], s[inside].astype(np.float32), z[inside].astype(np.float32)

    def _put(self, hit: Bool, distance: Float32, colour: Float64) -> None:
        self.depth[hit] = distance
        self.colour[hit] = colour
        self.is_floor[hit] = False

    def close(self, floor: Floor) -> None:
        """Paint what is still seen of the floor (tiles, a dark edge at the walls) and of the ceiling (lamps)."""
        x = self._centre[0] + self.depth * self._rays[:, :, 0]
        y = self._centre[1] + self.depth * self._rays[:, :, 1]
        z = self._centre[2] + self.depth * self._rays[:, :, 2]
        for index, room in enumerate(floor.rooms):
            last = index == len(floor.rooms) - 1
            end = np.inf if last else room.high[0] + 2.0
            near = (x < end) & (x >= (-np.inf if index == 0 else floor.rooms[index - 1].high[0] + 2.0))
            mask = self.is_floor & near
            xs, ys = x[mask], y[mask]
            size = (0.6, 0.45, 1.2, 0.3, 0.9)[index % 5]
            tile = 0.045 * self._noise(np.floor(xs / size) * 3.7, np.floor(ys / size) * 3.7, 1.0)
            grout = (np.minimum(xs % size, ys % size) < 0.015).astype(np.float32)
            edge = np.minimum.reduce([xs - room.low[0], room.high[0] - xs, ys - room.low[1], room.high[1] - ys])
            dark = np.clip(0.72 + np.abs(edge) * 0.5, 0, 1)
            shade = dark * (
                1 + tile + 0.05 * self._noise(xs, ys, 1.6) + 0.03 * self._noise(xs, ys, 0.07) - 0.12 * grout
            )
            self.colour[mask] = np.array(_FLOORS[index % len(_FLOORS)]) * shade[:, None]
        ceiling = (z > HEIGHT - 1e-2) & ~self.is_floor
        xs, ys = x[ceiling], y[ceiling]
        lamp = (xs % 2.4 < 0.6) & (ys % 2.4 < 1.2)
        shade = np.where(
            lamp, 1.0, 0.74 + 0.02 * self._noise(xs, ys, 0.5) - 0.08 * (np.minimum(xs % 0.6, ys % 0.6) < 0.02)
        )
        self.colour[ceiling] = shade[:, None]
