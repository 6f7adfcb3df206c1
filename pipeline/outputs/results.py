"""What the outputs are made of beside the trajectories."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.types import Camera


@dataclass(frozen=True, slots=True)
class CameraResult:
    """A camera after its run: `frames` that were decoded and the seconds they span."""

    camera: Camera
    frames: int
    duration_s: float
