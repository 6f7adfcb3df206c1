"""The building: rooms in a row, with passages that no camera sees between them, doors, pillars and furniture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.types import Float64

Point = tuple[float, float]
HEIGHT = 3.2
DOOR_HEIGHT = 2.25
_DOOR_WIDTH = 1.9


@dataclass(frozen=True, slots=True)
class Panel:
    """A flat upright piece from `a` to `b` on the floor, between two heights (m), with the paint of a `surface`."""

    a: Point
    b: Point
    low: float
    high: float
    surface: str
    room: int


@dataclass(frozen=True, slots=True)
class Box:
    """An obstacle on the floor: corners (m), height, paint."""

    low: Point
    high: Point
    height: float
    surface: str


@dataclass(frozen=True, slots=True)
class Door:
    """A way through a wall: its middle, and the direction from the room outwards. `outside` leads off the floor."""

    room: int
    middle: Point
    outward: Point
    outside: bool

    def point(self, beyond: float) -> Point:
        """The place `beyond` m outside of the door (negative: inside the room)."""
        return self.middle[0] + beyond * self.outward[0], self.middle[1] + beyond * self.outward[1]

    @property
    def hidden(self) -> Point:
        """Where somebody stands who has left: round the corner behind the door, out of every camera's sight."""
        x, y = self.point(1.5)
        return x - 2.6 * self.outward[1], y + 2.6 * self.outward[0]


@dataclass(frozen=True, slots=True)
class Room:
    """A rectangle of floor."""

    low: Point
    high: Point

    def inside(self, margin: float) -> tuple[Point, Point]:
        """The rectangle `margin` m away from the walls."""
        return (self.low[0] + margin, self.low[1] + margin), (self.high[0] - margin, self.high[1] - margin)


@dataclass(frozen=True, slots=True)
class Floor:
    """Everything that stands still. `links[i]`: the doors that lead from room i to room i + 1."""

    rooms: tuple[Room, ...]
    doors: tuple[Door, ...]
    links: tuple[tuple[Door, Door], ...]
    panels: tuple[Panel, ...]
    boxes: tuple[Box, ...]

    def exits(self, room: int) -> list[Door]:
        """The outside doors of a room."""
        return [door for door in self.doors if door.room == room and door.outside]

    def obstacles(self) -> Float64:
        """Discs `(N, 3)`: x, y, radius (m) that people walk around."""
        return np.array(
            [
                (*np.mean([box.low, box.high], axis=0), float(np.linalg.norm(np.subtract(box.high, box.low))) / 2)
                for box in self.boxes
            ]
        ).reshape(-1, 3)


def build_floor(rooms: int, rng: np.random.Generator) -> Floor:
    """`rooms` rooms along x, each 10 to 13 m long and 8 to 9.5 m deep, bent passages of 4 to 6 m between them."""
    x = 0.0
    places: list[Room] = []
    for _ in range(rooms):
        length, depth = rng.uniform(10, 13), rng.uniform(8, 9.5)
        places.append(Room((x, 0.0), (x + length, depth)))
        x += length + rng.uniform(4, 6)
    doors: list[Door] = []
    links: list[tuple[Door, Door]] = []
    for index in range(rooms - 1):
        # Doors lie 2.8 m apart or more, so that the screen between them shuts out every line of sight.
        ways = [float(rng.uniform(2.0, 2.8)), float(rng.uniform(5.7, 6.4))]
        rng.shuffle(ways)
        here = Door(index, (places[index].high[0], ways[0]), (1.0, 0.0), False)
        there = Door(index + 1, (places[index + 1].low[0], ways[1]), (-1.0, 0.0), False)
        links.append((here, there))
        doors += [here, there]
    doors.append(Door(0, (0.0, float(rng.uniform(3, 5))), (-1.0, 0.0), True))
    doors.append(Door(rooms - 1, (places[-1].high[0], float(rng.uniform(3, 5))), (1.0, 0.0), True))
    for index, room in enumerate(places):
        share = rng.uniform(0.3, 0.7)
        doors.append(Door(index, (room.low[0] + share * (room.high[0] - room.low[0]), room.high[1]), (0.0, 1.0), True))
    panels = [panel for index, room in enumerate(places) for panel in _walls(index, room, doors)]
    for here, there in links:
        panels += _bend((here, there))
    for door in doors:
        if door.outside:
            panels += _vestibule(door)
    boxes: list[Box] = []
    for room in places:
        boxes += _furniture(room, rng)
    return Floor(tuple(places), tuple(doors), tuple(links), tuple(panels), tuple(boxes))


