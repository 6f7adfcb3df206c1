"""Average linkage, heuristic and exact correlation clustering side by side, on the same log-odds.

    python -m benchmarks.association_solvers --data ../shared/data/reid \
        --model ../shared/models/person-reidentification-retail-0277/person-reidentification-retail-0277.xml

Real appearance of the tuning sets (benchmarks/association_reid.py) in two cameras, and a made-up stream of 50 cameras
(benchmarks/crowd_stream.py), where a person is seen some six times. `damped`: each pair weighs less the more
pieces the two visits are likely in. Time is that of the solver alone.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.crowd_stream import make, own_prior
from benchmarks.reid_scenes import Simulation, simulate
from benchmarks.reid_vectors import CACHE, PRIOR_SETS, embedded
from pipeline.association.affinity import Affinity
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.prior import DistancePrior, fit_prior
from pipeline.association.solver import solve
from pipeline.association.trajectories import Solution
from pipeline.config import AssociationConfig
from pipeline.types import Int64

SCENES = {
    "cuhk01_671": ((50, 50, 0.0), (50, 50, 1.0), (200, 200, 0.5)),
    "pku_reid_train": ((50, 0, 0.0), (50, 0, 0.5), (50, 0, 1.0)),
    "3dpes": ((50, 50, 0.0), (50, 50, 0.5), (50, 50, 1.0)),
}
"""People in both cameras, in one only, share of broken visits."""
WAYS = ("average", "heuristic", "exact", "heuristic damped", "exact damped")


class Recorder(AverageLinkageAssociator):
    """Keeps the log-odds that the last grouping was made from."""

    seen: Affinity

    def _group(self, affinity: Affinity, given: Int64) -> Solution:
        self.seen = affinity
        return super()._group(affinity, given)


def votes(affinity: Affinity, camera: np.ndarray) -> np.ndarray:
    """One over the number of pieces `(N,)` that a row's visit is likely in."""
    odds = np.where(affinity.constraints.cannot, -np.inf, affinity.log_odds.astype(np.float64))
    same = (camera[:, None] == camera) / (1.0 + np.exp(-odds))
    np.fill_diagonal(same, 0.0)
    result: np.ndarray = 1.0 / (1.0 + same.sum(axis=1))
    return result


def score(labels: np.ndarray, real: np.ndarray, length: np.ndarray) -> dict[str, float]:
    """Pair F1 of tracklets and IDF1 of boxes."""
    found, truth = np.unique(labels, return_inverse=True)[1], np.unique(real, return_inverse=True)[1]
    common = np.zeros((truth.max() + 1, found.max() + 1))
    number = np.zeros_like(common)
    np.add.at(common, (truth, found), length)
    np.add.at(number, (truth, found), 1.0)

    def pairs(n: np.ndarray) -> float:
        return float((n * (n - 1) / 2).sum())

    both, one, two = pairs(number), pairs(number.sum(axis=0)), pairs(number.sum(axis=1))
    matched = linear_sum_assignment(-common)
    return {
        "precision": both / max(one, 1.0),
        "recall": both / max(two, 1.0),
        "pair_f1": 2 * both / max(one + two, 1.0),
        "idf1": float(common[matched].sum() / length.sum()),
    }


def measure(simulation: Simulation, prior: DistancePrior | None) -> dict[str, dict[str, float]]:
    """Every way on one scene."""
    config = AssociationConfig()
    recorder = Recorder(config, prior)
    recorder.solve(simulation.tracklets, simulation.embeddings, simulation.scene)
    affinity = recorder.seen
    ordered = sorted(simulation.tracklets, key=lambda t: t.key)
    taken = [ordered[row] for row in affinity.rows.tolist()]
    real = np.array([simulation.truth[t.key] for t in taken])
    length = np.array([len(t) for t in taken], dtype=np.float64)
    camera = np.unique([t.camera_id for t in taken], return_inverse=True)[1]
    odds = np.where(affinity.constraints.cannot, -np.inf, affinity.log_odds)
    floor = float(np.log(config.link_probability) - np.log1p(-config.link_probability))
    result = {}
    for way in WAYS:
        method, *damped = way.split()
        begin = time.process_time()
        grouping = solve(odds, floor, method, vote=votes(affinity, camera) if damped else None)  # type: ignore[arg-type]
        seconds = time.process_time() - begin
        result[way] = {
            **score(grouping.labels, real, length),
            "objective": grouping.solved.objective or 0.0,
            "gap": grouping.solved.gap or 0.0,
            "seconds": seconds,
            "largest": float(grouping.solved.largest_component),
        }
    return result


def scenes(arguments: argparse.Namespace) -> Iterator[tuple[str, list[Simulation], DistancePrior]]:
    """Name, scenes of different seeds, prior."""
    if arguments.data is not None:
        sets = {
            name: embedded(arguments.data / f"{name}.tar", arguments.model, arguments.embedder, arguments.cache)
            for name in PRIOR_SETS
        }
        prior = fit_prior(Path(arguments.model).stem, ", ".join(PRIOR_SETS), sets)
        for name, crops in sets.items():
            for people, passers_by, broken in SCENES[name]:
                some = [simulate(crops, people, passers_by, s, fragments=broken) for s in range(arguments.seeds)]
                yield f"{name} {people} + {passers_by}, {broken:.0%} broken", some, prior
    for count in arguments.stream:
        some = [Simulation(*make(count, seed)) for seed in range(max(arguments.seeds // 2, 1))]
        yield f"stream of {count}", some, own_prior()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of <set>.tar")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--embedder", choices=["mgn", "openvino", "onnx"], default="openvino")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--stream", type=int, nargs="*", default=[3000], help="tracklets of the made-up stream")
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    print("| scene | solver | pair F1 | precision | recall | IDF1 | objective | gap | largest part | cpu s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, some, prior in scenes(arguments):
        every: dict[str, list[dict[str, float]]] = defaultdict(list)
        for simulation in some:
            for way, row in measure(simulation, prior).items():
                every[way].append(row)
        for way, rows in every.items():
            mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
            print(
                f"| {name} | {way} | {100 * mean['pair_f1']:.1f} | {100 * mean['precision']:.1f} | "
                f"{100 * mean['recall']:.1f} | {100 * mean['idf1']:.1f} | "
                f"{mean['objective']:.1f} | {mean['gap']:.1f} | {mean['largest']:.0f} | "
                f"{mean['seconds']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
