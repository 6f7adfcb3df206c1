"""One camera's recording of a scene: picture after picture, with what is true of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.types import UInt8
from synthetic.renderer import Renderer, Seen, Wardrobe
from synthetic.scenario import Scenario, SceneCamera
from synthetic.sensor import Sensor


@dataclass(frozen=True, slots=True)
class Shot:
    """`index` 0-based; `time_s` since the camera's first frame; `image (H, W, 3)` BGR; everybody who is in it."""

    index: int
    time_s: float
    image: UInt8
    seen: tuple[Seen, ...]


def record(scenario: Scenario, camera: SceneCamera) -> Iterator[Shot]:
    """All pictures of a camera, in order. The first one takes some seconds: the empty room is rendered once."""
    renderer = Renderer(scenario.floor, camera.pinhole, Wardrobe(scenario.looks), camera.light, scenario.seed)
    sensor = Sensor(camera.sensor, camera.pinhole.size_wh, camera.seed)
    for index in range(scenario.frames(camera)):
        time_s = index / camera.fps
        image, seen = renderer.draw(scenario.motion.at(camera.start_s + time_s))
        yield Shot(index, time_s, sensor(image), tuple(seen))
