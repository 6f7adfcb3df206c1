"""A whole scene from a seed: the building, its cameras, the people and their ways; with a ladder of difficulties."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import UsageError
from synthetic.appearance import Look, draw_looks
from synthetic.camera import PinholeCamera
from synthetic.floor import Floor, build_floor
from synthetic.itinerary import draw_walkers
from synthetic.motion import Motion, simulate
from synthetic.renderer import Light
from synthetic.sensor import SensorModel

_WARM_UP_S = 12.0
"""People walk this long before the first picture, so that nobody starts where he was put."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """The knobs of a scene. Shares are 0..1."""

    name: str
    distinct: bool = True
    """Clothes are chosen to differ; else as chance has it."""
    uniforms: float = 0.0
    """Share of people in one and the same uniform."""
    groups: float = 0.0
    """Share of people who walk beside another one."""
    stops: float = 0.25
    leaving: float = 0.15
    exposure: float = 0.05
    """Spread (one sigma) of the cameras' exposures."""
    cast: float = 0.02
    """Spread of the cameras' colour channels."""
    noise: float = 2.5
    """Grey levels."""
    jpeg: int = 0
    infrared: float = 0.0
    """Share of the cameras that see in infra-red."""
    dim: float = 0.0
    """How much darker every second room is."""
    clock_spread_s: float = 0.0
    """Cameras start up to this long after one another, and nobody knows by how much."""
    own_rates: bool = False
    """Cameras have their own frame rates and image sizes."""


_EASY = Difficulty("easy")
_LIGHT = {"exposure": 0.28, "cast": 0.13, "noise": 6.0, "jpeg": 55, "dim": 0.45}
LADDER: dict[str, Difficulty] = {
    "easy": _EASY,
    "crowd": replace(_EASY, name="crowd", groups=0.5, stops=0.6, leaving=0.08, distinct=False),
    "uniforms": replace(_EASY, name="uniforms", distinct=False, uniforms=0.5),
    "light": replace(_EASY, name="light", **_LIGHT),  # type: ignore[arg-type]
    "infrared": replace(_EASY, name="infrared", infrared=0.5),
    "clocks": replace(_EASY, name="clocks", clock_spread_s=8.0, own_rates=True),
    "all": Difficulty(
        "all", distinct=False, uniforms=0.25, groups=0.4, stops=0.4, clock_spread_s=8.0, own_rates=True,
        **_LIGHT,  # type: ignore[arg-type]
    ),
}  # fmt: skip
"""Rungs: each but the last makes one thing hard. Infra-red stands on a rung of its own: colours are gone there."""


