"""How people move over the floor: they follow an itinerary, keep clear of each other and of what stands around.

A social-force model (Helbing and Molnar 1995): each is drawn to the next point at the own pace and pushed away by
others. The strengths were set by eye so that nobody walks through anybody else and doors do not jam with 40 people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Bool, Float64
from synthetic.floor import Floor, Point
from synthetic.gait import Stance, stride_length

STEP_S = 0.05
_RELAXATION_S = 0.45
_PUSH, _PUSH_RANGE = 3.0, 0.28
"""m/s^2 and m."""
_BODY = 0.52
"""Distance between the middles of two people at which they touch, m."""
_ARRIVED = 0.45


@dataclass(frozen=True, slots=True)
class Step:
    """One item of an itinerary: go to `point`, then stay `wait_s` there (`gone`: out of the building)."""

    point: Point
    wait_s: float = 0.0
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Walker:
    """Who walks: `pace` m/s, `height` m, `stride` share, the itinerary (the first step is where it starts)."""

    pace: float
    height: float
    stride: float
    steps: tuple[Step, ...]
    phone: bool = False


@dataclass(frozen=True, slots=True)
class Motion:
    """Everybody's state each `STEP_S` from `start_s` on, `(T, P)` each; what is asked for between is interpolated."""

    start_s: float
    x: Float64
    y: Float64
    heading: Float64
    """Unwrapped, rad."""
    phase: Float64
    speed: Float64
    present: Bool
    phone: tuple[bool, ...]

    def at(self, time_s: float) -> list[tuple[int, Stance]]:
        """Who is in the building at a time: (person 0..P-1, stance)."""
        exact = np.clip((time_s - self.start_s) / STEP_S, 0, len(self.x) - 1.001)
        first, share = int(exact), float(exact % 1)
        here = np.flatnonzero(self.present[first] & self.present[first + 1])

        def mix(values: Float64, person: int) -> float:
            return float(values[first, person] * (1 - share) + values[first + 1, person] * share)

        people = []
        for p in here.tolist():
            speed = mix(self.speed, p)
            glance = 0.35 * float(np.sin(0.35 * time_s + 2.1 * p)) + (0.25 if speed < 0.1 else 0.0)
            stance = Stance(
                mix(self.x, p), mix(self.y, p), mix(self.heading, p), mix(self.phase, p), speed, glance,
                self.phone[p] and speed < 0.15,
            )  # fmt: skip
            people.append((p, stance))
        return people


def simulate(floor: Floor, walkers: Sequence[Walker], start_s: float, end_s: float, rng: np.random.Generator) -> Motion:
    """Walk from `start_s` to `end_s`."""
    count, steps = len(walkers), int(np.ceil((end_s - start_s) / STEP_S)) + 3
    states = {name: np.zeros((steps, count)) for name in ("x", "y", "heading", "phase", "speed")}
    present = np.zeros((steps, count), np.bool_)
    crowd = _Crowd(floor, walkers, rng)
    for step in range(steps):
        crowd.advance()
        states["x"][step], states["y"][step] = crowd.place.T
        states["heading"][step], states["phase"][step] = crowd.heading, crowd.phase
        states["speed"][step] = np.linalg.norm(crowd.velocity, axis=1)
        present[step] = ~crowd.gone
    return Motion(start_s, **states, present=present, phone=tuple(walker.phone for walker in walkers))


