"""Ways to compare two tracklets by their crops, on real appearance: the mean, the best crops, re-ranking.

    python -m benchmarks.association_distances --data ../shared/data/reid \
        --model ../shared/models/person-reidentification-retail-0277/person-reidentification-retail-0277.xml

Fifty people in two cameras (and 50 passers-by where the set has as many), vectors centred by camera. Recall: share of
the pairs of one person nearer than all but 1 in 1000 of the pairs of two. Mutual: pairs that are each other's nearest,
the share of them that is right, and the share of people so found. Re-ranking: k-reciprocal encoding (Zhong et al., CVPR
2017, section 3), with its k1 = 20, k2 = 6, lambda = 0.3, and with k1 = 8, k2 = 3, lambda = 0.5 for few images a person.

Then whole association with `association.rerank` off and on: pair F1, and the rates of false and missed links with those
printed, clocks unknown, each model's own prior of the other two sets.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.reid_scenes import Simulation, simulate
from benchmarks.reid_scores import false_rate, missed_rate
from benchmarks.reid_scores import measure as scores_of
from benchmarks.reid_vectors import CACHE, PRIOR_SETS, embedded
from pipeline.association.centring import centre
from pipeline.association.prior import LabelledCrops, fit_prior
from pipeline.association.similarity import unit
from pipeline.config import AssociationConfig
from pipeline.rerank import rerank_among

Matrix = np.ndarray
SCENES = ((30, 0, 0.0), (30, 30, 0.0), (30, 30, 1.0))
"""People in both cameras, passers-by, share of broken visits."""


def reciprocal(vectors: Matrix, k1: int, k2: int, share: float) -> Matrix:
    """Re-ranked distances of unit `vectors (N, D)`; `share` of the original distance is kept."""
    return np.concatenate(list(rerank_among(vectors.astype(np.float32), k1=k1, k2=k2, weight=share)))


def best_crops(crops: list[Matrix], share: float) -> Matrix:
    """Mean of the nearest `share` of all pairs of crops, at least one."""
    result = np.zeros((len(crops), len(crops)))
    for i, one in enumerate(crops):
        for j, two in enumerate(crops):
            cosine = np.sort((one @ two.T).ravel())[::-1]
            result[i, j] = 1 - cosine[: max(1, round(share * len(cosine)))].mean()
    return result


def measure(simulation: Simulation) -> dict[str, tuple[float, float, float]]:
    """Recall at 1e-3, mutual precision, mutual recall by way."""
    rows = centre(simulation.embeddings, simulation.truth)
    keys = sorted(set(rows.keys))
    crops = [rows.vector[[n for n, key in enumerate(rows.keys) if key == k]].astype(np.float64) for k in keys]
    mean = unit(np.stack([own.mean(axis=0) for own in crops]))
    plain = 1 - mean @ mean.T
    quarter = best_crops(crops, 0.25)
    ways: dict[str, Callable[[], Matrix]] = {
        "mean of all crops (what is used)": lambda: plain,
        "nearest pair of crops": lambda: best_crops(crops, 0.0),
        "nearest quarter of the pairs": lambda: quarter,
        "mean, and the nearest quarter": lambda: (plain + quarter) / 2,
        "re-ranked, k1 20": lambda: reciprocal(mean, 20, 6, 0.3),
        "re-ranked, k1 8": lambda: reciprocal(mean, 8, 3, 0.5),
    }
    camera = np.array([key[0] for key in keys])
    person = np.array([simulation.truth[key] for key in keys])
    a, b = np.flatnonzero(camera == "A"), np.flatnonzero(camera == "B")
    same = person[a][:, None] == person[b]
    result = {}
    for name, way in ways.items():
        between = way()[np.ix_(a, b)]
        limit = np.quantile(between[~same], 1e-3)
        mutual = np.zeros_like(same)
        nearest = between.argmin(axis=1)
        mutual[np.arange(len(a)), nearest] = between.argmin(axis=0)[nearest] == np.arange(len(a))
        right = float((mutual & same).sum())
        result[name] = (float((between[same] <= limit).mean()), right / mutual.sum(), right / same.sum())
    return result


def main() -> None:
    """Print a row a set and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--embedder", choices=["mgn", "openvino", "onnx"], default="openvino")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args()
    print("| set | compared by | recall at 1e-3 | mutual: right | mutual: found |\n|---|---|---|---|---|")

    def load(name: str) -> LabelledCrops:
        return embedded(args.data / f"{name}.tar", args.model, args.embedder, args.cache)

    for name in PRIOR_SETS:
        crops = load(name)
        passers_by = min(50, len(np.unique(crops.person)) - 50)
        found = [measure(simulate(crops, 50, passers_by, seed)) for seed in range(args.seeds)]
        for way in found[0]:
            cells = np.mean([one[way] for one in found], axis=0)
            print(f"| {name} | {way} | {' | '.join(f'{100 * value:.1f}' for value in cells)} |", flush=True)
    compare_associations({name: load(name) for name in PRIOR_SETS}, args.seeds)


def compare_associations(sets: dict[str, LabelledCrops], seeds: int) -> None:
    """A row a set, scene and setting."""
    print("\n| set | both + one | broken | rerank | pair F1 | false links (printed) | missed links (printed) |")
    print("|---|---|---|---|---|---|---|")
    for name, crops in sets.items():
        prior = fit_prior("of two sets", "", {other: rows for other, rows in sets.items() if other != name})
        for people, passers_by, broken in SCENES:
            for rerank in (False, True):
                config = AssociationConfig(rerank=rerank)
                row = scores_of(crops, prior, (people, passers_by, broken), seeds, config)
                print(
                    f"| {name} | {people} + {passers_by} | {broken:.0%} | {'on' if rerank else 'off'} | "
                    f"{100 * row['pair_f1']:.1f} | {false_rate(row)} | {missed_rate(row)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
