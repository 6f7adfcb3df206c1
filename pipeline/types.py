"""What is handed from stage to stage: frozen dataclasses of read-only arrays, and the four seams (Protocols).

Conventions: boxes are `xyxy` float32 pixels of the displayed (rotated) image; images are BGR uint8 `(H, W, 3)`;
times are seconds on the shared clock (PTS of the container plus the camera's `time_offset_s`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

TrackletKey = tuple[str, int]
"""`(camera_id, track_id)`: a track id means nothing without its camera."""

Clock = Literal["common", "unknown", "aligned"]


def _freeze(owner: object, **arrays: NDArray[np.generic]) -> None:
    """Store `arrays` as the read-only fields of a frozen dataclass."""
    for name, array in arrays.items():
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(owner, name, view)


def _boxes(xyxy: object) -> Float32:
    array = np.ascontiguousarray(np.asarray(xyxy, dtype=np.float32))
    if array.size == 0:
        array = array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes must be (N, 4) xyxy px, got shape {array.shape}")
    return array


def _column(values: object, dtype: type[np.generic], length: int, name: str) -> NDArray[np.generic]:
    array = np.ascontiguousarray(np.asarray(values, dtype=dtype))
    if array.shape != (length,):
        raise ValueError(f"{name} must be ({length},), got shape {array.shape}")
    return array


@dataclass(frozen=True, slots=True)
class Region:
    """Where to look in a camera's image. Polygons are `(K, 2)` x, y as fractions 0..1 of width and height."""

    watch: tuple[tuple[tuple[float, float], ...], ...] = ()
    """A person counts if the feet point lies in any of these; none given means the whole image."""
    ignore: tuple[tuple[tuple[float, float], ...], ...] = ()
    """A person whose feet point lies in any of these is dropped."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Image to floor: a homography `(3, 3)` from pixels to metres, of ideal pixels where a lens is known."""

    image_to_ground: Float64
    camera_matrix: Float64 | None = None
    """K `(3, 3)` px of the lens; None = the image counts as free of distortion."""
    distortion: tuple[float, ...] = ()
    """k1, k2, p1, p2[, k3[, k4, k5, k6]] of the lens."""
    error_m: float = 0.0
    """One sigma, m, by which the calibration itself is wrong (from the residuals of its points); 0 = not known."""
    floor: int = 0
    """Which floor: metres of two floors do not compare. A site that was calibrated has one."""


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera: a name and the file, or the recorder's segments in order, that it was recorded to."""

    id: str
    sources: tuple[Path, ...]
    size_wh: tuple[int, int]
    """Width, height in px of the displayed image (after rotation) of the first segment."""
    fps: float
    """Mean frame rate, 1/s, never rounded."""
    time_offset_s: float = 0.0
    """Added to the PTS to come to the shared clock."""
    start_time: datetime | None = None
    """UTC start of the recording, if the container or the configuration knows it."""
    region: Region = field(default_factory=Region)
    calibration: Calibration | None = None
    pixel_aspect: float = 1.0
    """Width of a pixel over its height, as the first segment states it. Boxes and `size_wh` are in stored pixels."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded image of one camera."""

    camera_id: str
    index: int
    """0-based count of decoded frames over all segments of the camera."""
    time_s: float
    image: UInt8
    """`(H, W, 3)` BGR."""
    damaged: bool = False
    """The decoder flagged it as corrupt: tracked, never embedded."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height: how much broader than its pixels the picture is shown."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Persons found in one frame: `xyxy (N, 4) float32 px`, `confidence (N,) float32` in 0..1."""

    xyxy: Float32
    confidence: Float32
    dropped: int = 0
    """More were found than `detector.max_detections` lets through: how many are not here."""
    colours: Float32 | None = None
    """`(N, bands, 3)` CIE Lab, what each person wears (pipeline/stages/colours.py); None = not looked at."""

    def __post_init__(self) -> None:
        xyxy = _boxes(self.xyxy)
        _freeze(self, xyxy=xyxy, confidence=_column(self.confidence, np.float32, len(xyxy), "confidence"))
        if self.colours is not None and len(self.colours) != len(xyxy):
            raise ValueError(f"colours: {len(self.colours)} rows for {len(xyxy)} boxes")

    def __len__(self) -> int:
        return len(self.xyxy)

    @classmethod
    def empty(cls) -> Detections:
        """No person."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def take(self, rows: NDArray[np.generic]) -> Detections:
        """The detections of `rows` (indices or a mask), in that order."""
        colours = None if self.colours is None else self.colours[rows]
        return Detections(self.xyxy[rows], self.confidence[rows], self.dropped, colours)


@dataclass(frozen=True, slots=True)
class TrackedBoxes:
    """The tracks of one camera at one instant.

    `track_id (M,) int64`; `xyxy (M, 4) float32 px`; `detection_row (M,) int64`, the row of the Detections handed in,
    -1 = predicted only. A track stays listed (with -1) while the tracker may still find it again; an id that is no
    longer listed has ended and never comes back.
    """

    track_id: Int64
    xyxy: Float32
    detection_row: Int64

    def __post_init__(self) -> None:
        xyxy = _boxes(self.xyxy)
        _freeze(
            self,
            xyxy=xyxy,
            track_id=_column(self.track_id, np.int64, len(xyxy), "track_id"),
            detection_row=_column(self.detection_row, np.int64, len(xyxy), "detection_row"),
        )

    def __len__(self) -> int:
        return len(self.track_id)


@dataclass(frozen=True, slots=True)
class Tracklet:
    """One finished track of one camera, frames ascending.

    `frame_index (T,) int64`, `time_s (T,) float64`, `xyxy (T, 4) float32 px`, `confidence (T,) float32`
    (0 where not observed), `observed (T,) bool` (False = interpolated between two observations).
    """

    key: TrackletKey
    frame_index: Int64
    time_s: Float64
    xyxy: Float32
    confidence: Float32
    observed: Bool

    def __post_init__(self) -> None:
        xyxy = _boxes(self.xyxy)
        n = len(xyxy)
        if n == 0:
            raise ValueError(f"tracklet {self.key} has no boxes")
        _freeze(
            self,
            xyxy=xyxy,
            frame_index=_column(self.frame_index, np.int64, n, "frame_index"),
            time_s=_column(self.time_s, np.float64, n, "time_s"),
            confidence=_column(self.confidence, np.float32, n, "confidence"),
            observed=_column(self.observed, np.bool_, n, "observed"),
        )

    def __len__(self) -> int:
        return len(self.frame_index)

    @property
    def camera_id(self) -> str:
        """The camera of the key."""
        return self.key[0]

    @property
    def start_s(self) -> float:
        """Time of the first box."""
        return float(self.time_s[0])

    @property
    def end_s(self) -> float:
        """Time of the last box."""
        return float(self.time_s[-1])

    def gaps(self, min_s: float) -> list[tuple[int, int]]:
        """Rows of the last observation before and the first one after each run of unobserved boxes of `min_s` or more.

        Two observed boxes in a row are no gap, however slow the camera is.
        """
        seen = np.flatnonzero(self.observed)
        long = np.flatnonzero((np.diff(self.time_s[seen]) >= min_s) & (np.diff(seen) > 1))
        return [(int(seen[row]), int(seen[row + 1])) for row in long]


@dataclass(frozen=True, slots=True)
class Crop:
    """One cut-out of a tracklet, chosen to be embedded."""

    key: TrackletKey
    frame_index: int
    time_s: float
    image: UInt8
    """`(h, w, 3)` BGR."""
    quality: float
    """0..1, larger = better for telling people apart."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One row a crop: `keys` (R tracklet keys), `frame_index (R,) int64`, `vector (R, D) float32` unit rows,
    `quality (R,) float32`."""

    keys: tuple[TrackletKey, ...]
    frame_index: Int64
    vector: Float32
    quality: Float32

    def __post_init__(self) -> None:
        n = len(self.keys)
        vector = np.ascontiguousarray(np.asarray(self.vector, dtype=np.float32))
        if vector.ndim != 2 or len(vector) != n:
            raise ValueError(f"vector must be ({n}, D), got shape {vector.shape}")
        _freeze(
            self,
            vector=vector,
            frame_index=_column(self.frame_index, np.int64, n, "frame_index"),
            quality=_column(self.quality, np.float32, n, "quality"),
        )

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def join(cls, parts: Sequence[Embeddings], dimension: int) -> Embeddings:
        """All rows of `parts`, in order; `dimension` is D where there is no row at all."""
        if not parts:
            return cls((), np.zeros(0, np.int64), np.zeros((0, dimension), np.float32), np.zeros(0, np.float32))
        return cls(
            tuple(key for part in parts for key in part.keys),
            np.concatenate([part.frame_index for part in parts]),
            np.concatenate([part.vector for part in parts]),
            np.concatenate([part.quality for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """What association may know beside appearance: the cameras, their clock, which pairs see the same floor."""

    cameras: tuple[Camera, ...]
    clock: Clock = "unknown"
    overlapping: frozenset[frozenset[str]] = frozenset()
    """Pairs of camera ids that watch a common piece of floor."""
    on_one_clock: frozenset[str] = frozenset()
    """With `clock` "unknown": ids of cameras whose times compare all the same, for an alignment was found for them
    alone."""

    def times_compare(self, one: str, two: str) -> bool:
        """Whether a time in the one camera means the same in the other."""
        return one == two or self.clock != "unknown" or {one, two} <= self.on_one_clock


@dataclass(frozen=True, slots=True)
class Link:
    """Why two tracklets stand in one trajectory. Log-odds are natural logarithms, positive = same person."""

    from_key: TrackletKey
    to_key: TrackletKey
    log_odds: float
    runner_up: float | None
    """Log-odds of the best tracklet outside the trajectory that could have taken the place of `from_key`."""
    evidence: Mapping[str, float]
    """Log-odds by source: `appearance`, `time`, `place`."""
    people: float = 0.0
    """Log-odds before anything is looked at: what the number of people says of any pair of these cameras."""
    rivals: float = 0.0
    """What the other candidates of both sides change. `log_odds` is the sum of evidence, people and rivals."""
    runner_up_key: TrackletKey | None = None
    """The tracklet that `runner_up` is of."""
    by_user: bool = False
    """Joined because a correction says so, whatever the log-odds are."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One person over all cameras: tracklets by start time, then camera id, then track id."""

    person_id: int
    tracklets: tuple[Tracklet, ...]
    link_confidence: float
    """0..1: probability that all tracklets are one person; 1.0 for a single tracklet."""
    tracklet_confidence: tuple[float, ...]
    """0..1 for each tracklet: probability that it belongs here."""
    links: tuple[Link, ...] = ()


@runtime_checkable
class Detector(Protocol):
    """Frames of one or several cameras in, one Detections a frame out, in order."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Find the persons in each frame; boxes are clipped to the image."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """One instance a camera; calls in order of time."""

    def update(self, detections: Detections, time_s: float) -> TrackedBoxes:
        """Take the detections of the next frame, at `time_s` seconds (strictly later than the last)."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Crops in, unit vectors (or NaN) out."""

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""
        ...

    def embed(self, crops: Sequence[UInt8]) -> Float32:
        """`(K, D) float32` for K crops `(h, w, 3)` BGR of any size >= 1x1; `(0, D)` for none.

        A row has length 1, or is NaN where the network gave nothing that can be compared.
        """
        ...


@runtime_checkable
class Associator(Protocol):
    """Tracklets of all cameras in, one Trajectory a person out."""

    def associate(self, tracklets: Sequence[Tracklet], embeddings: Embeddings, scene: Scene) -> list[Trajectory]:
        """Group the tracklets by person; each tracklet stands in exactly one trajectory."""
        ...
