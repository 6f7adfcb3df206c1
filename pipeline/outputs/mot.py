"""MOTChallenge text: `frame(1-based),id,left,top,width,height,confidence,-1,-1,-1`, by frame, then id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pipeline import geometry
from pipeline.outputs.atomic import atomic_file
from pipeline.types import Tracklet, Trajectory

_LINES_A_WRITE = 4096


def write_mot(path: Path, camera_id: str, trajectories: Iterable[Trajectory]) -> None:
    """mot/<camera>.txt: the people of one camera under their person ids."""
    labelled = [
        (trajectory.person_id, tracklet)
        for trajectory in trajectories
        for tracklet in trajectory.tracklets
        if tracklet.camera_id == camera_id
    ]
    _write(path, labelled)


def write_tracklets(path: Path, camera_id: str, tracklets: Iterable[Tracklet]) -> None:
    """tracklets/<camera>.txt: the same boxes under the camera's own track ids."""
    _write(path, [(tracklet.key[1], tracklet) for tracklet in tracklets if tracklet.camera_id == camera_id])


def _write(path: Path, labelled: Sequence[tuple[int, Tracklet]]) -> None:
    """Interpolated boxes stand with the rest (confidence 0). Where one id has two boxes in a frame (two tracklets of
    one person), the observed and surer one stands: evaluators refuse an id that occurs twice in a frame."""
    with atomic_file(path) as handle:
        if not labelled:
            return
        tracklets = [tracklet for _, tracklet in labelled]
        ids = np.concatenate([np.full(len(tracklet), label, np.int64) for label, tracklet in labelled])
        frames = np.concatenate([tracklet.frame_index for tracklet in tracklets]) + 1
        tlwh = geometry.xyxy_to_tlwh(np.concatenate([tracklet.xyxy for tracklet in tracklets]).astype(np.float64))
        confidence = np.concatenate([tracklet.confidence for tracklet in tracklets])
        observed = np.concatenate([tracklet.observed for tracklet in tracklets])
        order = np.lexsort((-confidence, ~observed, ids, frames))
        first = np.ones(len(order), np.bool_)
        first[1:] = (np.diff(frames[order]) != 0) | (np.diff(ids[order]) != 0)
        order = order[first]
        for start in range(0, len(order), _LINES_A_WRITE):
            rows = order[start : start + _LINES_A_WRITE]
            columns = (
                frames[rows].tolist(),
                ids[rows].tolist(),
                (tlwh[rows] + 0.0).tolist(),
                confidence[rows].tolist(),
            )
            handle.write(
                "".join(
                    f"{frame},{label},{left:.2f},{top:.2f},{width:.2f},{height:.2f},{score:.4f},-1,-1,-1\n"
                    for frame, label, (left, top, width, height), score in zip(*columns, strict=True)
                ).encode("ascii")
            )
