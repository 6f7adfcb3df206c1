"""What each kind of evidence does for association: appearance, a track's course, learned ways and times.

    python -m benchmarks.association_ablation --data ../shared/data/reid \
        --model ../shared/models/person-reidentification-retail-0277/person-reidentification-retail-0277.xml
    python -m benchmarks.association_ablation --data ../shared/data/reid --model bundled --embedder mgn --prior generic

Scenes, the mean of `--seeds` each:

- `SET n + m`: two cameras of one clock, crops of real people, simulated times (benchmarks/association_reid.py);
- `world SET`: people walk through the synthetic world's rooms, one camera a room, tracks broken by whom they are hidden
  by; crops of real people (benchmarks/association_world.py). Here people come back to the same camera, too.

The ceiling of both is 1: all tracklets are pure. `--picture FILE` writes the topology of the last world as SVG.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.association_world import WorldScene, make_scene
from benchmarks.reid_scenes import Simulation, simulate
from benchmarks.reid_scores import score
from benchmarks.reid_vectors import CACHE, embedded, own_prior
from pipeline.association import pair_sources
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.continuity import continuity
from pipeline.association.prior import DistancePrior
from pipeline.association.topology_report import ways_table
from pipeline.config import AssociationConfig
from pipeline.outputs.topology_picture import topology_svg

SIMULATED = (("cuhk03_pair1_labeled", 50, 50), ("viper", 50, 50), ("prid2011", 50, 50))
WORLDS = ("cuhk03_pair1_labeled",)
STEPS: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("appearance, rivals", {"topology_rounds": 0, "centre_min_people": 10**6, "solver": "average"}, False),
    ("+ centring", {"topology_rounds": 0, "solver": "average"}, False),
    ("+ a track's course", {"topology_rounds": 0, "solver": "average"}, True),
    ("+ learned ways and times, 1 round", {"topology_rounds": 1, "solver": "average"}, True),
    ("+ 2 rounds", {"solver": "average"}, True),
    ("+ 4 rounds", {"topology_rounds": 4, "solver": "average"}, True),
    ("2 rounds, solver auto (default)", {}, True),
)
_COLUMNS = ("pair_f1", "pair_precision", "pair_recall", "idf1")


def main() -> None:
    """Print one table a scene."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of <set>.tar")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--embedder", choices=["mgn", "openvino", "onnx"], default="openvino")
    parser.add_argument("--prior", choices=["own", "generic"], default="own")
    parser.add_argument("--sets", nargs="+", help="scenes of these sets only")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--people", type=int, default=40, help="in a world")
    parser.add_argument("--seconds", type=float, default=90.0, help="of a world")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()

    def load(name: str):  # type: ignore[no-untyped-def]
        return embedded(args.data / f"{name}.tar", args.model, args.embedder, args.cache)

    prior = None
    if args.prior == "own":
        prior = own_prior(args.data, args.model, args.embedder, args.cache)
    print(
        "| scene | step | pair F1 | precision | recall | IDF1 | false links (printed) |\n|---|---|---|---|---|---|---|"
    )
    for name, people, passers_by in SIMULATED:
        if not args.sets or name in args.sets:
            crops = load(name)
            scenes = [simulate(crops, people, passers_by, seed, clock="common") for seed in range(args.seeds)]
            _table(f"{name} {people} + {passers_by}", scenes, prior)
    for name in WORLDS:
        if not args.sets or name in args.sets:
            made: list[WorldScene] = [
                make_scene(load(name), args.people, 5, args.seconds, "crowd", 11 + seed, args.cache, one_a_room=True)
                for seed in range(args.seeds)
            ]
            scenes = [Simulation(w.tracklets, w.embeddings, w.scene, w.truth) for w in made]
            _table(f"world, {name}", scenes, prior)
            if args.picture:
                _picture(scenes[-1], prior, args.picture)


def _table(label: str, scenes: list[Simulation], prior: DistancePrior | None) -> None:
    usual = pair_sources.SOURCES
    for step, settings, course in STEPS:
        pair_sources.SOURCES = tuple(s for s in usual if course or s is not continuity)
        try:
            rows = []
            for scene in scenes:
                solver = AverageLinkageAssociator(AssociationConfig(**settings), prior)
                rows.append(score(scene, solver.solve(scene.tracklets, scene.embeddings, scene.scene)))
        finally:
            pair_sources.SOURCES = usual
        mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        links = max(mean["links"], 1e-9)
        cells = [f"{100 * mean[name]:.1f}" for name in _COLUMNS]
        cells.append(f"{mean['false_links'] / links:.3f} ({mean['expected_false_links'] / links:.3f})")
        print(f"| {label} | {step} | {' | '.join(cells)} |", flush=True)


def _picture(scene: Simulation, prior: DistancePrior | None, path: Path) -> None:
    result = AverageLinkageAssociator(AssociationConfig(), prior).solve(scene.tracklets, scene.embeddings, scene.scene)
    path.write_text(topology_svg(result.report.topology, {c.id: c.size_wh for c in scene.scene.cameras}))
    print("\n".join(ways_table(result.report.topology, 12)))


if __name__ == "__main__":
    main()