class _Crowd:
    def __init__(self, floor: Floor, walkers: Sequence[Walker], rng: np.random.Generator) -> None:
        self._walkers, self._rng = walkers, rng
        self._obstacles, self._allowed = floor.obstacles(), _walkable(floor)
        count = len(walkers)
        self.place = np.array([walker.steps[0].point for walker in walkers], np.float64).reshape(-1, 2)
        self.velocity = np.zeros((count, 2))
        self.heading = rng.uniform(-np.pi, np.pi, count)
        self.phase = rng.uniform(0, 1, count)
        self.gone = np.array([walker.steps[0].gone for walker in walkers], np.bool_)
        self._step = np.zeros(count, np.int64)
        self._wait = np.array([walker.steps[0].wait_s for walker in walkers])
        self._under_way = np.zeros(count)
        self._patience = np.full(count, 30.0)

    def advance(self) -> None:
        """One step of time."""
        wish = self._wishes()
        force = (wish - self.velocity) / _RELAXATION_S
        free = self._under_way < self._patience  # who is stuck for long pushes through
        force += np.where(free[:, None], self._from_people() + self._from_obstacles(wish), 0.0)
        self.velocity += force * STEP_S
        speed = np.linalg.norm(self.velocity, axis=1, keepdims=True)
        self.velocity *= np.minimum(1.0, 1.9 / np.maximum(speed, 1e-9))
        self.velocity[self.gone] = 0.0
        for p in range(len(self.place)):
            if not self.gone[p]:
                self._move(p)

    def _wishes(self) -> Float64:
        """The velocity each would like; those who have arrived wait, then turn to the next point."""
        wish = np.zeros_like(self.place)
        for p, walker in enumerate(self._walkers):
            if self._wait[p] > 0:
                self._wait[p] -= STEP_S
                if self._wait[p] > 0 or self._step[p] + 1 >= len(walker.steps):
                    continue
            step = walker.steps[min(self._step[p] + 1, len(walker.steps) - 1)]
            if self.gone[p] and step.gone:  # from door to door outside, unseen
                self.place[p] = step.point
                self._step[p] += 1
                self._wait[p] = step.wait_s
                continue
            self.gone[p] = False
            away = np.subtract(step.point, self.place[p])
            distance = float(np.linalg.norm(away))
            if self._under_way[p] == 0:
                self._patience[p] = 4.0 + 2.0 * distance / walker.pace
            self._under_way[p] += STEP_S
            if distance < _ARRIVED:
                self._step[p] = min(self._step[p] + 1, len(walker.steps) - 1)
                self._wait[p], self._under_way[p] = step.wait_s, 0.0
                self.gone[p] = step.gone
                last = self._step[p] + 1 >= len(walker.steps)
                if last:
                    self._wait[p] = np.inf
                continue
            wish[p] = away / distance * walker.pace
        return wish

    def _from_people(self) -> Float64:
        apart = self.place[:, None] - self.place[None]
        distance = np.linalg.norm(apart, axis=2)
        distance[self.gone] = distance[:, self.gone] = np.inf
        np.fill_diagonal(distance, np.inf)
        near = distance < 2.0
        push = np.where(near, _PUSH * np.exp((_BODY - np.minimum(distance, 9.0)) / _PUSH_RANGE), 0.0)
        push = np.minimum(push, 9.0)
        # two at one spot have no direction to be pushed in
        way = np.divide(apart, np.maximum(distance, 1e-9)[:, :, None], out=np.zeros_like(apart), where=near[:, :, None])
        # Who is ahead matters more than who is behind; people step aside to the right.
        going = self.velocity / np.maximum(np.linalg.norm(self.velocity, axis=1, keepdims=True), 0.2)
        ahead = -(way * going[:, None]).sum(axis=2)
        push = push * (0.45 + 0.55 * (1 + ahead) / 2)
        side = np.stack([going[:, 1], -going[:, 0]], axis=1)
        aside = (0.35 * push * np.clip(ahead, 0, 1)).sum(axis=1)[:, None] * side
        result: Float64 = (push[:, :, None] * way).sum(axis=1) + aside
        return result

    def _from_obstacles(self, wish: Float64) -> Float64:
        total = np.zeros_like(self.place)
        for x, y, radius in self._obstacles:
            apart = self.place - (x, y)
            distance = np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-6)
            way = apart / distance
            push = 4.0 * np.exp((radius + 0.3 - distance) / 0.2)
            along = np.stack([-way[:, 1], way[:, 0]], axis=1)
            turn = np.sign((along * wish).sum(axis=1, keepdims=True) + 1e-9)
            total += np.minimum(push, 12.0) * (way + 0.7 * turn * along)
        return total

    def _move(self, p: int) -> None:
        """One person's step, which no wall lets through; heading and phase follow it."""
        before = self.place[p].copy()
        for trial in (self.velocity[p], self.velocity[p] * (1, 0), self.velocity[p] * (0, 1)):
            place = before + trial * STEP_S
            if self._inside(place) or not self._inside(before):
                self.place[p] = place
                break
        else:
            self.velocity[p] = 0
        self.velocity[p] = (self.place[p] - before) / STEP_S
        speed = float(np.linalg.norm(self.velocity[p]))
        if speed > 0.12:
            to = float(np.arctan2(self.velocity[p, 1], self.velocity[p, 0]))
            turn = (to - self.heading[p] + np.pi) % (2 * np.pi) - np.pi
            self.heading[p] += float(np.clip(turn * 0.25, -3.5 * STEP_S, 3.5 * STEP_S))
        walker = self._walkers[p]
        self.phase[p] += speed * STEP_S / stride_length(speed, walker.height, walker.stride)

    def _inside(self, place: Float64) -> bool:
        low, high = self._allowed[:, :2], self._allowed[:, 2:]
        return bool(((place >= low) & (place <= high)).all(axis=1).any())


def _walkable(floor: Floor) -> Float64:
    """Rectangles `(N, 4)` x0, y0, x1, y1 whose union may be walked on."""
    areas = [(*low, *high) for low, high in (room.inside(0.3) for room in floor.rooms)]
    for here, there in floor.links:
        (x0, y0), (x1, y1) = here.middle, there.middle
        middle, low, high = (x0 + x1) / 2, min(y0, y1) - 0.7, max(y0, y1) + 0.7
        areas += [(x0 - 0.5, y0 - 0.7, middle - 0.3, y0 + 0.7), (middle + 0.3, y1 - 0.7, x1 + 0.5, y1 + 0.7)]
        areas += [(x0 + 0.3, low, middle - 0.3, high), (middle + 0.3, low, x1 - 0.3, high)]
        areas.append((x0 + 0.3, high - 0.8, x1 - 0.3, high))
    for door in floor.doors:
        if door.outside:
            through, behind = (
                np.array([door.point(-0.5), door.point(2.5)]),
                np.array([door.point(1.0), door.point(2.2)]),
            )
            across = np.abs(np.array([door.outward[1], door.outward[0]]))
            areas.append((*(through.min(axis=0) - 0.7 * across), *(through.max(axis=0) + 0.7 * across)))
            areas.append((*(behind.min(axis=0) - 3.2 * across), *(behind.max(axis=0) + 3.2 * across)))
    return np.array(areas)
