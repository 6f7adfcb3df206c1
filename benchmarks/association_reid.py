"""Association on real appearance: crops of known people as tracklets of simulated cameras and times.

    python -m benchmarks.association_reid --data ../shared/data/reid \
        --model ../shared/models/person-reidentification-retail-0277/person-reidentification-retail-0277.xml

Identities and appearance are real, times and places are not: people walk through camera A and B in arrivals that overlap
(some three at once), boxes of people alive together stand apart, the clocks are unknown to each other. `passers-by` adds
as many people again who are seen in one camera only. Every figure is the mean over scenes drawn with different seeds.
The distance prior of a known embedder was fitted on cuhk01, pku-reid and 3dpes; the sets reported here had no part in it,
nor in the choice of any constant.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.prior import DistancePrior, LabelledCrops
from pipeline.association.report import AssociationResult
from pipeline.config import AssociationConfig
from pipeline.types import Camera, Embeddings, Float32, Scene, Tracklet, TrackletKey

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


def read_tar(path: Path) -> tuple[list[np.ndarray], LabelledCrops]:
    """Images, and labels without vectors, of a tar of `<id>_c<camera>_<n>.<ext>`, ordered by id, camera, n."""
    found = []
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                person, camera, number = Path(member.name).stem.split("_")
                data = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                found.append((int(person), int(camera[1:]), int(number), cv2.imdecode(data, cv2.IMREAD_COLOR)))
    found.sort(key=lambda row: row[:3])
    label = np.array([row[:2] for row in found], dtype=np.int64)
    return [row[3] for row in found], LabelledCrops(np.zeros((len(found), 0), np.float32), label[:, 0], label[:, 1])


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
        first, second = rng.permutation(sorted(cameras[person]))[:2].tolist() if len(cameras[person]) > 2 else sorted(
            cameras[person]
        )
        visits += [(person, 0, first), (person, 1, second)]
    for person in rng.permutation(rest)[:passers_by].tolist():
        camera = int(rng.choice(sorted(cameras[person])))
        side = sorted(cameras[person]).index(camera) if len(cameras[person]) > 1 else int(rng.integers(2))
        visits.append((person, min(side, 1), camera))
    return _walk(crops, rows, visits, rng, clock, fragments)


def _walk(crops, rows, visits, rng, clock, fragments) -> Simulation:  # type: ignore[no-untyped-def]
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
        parts = [(chosen[: len(chosen) // 2], 0.0, 0.45), (chosen[len(chosen) // 2 :], 0.55, 1.0)] if breaks else [
            (chosen, 0.0, 1.0)
        ]
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


def score(simulation: Simulation, result: AssociationResult) -> dict[str, float]:
    """Pair precision, recall and F1 of tracklets, IDF1 of boxes, and the false-link rate beside its estimate."""
    truth = simulation.truth
    person = {t.key: trajectory.person_id for trajectory in result.trajectories for t in trajectory.tracklets}
    keys = sorted(truth)
    real = np.array([truth[k] for k in keys])
    found = np.array([person[k] for k in keys])
    weight = {t.key: len(t) for t in simulation.tracklets}
    length = np.array([weight[k] for k in keys], dtype=np.float64)
    upper = np.triu_indices(len(keys), 1)
    same_real = (real[:, None] == real)[upper]
    same_found = (found[:, None] == found)[upper]
    hits = float((same_real & same_found).sum())
    _, real_index = np.unique(real, return_inverse=True)
    _, found_index = np.unique(found, return_inverse=True)
    common = np.zeros((real_index.max() + 1, found_index.max() + 1))
    np.add.at(common, (real_index, found_index), length)
    matched = linear_sum_assignment(-common)
    links = [(link, truth[link.from_key] != truth[link.to_key]) for t in result.trajectories for link in t.links]
    return {
        "pair_precision": hits / max(float(same_found.sum()), 1.0),
        "pair_recall": hits / max(float(same_real.sum()), 1.0),
        "pair_f1": 2 * hits / max(float(same_real.sum() + same_found.sum()), 1.0),
        "idf1": float(common[matched].sum() / length.sum()),
        "links": float(len(links)),
        "false_links": float(sum(wrong for _, wrong in links)),
        "expected_false_links": len(links) * (result.report.estimated_false_link_rate or 0.0),
        "people": float(len(result.trajectories)),
        "true_people": float(len(set(truth.values()))),
        "share_cross": result.report.share_cross,
        "same": result.report.same.mean,
        "different": result.report.different_cross.mean,
    }
