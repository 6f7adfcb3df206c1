"""Search for the default tracker's parameters on TUD, campus and synthetic motion, never on PETS.

    python -m benchmarks.tune_tracker --data ../shared/data --evaluator ../shared/mtmc_eval.py --minutes 15
    python -m benchmarks.tune_tracker ... --minutes 0 --whole      # only score what is committed, on longer clips

An evolution strategy of one parent: change one to six values, keep the child if its score is better. The score is the
weighted mean over groups of (IDF1 + HOTA) / 2 of the finished tracklets.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.tracking_data import Clip, finished, load_evaluator, mean_quality, score, tuning_clips
from pipeline.config import TrackerConfig
from trackers.bytetrack import ByteTrack, Gate, Motion

WEIGHTS = {"tud": 1.5, "campus_7fps": 1.5, "campus_30fps": 1.0, "motion_7fps": 1.5, "motion_25fps": 1.0}


@dataclass(frozen=True)
class Candidate:
    """A whole set of parameters."""

    motion: Motion = field(default_factory=Motion)
    gate: Gate = field(default_factory=Gate)
    config: TrackerConfig = field(default_factory=TrackerConfig)


# Least and most by name; a value is changed by a factor exp(N(0, 0.5)), one entry at a time where it is a tuple.
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "motion": {
        "measurement_std": (0.01, 0.3),
        "velocity_std": (0.05, 2.0),
        "drift": (3e-4, 2.0),
        "stop_s": (0.3, 30.0),
        "outlier": (1.0, 6.0),
    },
    "gate": {
        "limit": (0.8, 4.0),
        "low_limit": (0.6, 4.0),
        "likelihood": (0.03, 1.0),
        "size": (0.05, 1.5),
        "doubt": (0.05, 2.0),
        "buffer": (0.02, 1.0),
        "confidence": (0.01, 1.0),
        "tentative_lost_s": (0.2, 2.0),
    },
    "config": {},
}
CHOICES: dict[str, tuple[float, ...]] = {
    "new_confidence": (0.5, 0.55, 0.6, 0.65),
    "min_observations": (3, 4, 5),
    "smooth_s": (0.0, 0.1, 0.15, 0.2, 0.25, 0.3),
    "max_lost_s": (2.0, 2.5, 3.0, 3.5),
}


def mutated(parent: Candidate, rng: random.Random) -> Candidate:
    """A child of `parent` with one to six changes."""
    values = as_dict(parent)
    names = [(part, name) for part in RANGES for name in (RANGES[part] or CHOICES)]
    for part, name in rng.sample(names, rng.choice([1, 2, 3, 4, 6])):
        old = values[part][name]
        if part == "config":
            values[part][name] = rng.choice(CHOICES[name])
        elif isinstance(old, tuple):
            k = rng.randrange(len(old))
            values[part][name] = (*old[:k], _turned(old[k], RANGES[part][name], rng), *old[k + 1 :])
        else:
            values[part][name] = _turned(old, RANGES[part][name], rng)
    config = TrackerConfig.model_validate(values["config"])
    return Candidate(Motion(**values["motion"]), Gate(**values["gate"]), config)


def _turned(value: float, bounds: tuple[float, float], rng: random.Random) -> float:
    return min(bounds[1], max(bounds[0], value * math.exp(rng.gauss(0, 0.5))))


def as_dict(candidate: Candidate) -> dict[str, dict[str, Any]]:
    """All parameters by part and name."""
    config = candidate.config.model_dump()
    return {"motion": asdict(candidate.motion), "gate": asdict(candidate.gate), "config": config}


_CLIPS: list[Clip] = []
_EVALUATOR: list[ModuleType] = []


def prepare(data: Path, evaluator: Path, whole: bool) -> None:
    """Load the clips once a process."""
    _CLIPS[:] = tuning_clips(data, whole=whole)
    _EVALUATOR[:] = [load_evaluator(evaluator)]


def measure(candidate: Candidate) -> list[tuple[str, str, dict[str, float]]]:
    """Scores of the finished tracklets, clip by clip: group, name, measures."""
    result = []
    for clip in _CLIPS:
        tracker = ByteTrack(candidate.config, motion=candidate.motion, gate=candidate.gate)
        rows, _ = finished(tracker, candidate.config, clip.frames)
        result.append((clip.group, clip.name, score(rows, clip.truth, _EVALUATOR[0])))
    return result


def quality(scores: list[tuple[str, str, dict[str, float]]]) -> float:
    """The score that is searched for."""
    return mean_quality([(group, s) for group, _, s in scores], WEIGHTS)


def search(pool: ProcessPoolExecutor, minutes: float, seed: int, workers: int) -> None:
    """Print each better candidate."""
    rng, best = random.Random(seed), Candidate()
    best_quality = quality(pool.submit(measure, best).result())
    end, pending = time.monotonic() + 60 * minutes, dict[Future[Any], Candidate]()
    while time.monotonic() < end:
        while len(pending) < workers:
            child = mutated(best, rng)
            pending[pool.submit(measure, child)] = child
        for done in wait(pending, return_when=FIRST_COMPLETED).done:
            child, value = pending.pop(done), quality(done.result())
            if value > best_quality:
                best, best_quality = child, value
                print(f"{100 * value:.2f} {json.dumps(as_dict(child))}", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--evaluator", type=Path, required=True, help="mtmc_eval.py")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="longer clips")
    arguments = parser.parse_args()
    inputs = (arguments.data, arguments.evaluator, arguments.whole)
    with ProcessPoolExecutor(arguments.workers, initializer=prepare, initargs=inputs) as pool:
        scores = pool.submit(measure, Candidate()).result()
        for group, name, s in scores:
            measures = f"IDF1 {100 * s['idf1']:.1f} HOTA {100 * s['hota']:.1f}"
            print(f"{group:14s}{name:20s} {measures} ids {s['ids']} / {s['true_ids']}")
        print(f"{100 * quality(scores):.2f} {json.dumps(as_dict(Candidate()))}", flush=True)
        if arguments.minutes > 0:
            search(pool, arguments.minutes, arguments.seed, arguments.workers)


if __name__ == "__main__":
    main()
