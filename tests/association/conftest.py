"""Small scenes with known people: unit vectors drawn around each person, boxes in lanes that stand apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.association.prior import Densities, Density, DistancePrior
from pipeline.types import Camera, Embeddings, Scene, Tracklet, TrackletKey

DIMENSION = 64


@dataclass(frozen=True)
class Seen:
    """One visit: who, where, when, and in which lane of the image."""

    person: int
    camera: str
    track: int
    start: int = 0
    length: int = 20
    lane: int = 0
    crops: int = 4


@pytest.fixture
def tracklet() -> Callable[..., Tracklet]:
    def make(
        camera: str = "A",
        track: int = 1,
        start: int = 0,
        *,
        length: int = 20,
        lane: int = 0,
        box: Sequence[float] | None = None,
    ) -> Tracklet:
        index = np.arange(start, start + length)
        xyxy = np.array([100.0 * lane, 0, 100.0 * lane + 60, 160] if box is None else box, np.float32)
        return Tracklet(
            (camera, track),
            index,
            index / 10.0,
            np.tile(xyxy, (length, 1)),
            np.full(length, 0.9, np.float32),
            np.ones(length, np.bool_),
        )

    return make


@pytest.fixture
def scene() -> Callable[..., Scene]:
    def make(*names: str, clock: str = "unknown", overlapping: Sequence[tuple[str, str]] = ()) -> Scene:
        cameras = tuple(Camera(n, (Path(f"{n}.mp4"),), (1920, 1080), 10.0) for n in names)
        return Scene(cameras, clock, frozenset(frozenset(pair) for pair in overlapping))  # type: ignore[arg-type]

    return make


@pytest.fixture
def densities() -> Densities:
    return Densities(
        same_within=Density(0.02, 0.02),
        same_cross=Density(0.25, 0.05),
        different_within=Density(0.95, 0.06),
        different_cross=Density(1.0, 0.06),
        crop_similarity=0.8,
        same_strength=10.0,
        different_strength=4.0,
    )


@pytest.fixture
def prior(densities: Densities) -> DistancePrior:
    """Of the embedder that `world` plays."""
    return DistancePrior("made up", "tests", plain=densities, centred=densities)


@pytest.fixture
def world(tracklet: Callable[..., Tracklet]) -> Callable[..., tuple[list[Tracklet], Embeddings]]:
    """Tracklets and embeddings of visits: a person's vector + a view's turn + a crop's noise.

    With `alike`, people come in groups that wear the same: the look-alikes that real false links come from.
    """

    def make(visits: Sequence[Seen], seed: int = 0, *, view: float = 0.5, noise: float = 0.5, alike: float = 0.0):  # type: ignore[no-untyped-def]
        rng = np.random.default_rng(seed)
        names = sorted({v.person for v in visits})
        clothes = [alike * _direction(rng) for _ in range(1 + len(names) // 4)]
        people = {p: _direction(rng) + clothes[int(rng.integers(len(clothes)))] for p in names}
        tracklets, keys, frames, vectors = [], [], [], []
        for v in visits:
            tracklets.append(tracklet(v.camera, v.track, v.start, length=v.length, lane=v.lane))
            centre = people[v.person] + view * _direction(rng)
            for n in range(v.crops):
                keys.append((v.camera, v.track))
                frames.append(v.start + n * v.length // v.crops)
                row = centre + noise * _direction(rng)
                vectors.append(row / np.linalg.norm(row))
        table = np.array(vectors, np.float32).reshape(-1, DIMENSION)
        return tracklets, Embeddings(tuple(keys), np.array(frames, np.int64), table, np.ones(len(keys), np.float32))

    return make


def _direction(rng: np.random.Generator) -> np.ndarray:
    row = rng.normal(size=DIMENSION)
    return row / np.linalg.norm(row)


@pytest.fixture
def visit() -> type[Seen]:
    return Seen


@pytest.fixture
def crowd(visit: type[Seen]) -> Callable[..., list[Seen]]:
    """`both` people seen in A and B, `one` in either; three alive at once in each camera."""

    def make(both: int, one: int = 0) -> list[Seen]:
        visits = []
        for person in range(both):
            visits.append(visit(person, "A", person + 1, start=10 * person, length=28, lane=person % 3))
            visits.append(visit(person, "B", person + 1, start=10 * person + 5, length=28, lane=person % 3))
        for person in range(both, both + one):
            camera = "AB"[person % 2]
            visits.append(visit(person, camera, person + 1, start=10 * person, length=28, lane=person % 3))
        return visits

    return make


@pytest.fixture
def grouping() -> Callable[..., set[frozenset[TrackletKey]]]:
    """The partition of keys that trajectories stand for."""

    def make(trajectories):  # type: ignore[no-untyped-def]
        return {frozenset(t.key for t in trajectory.tracklets) for trajectory in trajectories}

    return make
