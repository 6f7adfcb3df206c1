"""A made-up stream of 50 cameras, 1,000 tracklets a minute, with the truth.

People walk through about six cameras of fifty, each visit one tracklet with one 256-d embedding. Spectrum, spread of
one person and of two are those of person-reidentification-retail-0277 (distance of one person in two cameras 0.3, of
two people 1.0 +- 0.12), and people come in 300 groups that dress alike (two people of a group lie at 0.7 +- 0.1), so
classes overlap. The ways of dressing are the same whatever the seed; people, visits and views are others.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.association.prior import DistancePrior, LabelledCrops, fit_prior
from pipeline.types import Camera, Embeddings, Scene, Tracklet, TrackletKey

CAMERAS, PER_MINUTE, DIMENSION, CLASSES = 50, 1000.0, 256, 300
VISITS = 6.0
ALIKE, VIEW, NOISE = 1.2, 1.1, 0.3


def spectrum() -> np.ndarray:
    """Standard deviations `(D,)` by direction; about 75 directions count, as for the embedder named above."""
    variance = 1.0 / (1.0 + np.arange(DIMENSION) / 12.0) ** 1.2
    result: np.ndarray = np.sqrt(variance / variance.sum())
    return result


def people_vectors(count: int, rng: np.random.Generator) -> np.ndarray:
    """What `count` people look like `(count, D)`, dressed in CLASSES ways."""
    clothes = np.random.default_rng(7).normal(size=(CLASSES, DIMENSION)) * spectrum() * ALIKE
    result = rng.normal(size=(count, DIMENSION)).astype(np.float32) * spectrum().astype(np.float32)
    result += clothes[rng.integers(CLASSES, size=count)].astype(np.float32)
    return result


def seen(people: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unit embeddings of one view and one crop each of `people (N, D)`, in place."""
    scale = spectrum().astype(np.float32)
    for start in range(0, len(people), 50_000):
        block = people[start : start + 50_000]
        block += rng.normal(size=block.shape).astype(np.float32) * scale * np.float32(np.hypot(VIEW, NOISE))
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return people


def own_prior() -> DistancePrior:
    """The prior of the embedder that the world plays, from 400 labelled people in two cameras, three crops each."""
    rng = np.random.default_rng(11)
    who = people_vectors(400, rng)
    vectors, person, camera = [], [], []
    for side in (0, 1):
        view = who + rng.normal(size=who.shape) * spectrum() * VIEW
        for _ in range(3):
            crop = view + rng.normal(size=who.shape) * spectrum() * NOISE
            vectors.append(crop / np.linalg.norm(crop, axis=1, keepdims=True))
            person.append(np.arange(400))
            camera.append(np.full(400, side))
    labelled = LabelledCrops(np.concatenate(vectors).astype(np.float32), np.concatenate(person), np.concatenate(camera))
    return fit_prior("made up", "the stream itself", {"stream": labelled})


def make(count: int, seed: int = 0) -> tuple[list[Tracklet], Embeddings, Scene, dict[TrackletKey, int]]:
    """The first `count` tracklets by time of an endless stream that has been running, and who is who."""
    rng = np.random.default_rng(seed)
    minutes = count / PER_MINUTE
    people = int((minutes + 30.0) * PER_MINUTE / VISITS * 1.1) + 50
    enters = np.sort(rng.uniform(-30.0, minutes * 1.05 + 0.5, people)) * 60.0
    visits = 2 + rng.poisson(VISITS - 2.0, people)
    person = np.repeat(np.arange(people), visits)
    stay = rng.uniform(4.0, 14.0, len(person))
    walk = rng.uniform(15.0, 120.0, len(person))
    step = stay + walk
    first = np.cumsum(visits) - visits
    total = np.cumsum(step) - step
    start = enters[person] + total - total[first][person]
    camera = rng.integers(CAMERAS, size=len(person))
    running = np.flatnonzero(start >= 0.0)
    taken = running[np.argsort(start[running], kind="stable")[:count]]
    if len(taken) < count:
        raise ValueError(f"the stream ended after {len(taken)} tracklets")
    look = seen(people_vectors(people, rng)[person[taken]], rng)
    tracklets, keys, truth = [], [], {}
    number = [0] * CAMERAS
    lane = rng.integers(20, size=len(taken))
    for n, row in enumerate(taken.tolist()):
        where = int(camera[row])
        number[where] += 1
        key = (f"cam{where:02d}", number[where])
        index = np.arange(int(start[row]), int(start[row] + stay[row]) + 1)
        x = 90.0 * int(lane[n])
        box = np.tile(np.array([x, 0.0, x + 60.0, 160.0], np.float32), (len(index), 1))
        full = np.full(len(index), 0.9, np.float32)
        tracklets.append(Tracklet(key, index, index.astype(np.float64), box, full, np.ones(len(index), np.bool_)))
        keys.append(key)
        truth[key] = int(person[row])
    frames = np.array([int(t.frame_index[0]) for t in tracklets])
    embeddings = Embeddings(tuple(keys), frames, look, np.ones(count, np.float32))
    cameras = tuple(Camera(f"cam{n:02d}", (Path(f"{n}.mp4"),), (1920, 1080), 1.0) for n in range(CAMERAS))
    return tracklets, embeddings, Scene(cameras, "common"), truth


def pairs(label: np.ndarray) -> float:
    """Number of pairs with one label."""
    number = np.unique(label, return_counts=True)[1].astype(np.float64)
    return float((number * (number - 1) / 2).sum())
