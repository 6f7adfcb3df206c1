"""What a run was given of the recordings: what it did not see is named, and what it was not to see is not scored."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.mot_text import MotRows

log = logging.getLogger(__name__)


def within_run(root: Path, truth: Mapping[str, MotRows], predicted: Mapping[str, MotRows]) -> dict[str, MotRows]:
    """`truth` without the frames before --start and behind --end of the run in `root`; warns of both that and of
    cameras that were not read whole. A folder without run_report.json keeps its truth."""
    report = _read(root / "run_report.json")
    arguments = report.get("arguments") or {}
    start, end = arguments.get("start"), arguments.get("end")
    kept = dict(truth)
    for camera in report.get("cameras", ()):
        camera_id = camera["camera_id"]
        if camera_id not in kept:
            continue
        if camera["status"] != "complete":
            log.warning(
                "camera %s: %s, coverage %.1f %%: people in the frames that were not read count as missed",
                camera_id, camera["status"], 100 * camera["coverage"],
            )  # fmt: skip
        if start is None and end is None:
            continue
        first = 1 if start is None else _first_frame(root, camera)
        if first is None or not camera["frames_decoded"]:
            log.warning("camera %s: the run was cut and read nothing here: all of its truth is scored", camera_id)
            continue
        last = first + camera["frames_decoded"] - 1
        if camera_id in predicted and len(found := predicted[camera_id].frame):  # `first` is a frame or so uncertain
            first, last = min(first, int(found.min())), max(last, int(found.max()))
        rows = kept[camera_id]
        kept[camera_id] = rows.take((rows.frame >= first) & (rows.frame <= last))
        log.warning(
            "camera %s: the run was cut to frames %d to %d (coverage of these %.1f %%): truth outside is not scored",
            camera_id, first, last, 100 * camera["coverage"],
        )  # fmt: skip
    return kept


def _first_frame(root: Path, camera: Mapping[str, Any]) -> int | None:
    """1-based number of a camera's first frame of the cut: counted back, at its mean frame rate, from the first box
    in trajectories.json, which has frame and time; from the recording's start where there is none."""
    time_s, fps = camera["reading"].get("first_time_s"), camera["fps"]
    if time_s is None or not fps:
        return None
    document = _read(root / "trajectories.json")
    known = [
        (tracklet["time_s"][0], tracklet["frame"][0])
        for person in document.get("trajectories", ())
        for tracklet in person["tracklets"]
        if tracklet["camera_id"] == camera["camera_id"]
    ]
    offsets = {entry["camera_id"]: entry["time_offset_s"] for entry in document.get("cameras", ())}
    anchor_s, anchor = min(known, default=(offsets.get(camera["camera_id"], 0.0), 0))
    return max(int(anchor - round((anchor_s - time_s) * fps)), 0) + 1


def _read(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; an empty one where there is none."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s: cannot be read (%s): what the run was given is not known", path, error)
        return {}
    return document if isinstance(document, dict) else {}
