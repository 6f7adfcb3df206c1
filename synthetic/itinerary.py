"""Where people want to go: from room to room, to places where they stop, out of the building and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthetic.appearance import Look
from synthetic.floor import Door, Floor, Point
from synthetic.motion import Step, Walker


def draw_walkers(
    floor: Floor,
    looks: Sequence[Look],
    duration_s: float,
    rng: np.random.Generator,
    *,
    groups: float = 0.2,
    stops: float = 0.25,
    leaving: float = 0.2,
) -> list[Walker]:
    """An itinerary for each look, long enough for `duration_s`.

    `groups`: share of people who walk with the one before; `stops`: chance to stay a while at a place; `leaving`:
    chance, at each place, to leave the building for 4 to 15 s and come back through any door.
    """
    walkers: list[Walker] = []
    for look in looks:
        if walkers and rng.random() < groups:
            # Beside whom one walks with: the same way, one arm's length apart.
            leader = walkers[-1]
            aside = rng.choice([-1, 1]) * rng.uniform(0.6, 0.75, 2)
            steps = tuple(_beside(step, (float(aside[0]), float(aside[1]))) for step in leader.steps)
            walkers.append(Walker(leader.pace, look.height, look.stride, steps, bool(rng.random() < 0.3)))
            continue
        pace = float(np.clip(rng.normal(1.25, 0.15), 0.85, 1.7))
        planner = _Planner(floor, rng, stops, leaving)
        walkers.append(Walker(pace, look.height, look.stride, planner.plan(duration_s, pace), bool(rng.random() < 0.3)))
    return walkers


def _beside(step: Step, aside: Point) -> Step:
    if step.gone:
        return Step(step.point, step.wait_s + 0.8, gone=True)
    return Step((step.point[0] + 0.5 * aside[0], step.point[1] + 0.5 * aside[1]), step.wait_s)


class _Planner:
    def __init__(self, floor: Floor, rng: np.random.Generator, stops: float, leaving: float) -> None:
        self._floor, self._rng, self._stops, self._leaving = floor, rng, stops, leaving
        self._obstacles = floor.obstacles()

    def plan(self, duration_s: float, pace: float) -> tuple[Step, ...]:
        """Steps that take at least `duration_s` at `pace` m/s without any delay."""
        rng = self._rng
        room = int(rng.integers(len(self._floor.rooms)))
        steps = [Step(self._spot(room), float(rng.uniform(0, 6)))]
        spent = 0.0
        while spent < 1.1 * duration_s + 10:
            before = len(steps)
            if rng.random() < self._leaving:
                room = self._leave(steps, room)
            elif len(self._floor.rooms) > 1 and rng.random() < 0.65:
                room = self._change(steps, room)
                steps.append(Step(self._spot(room), self._pause()))
            else:
                steps.append(Step(self._spot(room), self._pause()))
            for a, b in zip(steps[before - 1 : -1], steps[before:], strict=True):
                spent += float(np.linalg.norm(np.subtract(b.point, a.point))) / pace + b.wait_s
        return tuple(steps)

    def _pause(self) -> float:
        return float(self._rng.uniform(2, 9)) if self._rng.random() < self._stops else 0.0

    def _spot(self, room: int) -> Point:
        low, high = self._floor.rooms[room].inside(1.1)
        for _ in range(50):
            spot = self._rng.uniform(low, high)
            if not len(self._obstacles):
                break
            away = np.linalg.norm(self._obstacles[:, :2] - spot, axis=1) - self._obstacles[:, 2]
            if away.min() > 0.6:
                break
        return float(spot[0]), float(spot[1])

    def _change(self, steps: list[Step], room: int) -> int:
        """Through the passage to a neighbouring room."""
        last = len(self._floor.rooms) - 1
        to = 1 if room == 0 else (room - 1 if room == last else room + int(self._rng.choice([-1, 1])))
        here, there = self._floor.links[min(room, to)]
        if to < room:
            here, there = there, here
        # Round the screen that stands in the passage; nobody keeps to one line.
        drift = float(self._rng.uniform(-0.3, 0.3))
        width = abs(there.middle[0] - here.middle[0])
        round_the_screen = max(here.middle[1], there.middle[1]) + 0.3 + 0.5 * drift
        for door in (here, there):
            way = [(*door.point(-0.7),), (*door.point(width / 4 + drift),)]
            way.append((way[1][0], round_the_screen))
            steps += [Step((x, y)) for x, y in (way if door is here else way[::-1])]
        return to

    def _leave(self, steps: list[Step], room: int) -> int:
        exits = self._floor.exits(room)
        away = float(self._rng.uniform(4, 15))
        door = exits[self._rng.integers(len(exits))]
        steps += [Step(door.point(-0.6)), Step(door.point(1.5)), Step(door.hidden, away, gone=True)]
        every: list[Door] = [door for door in self._floor.doors if door.outside]
        back = every[self._rng.integers(len(every))]
        # Nobody sees how one comes from door to door outside.
        steps += [Step(back.hidden, 0.0, gone=True), Step(back.point(1.5)), Step(back.point(-0.6))]
        steps.append(Step(self._spot(back.room), self._pause()))
        return back.room
