"""How association grows: from 1,000 to 1,000,000 tracklets of 50 cameras, 1,000 tracklets a minute, 30-minute window.

    python -m benchmarks.association_scale                       # 1,000 to 100,000
    python -m benchmarks.association_scale --sizes 1000000       # 10 GB, 10 minutes
    python -m benchmarks.association_scale --recall 1000         # candidates against all pairs
    python -m benchmarks.association_scale --clock unknown --sizes 10000 30000

A made-up stream: people walk through about six cameras of fifty, each visit one tracklet with one 256-d embedding.
Spectrum, spread of one person and of two are those of person-reidentification-retail-0277 (distance of one person in
two cameras 0.3, of two people 1.0 +- 0.12), and people come in 300 groups that dress alike (two people of a group lie
at 0.7 +- 0.1), so classes overlap. Timed is all of `AverageLinkageAssociator.solve`: from tracklets and embeddings to
trajectories with links and report. Each size runs in a process of its own; cpu is its user and system time.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.association.affinity import build_affinity, usable_embeddings
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.constraints import build_constraints
from pipeline.association.crowd_solver import compare_crowd
from pipeline.association.prior import DistancePrior, LabelledCrops, fit_prior
from pipeline.config import AssociationConfig
from pipeline.types import Camera, Clock, Embeddings, Scene, Tracklet, TrackletKey

SIZES = (1000, 3000, 10_000, 30_000, 100_000)
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


def measure(count: int, clock: Clock) -> dict[str, float]:
    """One size, in this process."""
    tracklets, embeddings, scene, truth = make(count)
    scene = replace(scene, clock=clock)
    associator = AverageLinkageAssociator(AssociationConfig(dense_up_to=0), own_prior())
    base = resource.getrusage(resource.RUSAGE_SELF)
    wall = time.perf_counter()
    result = associator.solve(tracklets, embeddings, scene)
    wall = time.perf_counter() - wall
    used = resource.getrusage(resource.RUSAGE_SELF)
    real = np.array([truth[t.key] for trajectory in result.trajectories for t in trajectory.tracklets])
    found = np.array([trajectory.person_id for trajectory in result.trajectories for _ in trajectory.tracklets])
    hits = pairs(real * (found.max() + 1) + found)
    wrong = sum(truth[link.from_key] != truth[link.to_key] for t in result.trajectories for link in t.links)
    return {
        "tracklets": count,
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime - base.ru_utime - base.ru_stime,
        "peak_gb": used.ru_maxrss / 2**20,
        "input_gb": base.ru_maxrss / 2**20,
        "people": len(result.trajectories),
        "true_people": len(np.unique(real)),
        "links": result.report.links,
        "false_links": wrong / max(result.report.links, 1),
        "estimated": result.report.estimated_false_link_rate or 0.0,
        "largest_component": result.report.solved.largest_component,
        "pair_precision": hits / max(pairs(found), 1.0),
        "pair_recall": hits / max(pairs(real), 1.0),
        "pair_f1": 2 * hits / max(pairs(real) + pairs(found), 1.0),
    }


def recall(count: int) -> dict[str, float]:
    """Candidates against all pairs, as settings are; how alike the partitions are, without learned ways and times.

    `recall_*`: the share that are candidates of the pairs above the floor by looks and rivals, of the pairs that dense
    association puts together, and of the true pairs in the window.
    """
    tracklets, embeddings, scene, truth = make(count)
    config, prior = AssociationConfig(), own_prior()
    ordered = sorted(tracklets, key=lambda t: t.key)
    usable = usable_embeddings(ordered, embeddings)
    sparse = compare_crowd(ordered, usable, scene, prior, config)
    constraints = build_constraints(
        ordered,
        scene,
        duplicate_overlap=config.duplicate_overlap,
        well_apart_overlap=config.well_apart_overlap,
        slack_s=config.clock_slack_s,
    )
    dense = build_affinity(ordered, usable, constraints, prior, centred=False)
    above = np.argwhere(np.triu(dense.log_odds > 0.0, 1))
    linked = AverageLinkageAssociator(AssociationConfig(dense_up_to=count), prior).solve(tracklets, embeddings, scene)
    person = {t.key: n for n, p in enumerate(linked.trajectories) for t in p.tracklets}
    who = [np.array([name[t.key] for t in ordered]) for name in (person, truth)]
    together, true = (np.argwhere(np.triu(name[:, None] == name[None, :], 1)) for name in who)
    start, end = (np.array([getattr(t, at) for t in ordered]) for at in ("start_s", "end_s"))
    gap = np.maximum(*start[true].T) - np.minimum(*end[true].T)
    true = true[gap <= config.candidate_window_s]

    def candidates(rows: np.ndarray) -> float:
        return float(np.isin(rows[:, 0] * count + rows[:, 1], sparse.scores.key).mean())

    partitions = []
    for limit in (count, 0):
        same_steps = AssociationConfig(dense_up_to=limit, topology_rounds=0)
        result = AverageLinkageAssociator(same_steps, prior).solve(tracklets, embeddings, scene)
        partitions.append({t.key: n for n, p in enumerate(result.trajectories) for t in p.tracklets})
    keys = sorted(partitions[0])
    one, two = (np.array([p[key] for key in keys]) for p in partitions)
    both = pairs(one * (two.max() + 1) + two)
    return {
        "tracklets": count,
        "pairs_above_floor": len(above),
        "recall_above_floor": candidates(above),
        "pairs_linked": len(together),
        "recall_linked": candidates(together),
        "true_pairs": len(true),
        "recall_true": candidates(true),
        "candidates": len(sparse.scores.key),
        "partition_pair_f1": 2 * both / max(pairs(one) + pairs(two), 1.0),
    }


def main() -> None:
    """Run the sizes, print the table and the slope."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--recall", type=int, nargs="*", default=[], help="compare candidates with all pairs instead")
    parser.add_argument("--clock", choices=("common", "unknown"), default="common", help="of the cameras")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.clock)))
        return
    if arguments.recall:
        for count in arguments.recall:
            print(json.dumps(recall(count)), flush=True)
        return
    rows = []
    print(
        "| tracklets | wall s | cpu s | peak GB | of it input | largest component | pair precision | recall | F1 "
        "| false links | estimated |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for count in arguments.sizes:
        command = [
            sys.executable,
            "-m",
            "benchmarks.association_scale",
            "--one",
            str(count),
            "--clock",
            arguments.clock,
        ]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append(row)
        print(
            f"| {count:,} | {row['wall_s']:.0f} | {row['cpu_s']:.0f} | {row['peak_gb']:.1f} | {row['input_gb']:.1f} | "
            f"{row['largest_component']} | {row['pair_precision']:.3f} | {row['pair_recall']:.3f} | "
            f"{row['pair_f1']:.3f} | {row['false_links']:.3f} | {row['estimated']:.3f} |",
            flush=True,
        )
    if len(rows) > 1:
        size, cpu = (np.log([row[name] for row in rows]) for name in ("tracklets", "cpu_s"))
        print(f"\nlog-log slope of cpu time: {np.polyfit(size, cpu, 1)[0]:.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