def _walls(index: int, room: Room, doors: list[Door]) -> list[Panel]:
    (x0, y0), (x1, y1) = room.low, room.high
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    panels = []
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        along = np.subtract(b, a)
        length = float(np.linalg.norm(along))
        along = along / length
        cuts = []
        for door in doors:
            offset = np.subtract(door.middle, a)
            at = float(offset @ along)
            if (
                door.room == index
                and abs(float(along[0] * offset[1] - along[1] * offset[0])) < 1e-6
                and 0 < at < length
            ):
                cuts.append((at - _DOOR_WIDTH / 2, at + _DOOR_WIDTH / 2))
        start = 0.0
        for low, high in [*sorted(cuts), (length, length)]:
            panels.append(_panel(a, along, start, low, 0.0, HEIGHT, "wall", index))
            if high > low:
                panels.append(_panel(a, along, low, high, DOOR_HEIGHT, HEIGHT, "wall", index))
            start = high
    return panels


def _panel(  # noqa: PLR0917 - where, how high, what
    a: Point, along: Float64, start: float, end: float, low: float, high: float, surface: str, room: int
) -> Panel:
    first, last = np.add(a, along * start), np.add(a, along * end)
    return Panel((float(first[0]), float(first[1])), (float(last[0]), float(last[1])), low, high, surface, room)


def _bend(link: tuple[Door, Door]) -> list[Panel]:
    """The walls of a passage, and the screen in it: nobody sees from one room into the next."""
    (x0, y0), (x1, y1) = (door.middle for door in link)
    low, high, middle = min(y0, y1) - 1.0, max(y0, y1) + 1.0, (x0 + x1) / 2
    room = link[0].room
    return [
        Panel((x0, low), (x1, low), 0.0, HEIGHT, "passage", room),
        Panel((x0, high), (x1, high), 0.0, HEIGHT, "passage", room),
        Panel((middle, low), (middle, high - 1.4), 0.0, HEIGHT, "passage", room),
    ]


def _vestibule(door: Door) -> list[Panel]:
    """The walls behind an outside door: 3 m deep, wide enough to step out of sight."""
    out = np.array(door.outward)
    side = np.array([-out[1], out[0]])
    middle = np.array(door.middle)
    near = [middle + side * s * 3.6 for s in (-1, 1)]
    far = [point + out * 3.0 for point in near]
    ring = [near[0], far[0], far[1], near[1]]
    points = [(float(p[0]), float(p[1])) for p in ring]
    return [Panel(a, b, 0.0, HEIGHT, "outside", door.room) for a, b in pairwise(points)]


def _furniture(room: Room, rng: np.random.Generator) -> list[Box]:
    """A pillar off the middle line, a bench or a desk at the wall with no doors, a plant in a corner."""
    (x0, y0), (x1, _) = room.low, room.high
    length = x1 - x0
    x = x0 + length * rng.uniform(0.35, 0.65)
    y = y0 + rng.choice([2.2, 6.3])
    boxes = [Box((x - 0.2, y - 0.2), (x + 0.2, y + 0.2), HEIGHT, "pillar")]
    x = x0 + length * rng.uniform(0.25, 0.55)
    if rng.random() < 0.5:
        boxes.append(Box((x, y0 + 0.1), (x + 1.8, y0 + 0.6), 0.46, "bench"))
    else:
        boxes.append(Box((x, y0 + 0.1), (x + 2.0, y0 + 0.8), 1.08, "desk"))
    return boxes
