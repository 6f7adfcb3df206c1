"""Trackers on boxes that are given: MOTA, IDF1, HOTA and ms a frame beside published rows and the ceiling.

    python -m benchmarks.tracking --data ../shared/data --evaluator ../shared/mtmc_eval.py --sets pets tud campus

PETS view 1 is the reported measure; parameters were chosen on the other sets (benchmarks/tune_tracker.py).
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from types import ModuleType

from benchmarks.tracking_data import Clip, best_of, finished, load_evaluator, online, perfect_ids, read_clip, score
from pipeline.config import TrackerConfig
from trackers import build_tracker

# PETS view 1, the same boxes and evaluator: MOTA, IDF1, HOTA in %.
PUBLISHED = {
    "SORT as published": (61.9, 35.1, 30.6),
    "boxmot 25 ByteTrack": (62.8, 44.5, 35.7),
    "roboflow trackers 2.6 ByteTrack": (58.6, 45.4, 34.9),
    "roboflow trackers 2.6 BoT-SORT": (58.6, 46.8, 37.0),
}
PETS_FPS = 7.0


def clips_of(name: str, data: Path) -> list[Clip]:
    """The sequences of a set."""
    if name == "pets":
        boxes = data / "pets09_s2l1" / "det_sort_faster_rcnn.txt"
        return [read_clip("PETS view 1", name, boxes, PETS_FPS)]
    if name == "tud":
        folders = [data / "tud" / place for place in ("TUD-Campus", "TUD-Stadtmitte")]
        return [read_clip(folder.name, name, folder / "det_sort_frcnn.txt", 25.0) for folder in folders]
    folders = [data / "campus_auditorium" / view for view in ("HC3", "HC4", "IP2", "IP5")]
    return [read_clip(f"campus {folder.name}", name, folder / "det.txt", 29.97) for folder in folders]


def line(name: str, values: tuple[float, float, float], rest: str = "") -> str:
    """One row of the table, values in %."""
    return f"| {name} | " + " | ".join(f"{value:.1f}" for value in values) + f" | {rest} |"


def report(clip: Clip, evaluator: ModuleType, repeats: int) -> None:
    """Print the table of one sequence."""
    print(f"\n{clip.name}: {len(clip.frames)} frames\n")
    print("| | MOTA | IDF1 | HOTA | ids / true, switches, ms a frame |\n|---|---|---|---|---|")
    if clip.group == "pets":
        for name, values in PUBLISHED.items():
            print(line(name, values))
    for name in ("sort_paper", "sort", "bytetrack"):
        config = TrackerConfig.model_validate({"name": name})
        make = partial(build_tracker, config)
        cost = f"{best_of(repeats, make, clip.frames):.2f}"
        if name == "sort_paper":
            rows = {"sort_paper, online": online(make(), clip.frames)[0]}
        else:
            filled, observed = finished(make(), config, clip.frames)
            rows = {f"{name}, observed boxes": observed, f"{name}, finished tracklets": filled}
        for label, table in rows.items():
            s = score(table, clip.truth, evaluator)
            values = (100 * s["mota"], 100 * s["idf1"], 100 * s["hota"])
            print(line(label, values, f"{s['ids']} / {s['true_ids']}, {s['idsw']:.0f}, {cost}"))
    s = score(perfect_ids(clip, evaluator), clip.truth, evaluator)
    print(line("ceiling: perfect ids on these boxes, unfilled", (100 * s["mota"], 100 * s["idf1"], 100 * s["hota"])))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--evaluator", type=Path, required=True, help="mtmc_eval.py")
    parser.add_argument("--sets", nargs="+", choices=("pets", "tud", "campus"), default=["pets"])
    parser.add_argument("--repeats", type=int, default=3, help="timing runs; the fastest counts")
    arguments = parser.parse_args()
    evaluator = load_evaluator(arguments.evaluator)
    for name in arguments.sets:
        for clip in clips_of(name, arguments.data):
            report(clip, evaluator, arguments.repeats)


if __name__ == "__main__":
    main()
