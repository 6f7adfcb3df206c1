"""How association grows: from 1,000 to 1,000,000 tracklets of a made-up stream (crowd_stream.py), 30-minute window.

    python -m benchmarks.association_scale --rows scale.json --picture docs/images/association_scale.svg
    python -m benchmarks.association_scale --sizes 1000000 --rows scale.json    # 10 GB, 10 minutes; added to the rows
    python -m benchmarks.association_scale --sizes --rows scale.json --picture docs/images/association_scale.svg

Timed is all of `AverageLinkageAssociator.solve`: from tracklets and embeddings to trajectories with links and report.
Each size runs in a process of its own; cpu is its user and system time. With `--rows` the rows of this run join those
of earlier ones in that file (the same size and seed is replaced); table, slope and picture show them all. Whether
candidates hold what they should: benchmarks/association_candidates.py.
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

from benchmarks.crowd_stream import make, own_prior, pairs
from benchmarks.scale_picture import draw, slope
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.config import AssociationConfig
from pipeline.types import Clock

SIZES = (1000, 3000, 10_000, 30_000, 100_000)
Row = dict[str, float]


def measure(count: int, seed: int, clock: Clock, *, all_pairs: bool = False) -> Row:
    """One size, in this process; as a large scene but with `all_pairs`.

    `missed_links`: the share of the joinings that the truth wants and that were not made, by how many pieces true
    people are in.
    """
    tracklets, embeddings, scene, truth = make(count, seed)
    scene = replace(scene, clock=clock)
    associator = AverageLinkageAssociator(AssociationConfig(dense_up_to=count if all_pairs else 0), own_prior())
    base = resource.getrusage(resource.RUSAGE_SELF)
    wall = time.perf_counter()
    result = associator.solve(tracklets, embeddings, scene)
    wall = time.perf_counter() - wall
    used = resource.getrusage(resource.RUSAGE_SELF)
    real = np.array([truth[t.key] for trajectory in result.trajectories for t in trajectory.tracklets])
    found = np.array([trajectory.person_id for trajectory in result.trajectories for _ in trajectory.tracklets])
    both = real * (found.max() + 1) + found
    hits = pairs(both)
    wrong = sum(truth[link.from_key] != truth[link.to_key] for t in result.trajectories for link in t.links)
    missed = len(np.unique(both)) - len(np.unique(real))
    report = result.report
    return {
        "tracklets": count,
        "seed": seed,
        "common_clock": float(clock == "common"),
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime - base.ru_utime - base.ru_stime,
        "peak_gb": used.ru_maxrss / 2**20,
        "input_gb": base.ru_maxrss / 2**20,
        "people": len(result.trajectories),
        "true_people": len(np.unique(real)),
        "links": report.links,
        "false_links": wrong / max(report.links, 1),
        "false_printed": report.estimated_false_link_rate or 0.0,
        "missed_links": missed / max(len(real) - len(np.unique(real)), 1),
        "missed_printed": report.estimated_missed_link_rate or 0.0,
        "largest_component": report.solved.largest_component,
        "pair_precision": hits / max(pairs(found), 1.0),
        "pair_recall": hits / max(pairs(real), 1.0),
        "pair_f1": 2 * hits / max(pairs(real) + pairs(found), 1.0),
    }


def in_own_process(count: int, seed: int, clock: Clock, *, all_pairs: bool = False) -> Row:
    """`measure`, with memory of its own."""
    command = [sys.executable, "-m", "benchmarks.association_scale", "--one", str(count), "--seed", str(seed)]
    command += ["--clock", clock, *(["--all-pairs"] if all_pairs else [])]
    row: Row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return row


def joined(rows: list[Row], row: Row) -> list[Row]:
    """The rows with `row` in place of an older one of its size, seed and clock, by these."""

    def name(r: Row) -> tuple[float, float, float]:
        return r["seed"], -r["common_clock"], r["tracklets"]

    return sorted([*(old for old in rows if name(old) != name(row)), row], key=name)


def table(rows: list[Row]) -> str:
    """Markdown, one line a row."""
    head = (
        "tracklets | seed | clock | wall s | cpu s | peak GB | of it input | largest part | pair precision | recall | "
        "F1 | false links (printed) | missed (printed)"
    )
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    for r in rows:
        clock = "common" if r["common_clock"] else "unknown"
        lines.append(
            f"| {r['tracklets']:,} | {r['seed']} | {clock} | {r['wall_s']:.0f} | {r['cpu_s']:.0f} | "
            f"{r['peak_gb']:.1f} | {r['input_gb']:.1f} | {r['largest_component']} | "
            f"{100 * r['pair_precision']:.1f} | {100 * r['pair_recall']:.1f} | {100 * r['pair_f1']:.1f} | "
            f"{r['false_links']:.4f} ({r['false_printed']:.4f}) | "
            f"{r['missed_links']:.4f} ({r['missed_printed']:.4f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the sizes, print the table and the slopes, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--seed", type=int, default=0, help="of the stream")
    parser.add_argument("--clock", choices=("common", "unknown"), default="common", help="of the cameras")
    parser.add_argument("--all-pairs", action="store_true", help="compare all pairs, whatever the size; no --rows")
    parser.add_argument("--rows", type=Path, help="JSON file of rows that this run's are added to")
    parser.add_argument("--picture", type=Path, help="SVG of cpu time and memory by size")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.seed, arguments.clock, all_pairs=arguments.all_pairs)))
        return
    rows: list[Row] = []
    if arguments.rows and arguments.rows.exists():
        rows = json.loads(arguments.rows.read_text(encoding="utf-8"))
    for count in arguments.sizes:
        rows = joined(rows, in_own_process(count, arguments.seed, arguments.clock, all_pairs=arguments.all_pairs))
        if arguments.rows:
            arguments.rows.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(table(rows))
    for name in ("cpu_s", "peak_gb"):
        exponent = slope(rows, name)
        if exponent is not None:
            print(f"log-log slope of {name}: {exponent:.2f}")
    if arguments.picture:
        arguments.picture.write_text(draw(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
