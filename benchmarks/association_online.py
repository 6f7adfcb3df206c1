"""What it costs to know at once: online association beside the answer afterwards, on real appearance.

    python -m benchmarks.association_online --data ../shared/data/reid \
        --model ../shared/models/person-reidentification-retail-0277/person-reidentification-retail-0277.xml

The scenes of association_reid. Each tracklet comes when it is confirmed (half a second and four boxes, a crop among
them) and again when it has ended. `at once`: IDF1 of the persons first given; `online`: of those given in the end;
`afterwards`: of the answer that knows everything. `revised`: share of tracklets whose person changed after it was
given. Milliseconds are processor time of this process per coming, so another load on the machine does not count.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.reid_scenes import Simulation, simulate
from benchmarks.reid_vectors import CACHE, embedded, own_prior
from pipeline.association.agreement import Agreement, agreement
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.online import Bounds, OnlineAssociator, arrivals
from pipeline.association.prior import DistancePrior
from pipeline.config import AssociationConfig, TrackerConfig
from pipeline.types import TrackletKey

SCENES = ((10, 10, 0.0), (50, 50, 0.0), (50, 50, 0.5))
TUNED_ON = ("cuhk01_671", "3dpes")
REPORTED = ("cuhk03_pair1_labeled", "prid2011", "viper")


def play(simulation: Simulation, prior: DistancePrior, bounds: Bounds) -> dict[str, float]:
    """Scores of one scene."""
    boxes = {t.key: len(t) for t in simulation.tracklets}
    config, rule = AssociationConfig(), TrackerConfig()
    online = OnlineAssociator(simulation.scene, config, prior, bounds)
    first: dict[TrackletKey, int] = {}
    revised: set[TrackletKey] = set()
    cost: list[float] = []
    comings = arrivals(
        simulation.tracklets,
        simulation.embeddings,
        min_observations=rule.min_observations,
        min_track_s=rule.min_track_s,
    )
    for coming in comings:
        started = time.process_time()
        events = online.observe(coming.tracklet, coming.embeddings, coming.time_s)
        cost.append(time.process_time() - started)
        for event in events:
            first.setdefault(event.key, event.person_id)
            if event.before is not None:
                revised.add(event.key)
    solved = AverageLinkageAssociator(config, prior).solve(
        simulation.tracklets, simulation.embeddings, simulation.scene
    )
    afterwards = {t.key: person.person_id for person in solved.trajectories for t in person.tracklets}
    scores: dict[str, Agreement] = {
        "once": agreement(first, simulation.truth, boxes),
        "online": agreement(online.people, simulation.truth, boxes),
        "afterwards": agreement(afterwards, simulation.truth, boxes),
    }
    return {
        **{f"{name}_idf1": score.idf1 for name, score in scores.items()},
        **{f"{name}_f1": score.pair_f1 for name, score in scores.items()},
        "revised": len(revised) / len(boxes),
        "median_ms": 1000 * float(np.median(cost)),
        "slowest_ms": 1000 * max(cost),
    }


def main() -> None:
    """Fit the prior, play all scenes, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of <set>.tar")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--embedder", choices=["mgn", "openvino", "onnx"], default="openvino")
    parser.add_argument("--tuning", action="store_true", help="the sets that the bounds were chosen on")
    parser.add_argument("--seeds", type=int, default=2, help="scenes a row")
    parser.add_argument("--tracklets", type=int, default=Bounds().tracklets)
    parser.add_argument("--per-person", type=int, default=Bounds().per_person)
    parser.add_argument("--revise-s", type=float, default=Bounds().revise_s)
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    bounds = Bounds(arguments.tracklets, arguments.per_person, arguments.revise_s)

    def load(name: str):  # type: ignore[no-untyped-def]
        return embedded(arguments.data / f"{name}.tar", arguments.model, arguments.embedder, arguments.cache)

    prior = own_prior(arguments.data, arguments.model, arguments.embedder, arguments.cache)
    print(f"{bounds}, {arguments.seeds} scenes a row")
    print("| set | both + one | broken | IDF1 at once | online | afterwards | pair F1 at once | online | afterwards | "
          "revised | ms median | slowest |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in TUNED_ON if arguments.tuning else REPORTED:
        crops = load(name)
        for people, passers_by, broken in SCENES:
            rows = [
                play(simulate(crops, people, passers_by, seed, fragments=broken), prior, bounds)
                for seed in range(arguments.seeds)
            ]
            mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
            scores = " | ".join(f"{100 * mean[f'{when}_{what}']:.1f}" for what in ("idf1", "f1")
                                for when in ("once", "online", "afterwards"))  # fmt: skip
            print(f"| {name} | {people} + {passers_by} | {broken:.0%} | {scores} | {mean['revised']:.1%} | "
                  f"{mean['median_ms']:.0f} | {max(row['slowest_ms'] for row in rows):.0f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
