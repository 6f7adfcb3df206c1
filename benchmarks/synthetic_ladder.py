"""The demo's scene on every rung of the ladder and for several seeds: scores, and what kind of error costs identity.

    python -m benchmarks.synthetic_ladder --rungs easy --seeds 101 102 103 104 105
    python -m benchmarks.synthetic_ladder --seeds 101 --set tracker.name=sort

Each scene is rendered and tracked by `run.py demo --no-render` into --work, with the bundled networks unless --set
says otherwise. Split: a person under a second id (each id after the first counts 1). Merge: an id that covers a second
person. Both count from 10 % of a person's or an id's boxes, and 5 boxes. Miss: share of truth boxes without a box at
IoU 0.5; false: share of boxes without truth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.mot_text import MotRows, read_mot
from pipeline import geometry
from synthetic.scenario import LADDER

_SHARE, _BOXES = 0.10, 5


@dataclass(frozen=True)
class Errors:
    """Kinds of error over all cameras of a scene."""

    splits: int
    merges: int
    miss: float
    false: float


def errors(truth: dict[str, MotRows], predicted: dict[str, MotRows]) -> Errors:
    """Count them. Boxes are paired by best IoU of each truth box."""
    pairs: Counter[tuple[int, int]] = Counter()
    boxes = sum(len(rows) for rows in truth.values())
    found = sum(len(rows) for rows in predicted.values())
    for camera, rows in truth.items():
        other = predicted.get(camera, MotRows.of([]))
        for frame in np.unique(rows.frame):
            a, b = rows.take(rows.frame == frame), other.take(other.frame == frame)
            overlap = geometry.iou(a.xyxy, b.xyxy)
            while overlap.size and overlap.max() >= 0.5:
                i, j = np.unravel_index(overlap.argmax(), overlap.shape)
                pairs[int(a.identity[i]), int(b.identity[j])] += 1
                overlap[i, :] = overlap[:, j] = -1
    matched = sum(pairs.values())
    return Errors(
        _extra(pairs, 0), _extra(pairs, 1), 1 - matched / max(boxes, 1), 1 - matched / max(found, 1) if found else 0.0
    )


def _extra(pairs: Counter[tuple[int, int]], side: int) -> int:
    """Partners after the first, of each id on one side of the pairs."""
    total: Counter[int] = Counter()
    for pair, count in pairs.items():
        total[pair[side]] += count
    partners: Counter[int] = Counter(
        pair[side] for pair, count in pairs.items() if count >= max(_BOXES, _SHARE * total[pair[side]])
    )
    return sum(count - 1 for count in partners.values())


def main() -> None:
    """Print one row a scene."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rungs", nargs="+", choices=list(LADDER), default=list(LADDER))
    parser.add_argument("--seeds", nargs="+", type=int, default=[101])
    parser.add_argument("--people", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--work", type=Path, default=Path("runs/ladder"))
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    args = parser.parse_args()
    print("| rung | seed | IDF1 | HOTA | MOTA | splits | merges | miss | false | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    worst = 1.0
    for rung in args.rungs:
        people = args.people * 2 if rung in ("crowd", "all") else args.people
        for seed in args.seeds:
            run = args.work / f"{rung}-{seed}"
            words = ["demo", "--output", str(run), "--difficulty", rung, "--seed", str(seed), "--people", str(people)]
            words += ["--seconds", str(args.seconds), "--no-render", "--json", "-q"]
            words += [word for override in args.overrides for word in ("--set", override)]
            started = time.monotonic()
            subprocess.run([sys.executable, "run.py", *words], check=True, stdout=subprocess.DEVNULL)
            took = time.monotonic() - started
            score = json.loads((run / "evaluation.json").read_text())["multi_camera"]
            truth = {path.stem: read_mot(path, truth=True) for path in sorted((run / "scene/truth").glob("*.txt"))}
            kinds = errors(truth, {path.stem: read_mot(path) for path in sorted((run / "mot").glob("*.txt"))})
            worst = min(worst, score["idf1"])
            cells = [f"{100 * score[name]:.1f}" for name in ("idf1", "hota", "mota")]
            cells += [str(kinds.splits), str(kinds.merges), f"{100 * kinds.miss:.1f}", f"{100 * kinds.false:.1f}"]
            print(f"| {rung} | {seed} | {' | '.join(cells)} | {took:.0f} |", flush=True)
    print(f"worst IDF1: {100 * worst:.1f}")


if __name__ == "__main__":
    main()
