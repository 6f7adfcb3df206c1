"""Draws people into the empty room: far ones first, each face of a mesh a filled polygon, twice as fine as the image.

The canvas's fourth channel holds who is seen where; from it comes the exact visible part of everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Float64, UInt8
from synthetic import body, gait
from synthetic.appearance import Look
from synthetic.background import Background, render_background
from synthetic.body import Body, build_body
from synthetic.camera import PinholeCamera
from synthetic.floor import Floor
from synthetic.gait import Stance
from synthetic.mesh import COARSE, FINE, MEDIUM

SUPERSAMPLING = 2
_SHIFT = 3
"""Bits behind the point in the corners of a polygon."""
_NEAREST = 0.7
"""Nobody is drawn nearer to the camera, m."""
_LIMBS = (
    (body.PELVIS, body.CHEST, 0.13), (body.CHEST, body.HEAD, 0.16),
    *((body.THIGH[s], body.SHIN[s], 0.07) for s in (0, 1)), *((body.SHIN[s], body.FOOT[s], 0.055) for s in (0, 1)),
    *((body.UPPER_ARM[s], body.FOREARM[s], 0.045) for s in (0, 1)),
)  # fmt: skip
"""What throws a shadow: from joint to joint, thickness in m."""


@dataclass(frozen=True, slots=True)
class Light:
    """`towards (3,)`: unit vector to the main lamp; `ambient` and `direct` shares; `shadow` 0..1."""

    towards: tuple[float, float, float] = (0.35, -0.45, 0.82)
    ambient: float = 0.62
    direct: float = 0.50
    shadow: float = 0.34


@dataclass(frozen=True, slots=True)
class Seen:
    """One person in one picture. Boxes are xyxy px.

    `whole`: around the whole body, also what is hidden or outside of the image; `visible`: around what is seen, all 0
    if nothing is; `visibility` 0..1: share of the body that is seen (what lies outside the image counts as hidden);
    `floor` m.
    """

    person: int
    whole: tuple[float, float, float, float]
    visible: tuple[float, float, float, float]
    visibility: float
    floor: tuple[float, float]


class Wardrobe:
    """The bodies of all people, in three grains; shared by the cameras."""

    def __init__(self, looks: Sequence[Look]) -> None:
        self._looks = looks
        self._bodies: dict[tuple[int, int], Body] = {}

    def body(self, person: int, height_px: float) -> Body:
        """The body in the grain that fits a person `height_px` tall (of the finer canvas)."""
        level = 0 if height_px < 110 else (1 if height_px < 280 else 2)
        key = person, level
        if key not in self._bodies:
            self._bodies[key] = build_body(self._looks[person], (COARSE, MEDIUM, FINE)[level])
        return self._bodies[key]


class Renderer:
    """Pictures of one camera; keeps its empty room."""

    def __init__(
        self, floor: Floor, camera: PinholeCamera, wardrobe: Wardrobe, light: Light | None = None, seed: int = 0
    ) -> None:
        self._camera, self._wardrobe, self._light = camera, wardrobe, light or Light()
        background = render_background(floor, camera, SUPERSAMPLING, seed)
        self._background = background
        self._empty = np.dstack([background.image, np.zeros_like(background.depth, np.uint8)])
        self._canvas = self._empty.copy()
        towards = np.array(self._light.towards)
        self._towards = towards / np.linalg.norm(towards)

    @property
    def background(self) -> Background:
        """The empty room, twice as fine as the image."""
        return self._background

    def draw(self, people: Sequence[tuple[int, Stance]]) -> tuple[UInt8, list[Seen]]:
        """The picture `(H, W, 3)` of `people` (person, stance), and who is seen in it, far to near."""
        canvas = self._canvas
        np.copyto(canvas, self._empty)
        centres = np.array([(s.x, s.y, 0.9) for _, s in people]).reshape(-1, 3)
        pixels, depth = self._camera.project(centres)
        width, height = self._camera.size_wh
        focal = self._camera.K[0, 0]
        # The body's reach in the image decides who is drawn at all.
        reach = focal * 1.3 / np.maximum(depth, 1e-3)
        near = (depth > _NEAREST) & (pixels[:, 0] > -reach) & (pixels[:, 0] < width + reach)
        near &= (pixels[:, 1] > -reach) & (pixels[:, 1] < height + reach)
        order = [int(i) for i in np.argsort(-depth) if near[i]][-250:]
        drawn = []
        for i in order:
            person, stance = people[i]
            shape = self._wardrobe.body(person, SUPERSAMPLING * focal * 1.75 / depth[i])
            drawn.append((i, shape, gait.bones(shape, stance)))
        self._shadows([(shape, transforms) for _, shape, transforms in drawn])
        parts = [
            self._body(shape, transforms, float(depth[i]), mark)
            for mark, (i, shape, transforms) in enumerate(drawn, start=1)
        ]
        seen = [
            self._seen(people[i], *part, mark)
            for mark, ((i, _, _), part) in enumerate(zip(drawn, parts, strict=True), start=1)
            if part is not None
        ]
        small = cv2.resize(canvas, self._camera.size_wh, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(small[:, :, :3]), [s for s in seen if s is not None]

    def _body(
        self, shape: Body, transforms: Float64, depth: float, mark: int
    ) -> tuple[tuple[float, float, float, float], int] | None:
        """Draw one body; its whole box and the number of its pixels in the image were nobody and nothing in front."""
        vertices = gait.posed(shape, transforms)
        pixels, depths = self._camera.project(vertices)
        if depths.min() < 0.2:
            return None
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        width, height = self._camera.size_wh
        if box[2] <= 0 or box[3] <= 0 or box[0] >= width or box[1] >= height:
            return None
        faces = shape.mesh.faces
        corners = pixels[faces]
        first, second = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
        facing = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0
        index = np.flatnonzero(facing)
        index = index[np.argsort(-depths[faces[index]].mean(axis=1))]
        paint = np.empty((len(index), 4))
        paint[:, :3] = self._shade(vertices[faces[index]], shape.mesh.colour[index])
        paint[:, 3] = mark
        fixed = np.round((corners[index] * SUPERSAMPLING - 0.5) * (1 << _SHIFT)).astype(np.int32)
        canvas = self._canvas
        fill = cv2.fillConvexPoly
        for polygon, colour in zip(fixed, paint.tolist(), strict=True):
            fill(canvas, polygon, colour, cv2.LINE_8, _SHIFT)
        x1, y1, x2, y2 = self._window(box)
        window = canvas[y1:y2, x1:x2]
        own = window[:, :, 3] == mark
        count = int(own.sum())
        hidden = own & (self._background.depth[y1:y2, x1:x2] < depth - 0.1)
        if hidden.any():
            window[hidden] = self._empty[y1:y2, x1:x2][hidden]
        return box, count

    def _shade(self, corners: Float64, colour: Float64) -> Float64:
        """Colours `(F, 3)` 0..255 of faces `(F, 4, 3)` in the light."""
        normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        light = self._light
        share = light.ambient * (0.86 + 0.22 * normal[:, 2]) + light.direct * np.maximum(normal @ self._towards, 0)
        share *= 0.90 + 0.10 * np.clip(corners[:, :, 2].mean(axis=1), 0, 1)  # less light reaches the floor
        result: Float64 = np.clip(colour * share[:, None] * 255, 0, 255)
        return result

    def _window(self, box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
        """A box on the canvas, a little larger, cut to it."""
        height, width = self._canvas.shape[:2]
        x1, y1 = (int(np.floor(value * SUPERSAMPLING)) - 3 for value in box[:2])
        x2, y2 = (int(np.ceil(value * SUPERSAMPLING)) + 3 for value in box[2:])
        return max(x1, 0), max(y1, 0), max(min(x2, width), 0), max(min(y2, height), 0)

    def _seen(
        self, who: tuple[int, Stance], box: tuple[float, float, float, float], count: int, mark: int
    ) -> Seen | None:
        person, stance = who
        x1, y1, x2, y2 = self._window(box)
        rows, columns = np.nonzero(self._canvas[y1:y2, x1:x2, 3] == mark)
        if count == 0:
            return None
        width, height = self._camera.size_wh
        inside = (min(box[2], width) - max(box[0], 0)) * (min(box[3], height) - max(box[1], 0))
        share = inside / max((box[2] - box[0]) * (box[3] - box[1]), 1e-9)
        visible = (0.0, 0.0, 0.0, 0.0)
        if len(rows):
            visible = (
                float(x1 + columns.min()) / SUPERSAMPLING, float(y1 + rows.min()) / SUPERSAMPLING,
                float(x1 + columns.max() + 1) / SUPERSAMPLING, float(y1 + rows.max() + 1) / SUPERSAMPLING,
            )  # fmt: skip
        return Seen(person, box, visible, float(len(rows) / count * share), (stance.x, stance.y))

    def _shadows(self, drawn: Sequence[tuple[Body, Float64]]) -> None:
        """Darken the floor under people, and where the main lamp does not reach because of them."""
        width, height = self._camera.size_wh
        mask = np.zeros((height, width), np.uint8)
        touched = []
        for shape, transforms in drawn:
            joints = np.einsum("bij,bj->bi", transforms[:, :, :3], shape.joints) + transforms[:, :, 3]
            fallen = joints.copy()
            fallen[:, :2] -= fallen[:, 2:] * (self._towards[:2] / self._towards[2])
            fallen[:, 2] = 0
            points, depth = self._camera.project(np.concatenate([fallen, joints[list(body.FOOT)] * (1, 1, 0)]))
            if depth.min() < 0.5 or np.abs(points).max() > 4 * (width + height):
                continue
            scale = self._camera.K[0, 0] / depth
            for a, b, thick in _LIMBS:
                ends = [(round(float(p[0])), round(float(p[1]))) for p in points[[a, b]]]
                cv2.line(mask, ends[0], ends[1], 150, max(round(float(thick * 2 * scale[a])), 1))
            for foot, size in zip(points[-2:], scale[-2:], strict=True):
                centre = round(float(foot[0])), round(float(foot[1]))
                cv2.ellipse(mask, centre, (max(round(0.17 * size), 1), max(round(0.08 * size), 1)), 0, 0, 360, 255, -1)
            touched += [points.min(axis=0), points.max(axis=0)]
        if not touched:
            return
        low, high = np.min(touched, axis=0) - 30, np.max(touched, axis=0) + 30
        x1, y1 = (int(max(value, 0)) for value in low)
        x2, y2 = int(min(high[0], width)), int(min(high[1], height))
        if x2 <= x1 or y2 <= y1:
            return
        soft = cv2.GaussianBlur(mask[y1:y2, x1:x2], (0, 0), max(height / 180, 1.2))
        window = np.s_[y1 * SUPERSAMPLING : y2 * SUPERSAMPLING, x1 * SUPERSAMPLING : x2 * SUPERSAMPLING]
        fine = cv2.resize(soft, None, fx=SUPERSAMPLING, fy=SUPERSAMPLING, interpolation=cv2.INTER_LINEAR)
        share = 255 - (fine * np.float32(self._light.shadow)).astype(np.uint8) * self._background.floor[window]
        part = self._canvas[window]
        part[:, :, :3] = cv2.multiply(part[:, :, :3], cv2.merge([share, share, share]), scale=1 / 255)
