"""People on crossing paths before one camera, as boxes with known truth: misses, partial boxes, false boxes, jitter.

No pixels. A pinhole camera looks down on a floor; people walk between points of it at their own pace, stop, turn,
go in pairs, pass behind posts and each other. What a detector would say of them is drawn from how much of each is
visible. One scene can be sampled at any frame rate, with frames dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.types import Bool, Detections, Float64

Frames = list[tuple[float, Detections]]

_SIZE = (960.0, 720.0)
_FOCAL = 900.0


@dataclass(frozen=True)
class World:
    """What the scene holds. Lengths in metres, times in seconds."""

    people: int = 10
    duration_s: float = 60.0
    fps: float = 25.0
    posts: int = 2
    camera_height: float = 5.0
    tilt_deg: float = 18.0
    jitter: float = 0.03
    """Std of a box edge's error, in box heights, half of it slowly varying."""
    recall: float = 0.95
    """Chance that a wholly visible person gets a box of usual confidence."""
    false_per_frame: float = 0.3
    dropped_frames: float = 0.0
    """Share of frames that never reach the tracker."""


def _walk(rng: np.random.Generator, duration: float, leader: Float64 | None, step: float) -> Float64:
    """Floor positions `(T, 2)` m at `step` seconds: a walk between random points with pauses."""
    count = int(duration / step) + 1
    if leader is not None:
        side = rng.normal(0, 0.3, 2) + rng.choice([-1, 1]) * np.array([0.6, 0.2])
        wander = np.cumsum(rng.normal(0, 0.05, (count, 2)) * np.sqrt(step), axis=0)
        beside: Float64 = leader + side + wander
        return beside
    position = np.zeros((count, 2))
    here = np.array([rng.choice([-1, 1]) * rng.uniform(4, 9), rng.uniform(9, 26)])
    velocity = np.zeros(2)
    goal, pace, pause = here, 0.0, 0.0
    for k in range(count):
        if pause > 0:
            pause -= step
            wish = np.zeros(2)
        else:
            way = goal - here
            if np.hypot(*way) < 0.7:
                goal = np.array([rng.uniform(-9, 9), rng.uniform(8, 27)])
                pace = np.clip(rng.normal(1.3, 0.35), 0.4, 3.0)
                if rng.random() < 0.25:
                    pause = rng.exponential(3.0)
                way = goal - here
            wish = pace * way / max(np.hypot(*way), 1e-6)
        velocity += (wish - velocity) * min(1.0, step / 0.5) + rng.normal(0, 0.25, 2) * np.sqrt(step)
        here = here + velocity * step
        position[k] = here
    return position


def _project(floor: Float64, height: Float64, width: Float64, world: World) -> tuple[Float64, Float64]:
    """Boxes `(N, 4)` xyxy px and depths `(N,)` m of upright people at `floor (N, 2)`."""
    tilt = np.radians(world.tilt_deg)
    up = world.camera_height

    def image_y(z: Float64) -> Float64:
        forward = floor[:, 1] * np.cos(tilt) + (up - z) * np.sin(tilt)
        down = (up - z) * np.cos(tilt) - floor[:, 1] * np.sin(tilt)
        y: Float64 = _SIZE[1] / 2 + _FOCAL * down / forward
        return y

    depth = floor[:, 1] * np.cos(tilt) + up * np.sin(tilt)
    x = _SIZE[0] / 2 + _FOCAL * floor[:, 0] / depth
    half = _FOCAL * width / depth / 2
    return np.stack([x - half, image_y(height), x + half, image_y(np.zeros(len(floor)))], axis=1), depth


def _visible(boxes: Float64, depth: Float64, posts: Float64, post_depth: Float64) -> tuple[Float64, Float64]:
    """Share of each person that is visible `(N,)`, and the box of the visible part (cells of a 8 x 12 grid)."""
    u, v = (np.arange(8) + 0.5) / 8, (np.arange(12) + 0.5) / 12
    size = boxes[:, 2:] - boxes[:, :2]
    x = boxes[:, 0, None] + u * size[:, 0, None]
    y = boxes[:, 1, None] + v * size[:, 1, None]
    free = ((x > 0) & (x < _SIZE[0]))[:, None, :] & ((y > 0) & (y < _SIZE[1]))[:, :, None]
    cover = np.concatenate([boxes + 0.12 * np.concatenate([size, -size], axis=1) * [1, 0.3, 1, 0.3], posts])
    cover_depth = np.concatenate([depth, post_depth])
    for k, box in enumerate(cover):
        before: Bool = np.asarray(cover_depth[k] < depth - 0.05)
        hit = ((x > box[0]) & (x < box[2]))[:, None, :] & ((y > box[1]) & (y < box[3]))[:, :, None]
        free &= ~(hit & before[:, None, None])
    share = free.mean(axis=(1, 2))
    columns, rows = np.asarray(free.any(axis=1)), np.asarray(free.any(axis=2))
    part = boxes.copy()
    some = share > 0
    part[:, 0] += size[:, 0] * np.where(some, columns.argmax(axis=1), 0) / 8
    part[:, 2] -= size[:, 0] * np.where(some, columns[:, ::-1].argmax(axis=1), 0) / 8
    part[:, 1] += size[:, 1] * np.where(some, rows.argmax(axis=1), 0) / 12
    part[:, 3] -= size[:, 1] * np.where(some, rows[:, ::-1].argmax(axis=1), 0) / 12
    return share, part


