"""A synthetic scene from pixels and from exact boxes, each beside its ceilings: which step loses how much.

    python -m benchmarks.synthetic_bar --seeds 110                                    # 10 cameras, 100 people
    python -m benchmarks.synthetic_bar --people 9 --cameras 3 --seeds 101 102 103 104 105     # the demo's scenes

A set is rendered to --work by `run.py synthesize` where it is not there yet, tracked by `run.py track` with the bundled
networks unless --set says otherwise, and scored by `run.py evaluate`. `boxes`: `pixels` are detected; `exact` are the
truth's, by `--replay` (looks still come from the pixels). All scores are multi-camera IDF1 in percent:

- ids: perfect ids on the same boxes; what is missing to 100 was not detected, or where nobody in the truth is;
- tracks: perfect linking of the tracker's tracklets; what is missing to `ids` are tracklets that hold two people;
- split: the same after tracklets were split (docs/association.md), the ceiling of linking;
- IDF1: the run's score; what is missing to `split` are wrong and missing links.

Pairs: precision and recall of links between cameras, of (person, camera). Splits, merges, miss, false: as in
benchmarks/synthetic_ladder.py.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.association_steps import rows_of
from benchmarks.synthetic_ladder import errors
from commands.stored_run import load_run
from evaluation.ceilings import perfect_ids, perfect_linking
from evaluation.mot_text import MotRows, read_mot
from evaluation.multi_camera import evaluate_tracking
from pipeline.stages.linking import link_cameras
from pipeline.types import Tracklet
from synthetic.scenario import LADDER


def command(*words: object) -> None:
    """Run `run.py` with these words; its output goes to stderr."""
    subprocess.run([sys.executable, "run.py", *map(str, words)], check=True, stdout=sys.stderr)


def render(root: Path, args: argparse.Namespace, seed: int) -> None:
    """Make the set, unless it is there already, whole."""
    done = root / "done"
    if done.is_file():
        return
    shutil.rmtree(root, ignore_errors=True)
    words = ["--people", args.people, "--cameras", args.cameras, "--hours", args.seconds / 3600, "--seed", seed]
    command("synthesize", "--out", root, *words, "--difficulty", args.rung, "--crops", 0, "-q")
    done.touch()


def track(scene: Path, run: Path, boxes: str, overrides: Sequence[str]) -> None:
    """Track and score the set."""
    videos = sorted((scene / "videos").glob("*.mp4"))
    words: list[object] = ["--videos", *videos, "--config", scene / "cameras.yaml", "--output", run, "--overwrite"]
    words += ["--no-render", "--offline", "-q"]
    words += ["--replay", scene / "truth"] if boxes == "exact" else []
    words += [word for override in overrides for word in ("--set", override)]
    command("track", *words)
    command("evaluate", run, "--truth", scene / "truth")


def numbered(tracklets: Sequence[Tracklet], truth: Mapping[str, MotRows]) -> dict[str, MotRows]:
    """MOT rows of tracklets, each under a number of its own."""
    own = {camera: [(t.key[1], t) for t in tracklets if t.camera_id == camera] for camera in truth}
    return rows_of(own, {camera: int(rows.frame.max()) for camera, rows in truth.items()})


def row(scene: Path, run: Path) -> tuple[list[str], float]:
    """The cells of a run's row, and its IDF1."""
    truth = {path.stem: read_mot(path, truth=True) for path in sorted((scene / "truth").glob("*.txt"))}
    truth = {camera: rows for camera, rows in truth.items() if len(rows)}
    found = {path.stem: read_mot(path) for path in sorted((run / "mot").glob("*.txt"))}
    stored = load_run(run)
    tracked = [tracklet for outcome, _ in stored.tracked for tracklet in outcome.tracklets]
    linked = link_cameras(stored.tracked, stored.scene, stored.config, stored.prior, stored.dimension)
    ceilings = [
        perfect_ids(truth, found),
        perfect_linking(truth, numbered(tracked, truth)),
        perfect_linking(truth, numbered(linked.purified.tracklets, truth)),
    ]
    result = evaluate_tracking(truth, found)
    kinds = errors(truth, found)
    score = json.loads((run / "evaluation.json").read_text())["multi_camera"]["idf1"]
    cells = [f"{100 * evaluate_tracking(truth, rows).total.identity.idf1:.1f}" for rows in ceilings]
    cells += [f"{100 * score:.1f}", f"{100 * result.total.hota.hota:.1f}"]
    cells += [str(len(linked.purified.tracklets)), str(len(linked.result.trajectories))]
    cells += [f"{100 * result.pairs.precision:.1f}", f"{100 * result.pairs.recall:.1f}"]
    cells += [str(kinds.splits), str(kinds.merges), f"{100 * kinds.miss:.1f}", f"{100 * kinds.false:.1f}"]
    return cells, score


def main() -> None:
    """Print a row a set and kind of boxes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rung", choices=list(LADDER), default="easy")
    parser.add_argument("--seeds", nargs="+", type=int, default=[110])
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--cameras", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--boxes", nargs="+", choices=["pixels", "exact"], default=["pixels", "exact"])
    parser.add_argument("--work", type=Path, default=Path("runs/bar"))
    parser.add_argument("--keep", action="store_true", help="score runs that are there, without tracking anew")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    args = parser.parse_args()
    print("| seed | boxes | ids | tracks | split | IDF1 | HOTA | tracklets | people | pairs: precision | recall "
          "| splits | merges | miss | false | s |")  # fmt: skip
    print("|" + "---|" * 16)
    worst = dict.fromkeys(args.boxes, 1.0)
    for seed in args.seeds:
        name = f"{args.rung}-{args.cameras}x{args.people}-{seed}"
        scene = args.work / name
        render(scene, args, seed)
        for boxes in args.boxes:
            run, started = args.work / "runs" / f"{name}-{boxes}", time.monotonic()
            if not (args.keep and (run / "evaluation.json").is_file()):
                track(scene, run, boxes, args.overrides)
            took = time.monotonic() - started
            cells, score = row(scene, run)
            worst[boxes] = min(worst[boxes], score)
            print(f"| {seed} | {boxes} | {' | '.join(cells)} | {took:.0f} |", flush=True)
    print("worst IDF1: " + ", ".join(f"{boxes} {100 * score:.1f}" for boxes, score in worst.items()))


if __name__ == "__main__":
    main()
