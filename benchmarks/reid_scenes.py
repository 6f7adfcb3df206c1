"""Scenes of real appearance: crops of known people as tracklets of simulated cameras and times.

Identities and appearance are real, times and places are not: people walk through camera A and B in arrivals that
overlap (some three at once), boxes of people alive together stand apart, the clocks are unknown to each other, or agree
(from A to B it takes 20 to 60 s).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.association.prior import LabelledCrops
from pipeline.types import Camera, Embeddings, Scene, Tracklet, TrackletKey

FPS = 10.0
AT_ONCE = 3.0
"""People in a camera at one time, on average."""


@dataclass(frozen=True)
class Simulation:
    """A scene and who is who in it."""

    tracklets: list[Tracklet]
    embeddings: Embeddings
    scene: Scene
    truth: dict[TrackletKey, int]


def simulate(
    crops: LabelledCrops,
    people: int,
    passers_by: int,
    seed: int,
    *,
    clock: str = "unknown",
    fragments: float = 0.0,
) -> Simulation:
    """`people` seen in two cameras and `passers_by` in one, drawn from `crops`; a share of the visits breaks in two."""
    rng = np.random.default_rng(seed)
    rows: dict[tuple[int, int], list[int]] = {}
    for row, (person, camera) in enumerate(zip(crops.person.tolist(), crops.camera.tolist(), strict=True)):
        rows.setdefault((person, camera), []).append(row)
    cameras: dict[int, list[int]] = {}
    for person, camera in rows:
        cameras.setdefault(person, []).append(camera)
    both = [p for p, c in sorted(cameras.items()) if len(c) > 1]
    drawn = rng.permutation(both)
    if len(drawn) < people:
        raise ValueError(f"{people} people wanted in two cameras, {len(drawn)} there")
    meeting = drawn[:people]
    rest = np.setdiff1d(sorted(cameras), meeting)
    if len(rest) < passers_by:
        raise ValueError(f"{passers_by} passers-by wanted, {len(rest)} people left")
    visits: list[tuple[int, int, int]] = []  # person, which simulated camera, crop group
    for person in meeting.tolist():
        first, second = (
            rng.permutation(sorted(cameras[person]))[:2].tolist()
            if len(cameras[person]) > 2
            else sorted(cameras[person])
        )
        visits += [(person, 0, first), (person, 1, second)]
    for person in rng.permutation(rest)[:passers_by].tolist():
        camera = int(rng.choice(sorted(cameras[person])))
        side = sorted(cameras[person]).index(camera) if len(cameras[person]) > 1 else int(rng.integers(2))
        visits.append((person, min(side, 1), camera))
    return _walk(crops, rows, visits, rng, clock=clock, fragments=fragments)


def _walk(crops, rows, visits, rng, *, clock, fragments) -> Simulation:  # type: ignore[no-untyped-def]
    names = ("A", "B")
    duration = {v: float(rng.uniform(4.0, 12.0)) for v in visits}
    span = max(sum(d for v, d in duration.items() if v[1] == side) for side in (0, 1)) / AT_ONCE
    enters = {person: float(rng.uniform(0.0, span)) for person in sorted({v[0] for v in visits})}
    tracklets, keys, frames, taken, truth = [], [], [], [], {}
    lanes: dict[int, list[tuple[int, int, int]]] = {0: [], 1: []}
    numbers = rng.permutation(4 * len(visits)).tolist()
    for visit in sorted(visits, key=lambda v: enters[v[0]]):
        person, side, group = visit
        walk = 20.0 + float(rng.uniform(0.0, 40.0))  # from A to B
        start = round((enters[person] + (walk if side else 0.0)) * FPS)
        length = round(duration[visit] * FPS)
        busy = {lane for first, last, lane in lanes[side] if first <= start + length and last >= start}
        lane = next(k for k in range(1000) if k not in busy)
        lanes[side].append((start, start + length, lane))
        pool = rows[(person, group)]
        count = min(len(pool), int(rng.integers(3, 9)))
        chosen = [pool[i] for i in np.unique(np.linspace(0, len(pool) - 1, count).round().astype(int))]
        breaks = len(chosen) >= 2 and rng.uniform() < fragments
        parts = (
            [(chosen[: len(chosen) // 2], 0.0, 0.45), (chosen[len(chosen) // 2 :], 0.55, 1.0)]
            if breaks
            else [(chosen, 0.0, 1.0)]
        )
        for part, begin, end in parts:
            key = (names[side], numbers.pop())
            index = np.arange(start + round(begin * length), start + round(end * length))
            box = np.array([100.0 * lane, 0.0, 100.0 * lane + 60.0, 160.0], np.float32)
            tracklets.append(
                Tracklet(
                    key,
                    index,
                    index / FPS,
                    np.tile(box, (len(index), 1)),
                    np.full(len(index), 0.9, np.float32),
                    np.ones(len(index), np.bool_),
                )
            )
            truth[key] = person
            keys += [key] * len(part)
            frames += index[np.linspace(0, len(index) - 1, len(part)).round().astype(int)].tolist()
            taken += part
    embeddings = Embeddings(tuple(keys), np.array(frames), crops.vector[taken], np.ones(len(taken), np.float32))
    cameras = tuple(Camera(name, (Path(f"{name}.mp4"),), (1920, 1080), FPS) for name in names)
    return Simulation(tracklets, embeddings, Scene(cameras, clock), truth)