def _false_boxes(rng: np.random.Generator, ghosts: Float64, per_frame: float) -> Float64:
    """Boxes on nobody, most at the same few places."""
    count = rng.poisson(per_frame)
    at = ghosts[rng.integers(0, len(ghosts), count)] + rng.normal(0, 6, (count, 2))
    loose = rng.random(count) < 0.4
    at[loose] = np.stack([rng.uniform(0, _SIZE[0], loose.sum()), rng.uniform(150, 600, loose.sum())], axis=1)
    h = rng.uniform(60, 180, count)
    return np.stack([at[:, 0] - 0.2 * h, at[:, 1] - h / 2, at[:, 0] + 0.2 * h, at[:, 1] + h / 2], axis=1)


def make(world: World, seed: int) -> tuple[Frames, Float64]:
    """`(frames, truth)`: frames as (time_s, Detections); truth rows are frame (0-based), id, x1, y1, x2, y2."""
    rng = np.random.default_rng(seed)
    step = 0.02
    paths: list[Float64] = []
    for k in range(world.people):
        leader = paths[k - 1] if k % 4 == 3 else None
        paths.append(_walk(rng, world.duration_s, leader, step))
    height, width = rng.normal(1.72, 0.1, world.people), rng.normal(0.62, 0.06, world.people)
    post_floor = np.stack([rng.uniform(-5, 5, world.posts), rng.uniform(8, 16, world.posts)], axis=1)
    posts, post_depth = _project(post_floor, np.full(world.posts, 3.5), np.full(world.posts, 0.5), world)
    ghosts = np.stack([rng.uniform(0, _SIZE[0], 3), rng.uniform(150, 500, 3)], axis=1)
    slow = np.zeros((world.people, 4))
    last_inside, visit, visits = np.full(world.people, -np.inf), np.zeros(world.people, np.int64), 0
    frames: Frames = []
    truth = []
    for time_s in np.arange(0, world.duration_s, 1 / world.fps):
        if rng.random() < world.dropped_frames:
            continue
        floor = np.stack([path[min(int(time_s / step), len(path) - 1)] for path in paths])
        boxes, depth = _project(floor, height, width, world)
        share, part = _visible(boxes, depth, posts, post_depth)
        tall = boxes[:, 3] - boxes[:, 1]
        inside = (boxes[:, 0] + boxes[:, 2] > 0) & (boxes[:, 0] + boxes[:, 2] < 2 * _SIZE[0])
        inside &= (boxes[:, 3] < _SIZE[1] + 0.3 * tall) & (depth > 3)
        keep = np.exp(-1 / world.fps / 0.4)
        slow = slow * keep + rng.normal(0, world.jitter, slow.shape) * np.sqrt(1 - keep**2)
        noise = (0.7 * slow + 0.7 * rng.normal(0, world.jitter, slow.shape)) * tall[:, None]
        score = 0.97 * world.recall - 0.75 * (1 - share) ** 1.3 + rng.normal(0, 0.12, len(share))
        score = np.minimum(score, rng.uniform(0.9, 0.98, len(share)))
        found = inside & (share > 0.12) & (score > 0.25) & (rng.random(len(share)) < 0.98)
        # A detector sees through a little occlusion, then gives the visible part only.
        blend = np.where(share > 0.55, 0.25, 0.8)[:, None]
        seen = ((1 - blend) * boxes + blend * part + noise)[found]
        scores = score[found]
        false = _false_boxes(rng, ghosts, world.false_per_frame)
        every = np.concatenate([seen, false])
        confidence = np.concatenate([scores, rng.beta(4, 4, len(false))])
        order = rng.permutation(len(every))
        order = order[confidence[order] > 0.25]
        limit = np.array([*_SIZE, *_SIZE])
        every = np.clip(every[order], 0, limit)
        good = (every[:, 2] - every[:, 0] > 2) & (every[:, 3] - every[:, 1] > 2)
        index = len(frames)
        frames.append((float(time_s), Detections(every[good], confidence[order][good])))
        # Who was out of sight of the camera for a second comes back under a new id: motion alone can't know better.
        for k in np.flatnonzero(inside).tolist():
            if time_s - last_inside[k] > 1.0:
                visits += 1
                visit[k] = visits
            last_inside[k] = time_s
            truth.append([index, visit[k], *boxes[k]])
    return frames, np.array(truth)
