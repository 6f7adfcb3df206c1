"""Our tracking measures beside those of other evaluators on the same files: differences and seconds.

    python -m benchmarks.metrics_parity PREDICTED TRUTH --mtmc ../shared/mtmc_eval.py [--partial-truth]
    python -m benchmarks.metrics_parity PREDICTED TRUTH --trackeval ../reference/bin/python

PREDICTED and TRUTH are folders of <camera>.txt. The first peer is a file with its own command line; the second is the
Python of an environment that holds TrackEval (tests/evaluation/golden/make_golden.py says how to make one).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from evaluation.mot_text import MotRows, read_mot
from evaluation.multi_camera import evaluate_tracking
from evaluation.partial import evaluate_partial

MAKE_GOLDEN = Path(__file__).parents[1] / "tests" / "evaluation" / "golden" / "make_golden.py"

Scores = dict[str, float]


def read(folder: Path, *, truth: bool) -> dict[str, MotRows]:
    """<camera>.txt of a folder."""
    return {file.stem: read_mot(file, truth=truth) for file in sorted(folder.glob("*.txt"))}


def ours(predicted: Path, truth: Path, partial: bool) -> Scores:
    """Our numbers, by lower-case name."""
    files = read(truth, truth=True), read(predicted, truth=False)
    if partial:
        part = evaluate_partial(*files)
        return {"idf1": part.idf1, "pair_f1": part.pairs.f1}
    full = evaluate_tracking(*files)
    total = full.total
    return {
        "idf1": total.identity.idf1,
        "idp": total.identity.idp,
        "idr": total.identity.idr,
        "hota": total.hota.hota,
        "deta": total.hota.deta,
        "assa": total.hota.assa,
        "mota": total.clear.mota,
        "idsw": total.clear.idsw,
        "pair_f1": full.pairs.f1,
    }


def peer(command: list[str]) -> Scores:
    """The numbers another evaluator prints as JSON; lists (one value a threshold) as their mean."""
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(out[out.index("{") :])
    numbers = {name.lower(): value for name, value in found.items() if _is_number(value)}
    return {name: float(np.mean(value)) for name, value in numbers.items()}


def _is_number(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(entry, float) for entry in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def main() -> None:
    """Print one row a measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predicted", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--mtmc", type=Path, help="mtmc_eval.py")
    parser.add_argument("--trackeval", type=Path, help="Python that can import trackeval")
    parser.add_argument("--partial-truth", action="store_true")
    args = parser.parse_args()
    start = time.perf_counter()
    mine = ours(args.predicted, args.truth, args.partial_truth)
    print(f"ours: {time.perf_counter() - start:.1f} s")
    folders = [str(args.predicted), str(args.truth)]
    commands = {}
    if args.mtmc:
        partial = ["--partial-gt"] if args.partial_truth else []
        commands["mtmc_eval"] = [sys.executable, str(args.mtmc), *folders, *partial, "--json", "-"]
    if args.trackeval and not args.partial_truth:
        commands["TrackEval"] = [str(args.trackeval), str(MAKE_GOLDEN), *folders]
    for name, command in commands.items():
        start = time.perf_counter()
        theirs = peer(command)
        print(f"{name}: {time.perf_counter() - start:.1f} s")
        for measure, value in mine.items():
            if measure in theirs:
                print(f"  {measure:8} {value:12.9f} {theirs[measure]:12.9f}  difference {value - theirs[measure]:+.1e}")


if __name__ == "__main__":
    main()
