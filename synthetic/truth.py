"""What is true of a scene, as text: MOT rows of who can be seen, a table of everybody, the cameras' calibration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pipeline.types import Float64, UInt8
from synthetic.renderer import Seen
from synthetic.scenario import Scenario, SceneCamera

MIN_VISIBILITY = 0.3
"""Who shows less of the body is in nobody's truth: below, a box of the whole body is a guess."""
MIN_HEIGHT = 0.05
"""Lowest visible height, share of the image's."""
TABLE_HEADER = "frame,id,x1,y1,x2,y2,visible_x1,visible_y1,visible_x2,visible_y2,visibility,floor_x,floor_y\n"


def counts(seen: Seen, size_wh: tuple[int, int]) -> bool:
    """Whether somebody is to be found: three tenths of the body are seen, over 5 % of the image's height."""
    return seen.visibility >= MIN_VISIBILITY and seen.visible[3] - seen.visible[1] >= MIN_HEIGHT * size_wh[1]


def cut_box(seen: Seen, size_wh: tuple[int, int]) -> Float64:
    """The whole body's box cut to the image, xyxy px `(4,)`."""
    width, height = size_wh
    result: Float64 = np.clip(seen.whole, 0, (width, height, width, height))
    return result


def mot_rows(index: int, people: Iterable[Seen], size_wh: tuple[int, int]) -> str:
    """MOTChallenge truth of frame `index` (0-based): frame from 1, id, box of the whole body cut to the image,
    1, 1 (pedestrian), visibility; those whom `counts` leaves out are not listed."""
    lines = []
    for seen in sorted(people, key=lambda one: one.person):
        if counts(seen, size_wh):
            x1, y1, x2, y2 = cut_box(seen, size_wh)
            box = f"{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
            lines.append(f"{index + 1},{seen.person + 1},{box},1,1,{seen.visibility:.3f}\n")
    return "".join(lines)


def table_rows(index: int, people: Iterable[Seen]) -> str:
    """Everybody of frame `index`, under TABLE_HEADER; frames from 1, ids as in the MOT rows; nothing is cut."""
    lines = []
    for seen in sorted(people, key=lambda one: one.person):
        numbers = [f"{value:.2f}" for value in (*seen.whole, *seen.visible)]
        places = [f"{seen.visibility:.3f}", f"{seen.floor[0]:.3f}", f"{seen.floor[1]:.3f}"]
        lines.append(",".join([str(index + 1), str(seen.person + 1), *numbers, *places]) + "\n")
    return "".join(lines)


def calibration(camera: SceneCamera) -> dict[str, Any]:
    """K, R, t (`pixel ~ K (R X + t)`, metres), image size, and the homography from pixels to the floor."""
    pinhole = camera.pinhole
    return {
        "camera_id": camera.id,
        "size_wh": list(pinhole.size_wh),
        "K": pinhole.K.tolist(),
        "R": pinhole.R.tolist(),
        "t": pinhole.t.tolist(),
        "distortion": [],
        "image_to_ground": pinhole.image_to_ground.tolist(),
    }


def site_settings(scenario: Scenario) -> dict[str, Any]:
    """What an installer would know, in the form of a configuration for `run.py track --config`.

    Where each camera's start is unknown (`clock_spread_s`), the clock is `unknown` and no offset is told.
    """
    overlaps = scenario.overlapping
    known = scenario.difficulty.clock_spread_s == 0
    cameras: dict[str, Any] = {}
    for camera in scenario.cameras:
        others = [b if a == camera.id else a for a, b in overlaps if camera.id in (a, b)]
        cameras[camera.id] = {
            "image_to_ground": [[float(v) for v in row] for row in camera.pinhole.image_to_ground],
            "overlaps": others,
        }
        if known:
            cameras[camera.id]["time_offset_s"] = camera.start_s
    return {"schema_version": "1.0", "clock": "common" if known else "unknown", "cameras": cameras}


def summary(scenario: Scenario) -> dict[str, Any]:
    """The scene in figures, for its `scene.json`."""
    return {
        "seed": scenario.seed,
        "difficulty": scenario.difficulty.name,
        "people": len(scenario.looks),
        "duration_s": scenario.duration_s,
        "truth_rule": f"whole body cut to the image; visibility >= {MIN_VISIBILITY}, "
        f"visible height >= {MIN_HEIGHT} of the image's",
        "rooms": [{"low": list(room.low), "high": list(room.high)} for room in scenario.floor.rooms],
        "cameras": [
            {
                "camera_id": camera.id,
                "room": camera.room,
                "fps": camera.fps,
                "start_s": camera.start_s,
                "frames": scenario.frames(camera),
                "infrared": camera.sensor.infrared,
            }
            for camera in scenario.cameras
        ],
    }


def crop(image: UInt8, seen: Seen, size_wh: tuple[int, int], jitter: Float64) -> UInt8:
    """The person cut out, each edge moved by `jitter (4,)` shares of the box, as a detector's would be."""
    box = cut_box(seen, size_wh)
    sides = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    moved = np.clip(box + jitter * sides, 0, np.array([*size_wh, *size_wh]))
    x1, y1, x2, y2 = moved.round().astype(int)
    return image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
