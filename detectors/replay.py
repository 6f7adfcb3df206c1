"""Boxes that somebody else found, from MOT text: to compare trackers on the same detections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from detectors.suppression import drop_unusable
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.geometry import tlwh_to_xyxy
from pipeline.mot_text import read_rows
from pipeline.types import Detections, Float32, Frame

Rows = dict[int, tuple[Float32, Float32]]
"""0-based frame index -> boxes `(N, 4)` xyxy px, confidences `(N,)`, in the order of the file."""


class ReplayDetector:
    """Boxes by camera id and frame index; a frame the file does not name has none."""

    def __init__(self, folder: Path, config: DetectorConfig) -> None:
        self._folder = folder
        self._config = config
        self._rows: dict[str, Rows] = {}

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `pipeline.types.Detector`. Raises UsageError when a camera has no file."""
        results = []
        for frame in frames:
            if frame.camera_id not in self._rows:
                self.load([frame.camera_id])
            boxes = self._rows[frame.camera_id].get(frame.index)
            size = (frame.image.shape[1], frame.image.shape[0])
            results.append(Detections.empty() if boxes is None else drop_unusable(*boxes, size, self._config))
        return results

    def load(self, camera_ids: Iterable[str]) -> None:
        """Read the boxes of these cameras now. Raises UsageError with all files that are missing, or the first bad
        line."""
        files = {camera_id: box_file(self._folder, camera_id) for camera_id in camera_ids}
        missing = [camera_id for camera_id, path in files.items() if path is None]
        if missing:
            names = ", ".join(f"{camera_id}.txt" for camera_id in missing)
            raise UsageError(
                f"detector.replay_dir {self._folder}: no boxes for camera {', '.join(missing)}; "
                f"add {names} (or <camera>/det.txt)"
            )
        self._rows |= {camera_id: read_mot(path) for camera_id, path in files.items() if path is not None}


def box_file(folder: Path, camera_id: str) -> Path | None:
    """The file of a camera's boxes in `folder`: <camera>.txt or <camera>/det.txt; None where there is neither."""
    choices = [folder / f"{camera_id}.txt", folder / camera_id / "det.txt"]
    return next((choice for choice in choices if choice.is_file()), None)


def read_mot(path: Path) -> Rows:
    """Read MOT text; a missing confidence, or -1, counts as 1. Raises UsageError that names file and line."""
    _, table = read_rows(path)
    table = table[np.argsort(table[:, 0], kind="stable")]
    xyxy = tlwh_to_xyxy(table[:, 2:6]).astype(np.float32)
    confidence = np.where(table[:, 6] == -1, 1.0, table[:, 6]).astype(np.float32)
    frames, starts = np.unique(table[:, 0].astype(np.int64) - 1, return_index=True)
    parts = zip(np.split(xyxy, starts[1:]), np.split(confidence, starts[1:]), strict=True)
    return dict(zip(frames.tolist(), parts, strict=False))  # of no rows `split` makes one empty part


def build(config: DetectorConfig, runtime: RuntimeConfig) -> ReplayDetector:
    """The replay of `config.replay_dir`. Raises UsageError when there is no such folder."""
    del runtime  # nothing runs
    if config.replay_dir is None:
        raise UsageError("detector replay: which boxes? set detector.replay_dir to a folder of <camera>.txt")
    folder = Path(config.replay_dir)
    if not folder.is_dir():
        raise UsageError(f"detector.replay_dir {folder}: no such folder; it holds <camera>.txt or <camera>/det.txt")
    return ReplayDetector(folder, config)