@dataclass(frozen=True, slots=True)
class SceneCamera:
    """A camera of a scene. Frame k shows the time `start_s + k / fps` of the world."""

    id: str
    pinhole: PinholeCamera
    room: int
    fps: float
    start_s: float
    sensor: SensorModel
    light: Light
    seed: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that is to be rendered; person p of the arrays has the id p + 1 in every truth file."""

    seed: int
    duration_s: float
    difficulty: Difficulty
    floor: Floor
    looks: tuple[Look, ...]
    motion: Motion
    cameras: tuple[SceneCamera, ...]

    @property
    def overlapping(self) -> list[tuple[str, str]]:
        """Pairs of cameras in one room."""
        return [(a.id, b.id) for i, a in enumerate(self.cameras) for b in self.cameras[i + 1 :] if a.room == b.room]

    def frames(self, camera: SceneCamera) -> int:
        """How many pictures a camera takes."""
        return max(round(self.duration_s * camera.fps), 1)


def build_scenario(
    seed: int,
    *,
    people: int = 8,
    cameras: int = 3,
    duration_s: float = 30.0,
    difficulty: str = "easy",
    size_wh: tuple[int, int] = (960, 540),
    fps: float = 10.0,
) -> Scenario:
    """A scene; the same arguments give the same scene. Rooms have two cameras and one in turn: 3 cameras, 2 rooms.

    Raises UsageError for numbers that make no scene, and for an unknown difficulty.
    """
    if difficulty not in LADDER:
        raise UsageError(f"difficulty {difficulty!r} is not known; it is one of {', '.join(LADDER)}")
    if people < 1 or cameras < 1 or not 0 < duration_s < 1e6 or not 1 <= fps <= 60 or min(size_wh) < 64:
        raise UsageError(
            "a scene wants at least 1 person and 1 camera, some time, 1 to 60 frames a second and images from 64 px; "
            f"got {people} people, {cameras} cameras, {duration_s:g} s, {fps:g} fps, {size_wh[0]}x{size_wh[1]}"
        )
    knobs = LADDER[difficulty]
    # Streams of their own, so that more people do not change the building.
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4)]
    homes = _rooms_of(cameras)
    floor = build_floor(homes[-1] + 1, streams[0])
    looks = draw_looks(people, streams[1], uniforms=knobs.uniforms, distinct=knobs.distinct)
    walkers = draw_walkers(
        floor, looks, duration_s + _WARM_UP_S + knobs.clock_spread_s, streams[2],
        groups=knobs.groups, stops=knobs.stops, leaving=knobs.leaving,
    )  # fmt: skip
    motion = simulate(floor, walkers, -_WARM_UP_S, duration_s + knobs.clock_spread_s + 1.0, streams[2])
    placed = _place_cameras(floor, homes, knobs, size_wh, fps, streams[3])
    return Scenario(seed, duration_s, knobs, floor, tuple(looks), motion, placed)


def _rooms_of(cameras: int) -> list[int]:
    """The room of each camera: 0, 0, 1, 2, 2, 3, ..."""
    return [2 * (index // 3) + (index % 3 == 2) for index in range(cameras)]


def _place_cameras(  # noqa: PLR0917
    floor: Floor,
    homes: list[int],
    knobs: Difficulty,
    size_wh: tuple[int, int],
    fps: float,
    rng: np.random.Generator,
) -> tuple[SceneCamera, ...]:
    result = []
    for index, home in enumerate(homes):
        room = floor.rooms[home]
        (x0, y0), (x1, y1) = room.inside(0.25)
        second = index % 3 == 1
        x, y = (x1, y1) if second else ((x0, y0) if index % 3 == 0 else (x1, y0))
        middle = np.mean([room.low, room.high], axis=0) + rng.uniform(-0.4, 0.4, 2)
        draws = rng.normal(0, 1, 4)
        rate = float(rng.choice([0.8, 1.0, 1.25])) * fps if knobs.own_rates else fps
        share = float(rng.choice([0.75, 1.0])) if knobs.own_rates else 1.0
        size = (round(size_wh[0] * share / 2) * 2, round(size_wh[1] * share / 2) * 2)
        pinhole = PinholeCamera.looking(
            (x, y, float(rng.uniform(2.85, 3.05))), (float(middle[0]), float(middle[1]), 0.75), size,
            float(rng.uniform(70, 80)),
        )  # fmt: skip
        dim = 1 - knobs.dim * (home % 2)
        blue, green, red = (float(np.exp(knobs.cast * value)) for value in draws[1:])
        sensor = SensorModel(
            exposure=float(np.clip(np.exp(knobs.exposure * draws[0]), 0.5, 1.8)) * dim,
            cast=(blue, green, red),
            blur_px=float(rng.uniform(0.4, 0.7)),
            noise=knobs.noise,
            jpeg=knobs.jpeg,
            infrared=index >= len(homes) * (1 - knobs.infrared),
        )
        start = float(rng.uniform(0, knobs.clock_spread_s)) if knobs.clock_spread_s else 0.0
        result.append(
            SceneCamera(
                f"cam{index + 1}", pinhole, home, min(rate, 60.0), start, sensor, _light(home), int(rng.integers(2**31))
            )
        )
    return tuple(result)


def _light(room: int) -> Light:
    """Lamps stand elsewhere in every room."""
    turn = 1.3 * room
    return Light((0.5 * float(np.cos(turn)), 0.5 * float(np.sin(turn)), 0.8))
