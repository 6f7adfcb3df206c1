"""Single counts that association rests on: who stands in whose box, and where a track goes on.

    python -m benchmarks.association_counts --data ../shared/data

- overlap: truth of campus_auditorium and TUD, cut to pieces of 60 frames: share of the pairs of two people in view
  together whose median intersection over the smaller box is `duplicate_overlap` or more, so that nothing is concluded;
- course: broken tracks of the synthetic world (benchmarks/association_world.py: `crowd`, 40 people, 5 cameras, 90 s):
  mean log loss of "this track of the camera goes on with that one" over all pairs up to 15 s apart, from the share of
  such pairs that are one person alone; with the course, others taken to begin evenly over the image; and as it is. Then
  the pairs by the log-odds of the course, which do not hold that share yet.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.association_world import FPS, walk
from evaluation.mot_text import read_mot
from pipeline.association import continuity
from pipeline.association.constraints import common_overlap
from pipeline.config import AssociationConfig
from pipeline.types import Bool, Camera, Float64, Int64, Scene, Tracklet
from synthetic.scenario import build_scenario

PIECE_FRAMES = 60
TRUTHS = {"HC3": 29.97, "HC4": 29.97, "IP2": 29.97, "IP5": 29.97, "TUD-Campus": 25.0, "TUD-Stadtmitte": 25.0}
EDGES = (-np.inf, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, np.inf)


def pieces_of(truth: Path, fps: float) -> list[tuple[int, Tracklet]]:
    """Person and tracklet of each piece of PIECE_FRAMES of a MOT truth."""
    rows = read_mot(truth, truth=True, duplicates="first")
    label = np.stack([rows.identity, rows.frame // PIECE_FRAMES], axis=1)
    pieces = []
    for number, (person, piece) in enumerate(np.unique(label, axis=0).tolist()):
        own = rows.take((label == (person, piece)).all(axis=1))
        own = own.take(np.argsort(own.frame))
        count = len(own)
        boxes, sure = own.xyxy.astype(np.float32), np.ones(count, np.float32)
        pieces.append((person, Tracklet(("camera", number), own.frame, own.frame / fps, boxes, sure, sure > 0)))
    return pieces


def covered(pieces: Sequence[tuple[int, Tracklet]], least: float) -> tuple[int, int]:
    """Pairs of two people in view together: those whose median overlap is `least` or more, and all."""
    overlaps = [
        overlap
        for (one, a), (two, b) in combinations(pieces, 2)
        if one != two and (overlap := common_overlap(a, b)) is not None
    ]
    return sum(overlap >= least for overlap in overlaps), len(overlaps)


def course_of(scenes: int) -> tuple[Float64, Float64, Bool]:
    """Log-odds of all near pairs `(P,)`, with others' starts taken as even and as counted; and which are one person."""
    even: list[Float64] = []
    counted: list[Float64] = []
    same: list[Bool] = []
    for seed in range(11, 11 + scenes):
        scenario = build_scenario(seed, people=40, cameras=5, duration_s=90.0, difficulty="crowd")
        tracklets, truth = walk(scenario, scenario.cameras)
        tracklets.sort(key=lambda t: t.key)
        cameras = tuple(Camera(c.id, (Path(f"{c.id}.mp4"),), c.pinhole.size_wh, FPS) for c in scenario.cameras)
        pairs = np.array([
            (i, j)
            for (i, a), (j, b) in combinations(enumerate(tracklets), 2)
            if a.key[0] == b.key[0] and 0 < max(a.start_s, b.start_s) - min(a.end_s, b.end_s) <= continuity.LONGEST_S
        ])  # fmt: skip
        for found, evenly in ((even, True), (counted, False)):
            found.append(log_odds_of(tracklets, cameras, pairs, evenly=evenly))
        same.append(np.array([truth[tracklets[i].key] == truth[tracklets[j].key] for i, j in pairs.tolist()]))
    return np.concatenate(even), np.concatenate(counted), np.concatenate(same)


def log_odds_of(tracklets: Sequence[Tracklet], cameras: tuple[Camera, ...], pairs: Int64, *, evenly: bool) -> Float64:
    """Of the course alone."""
    usual = (lambda camera, first, height, area: 1.0 / area) if evenly else continuity._usual
    with patch.object(continuity, "_usual", usual):
        evidence = continuity.continuity(tracklets, Scene(cameras, "unknown"), AssociationConfig())
    if evidence is None:
        raise ValueError("no two tracklets of one camera")
    return evidence.log_odds(pairs[:, 0], pairs[:, 1])


def log_loss(log_odds: Float64, same: Bool) -> float:
    """Mean over pairs, the share of one person given."""
    share = same.mean()
    odds = log_odds + np.log(share / (1 - share))
    return float(np.mean(np.logaddexp(0, np.where(same, -odds, odds))))


def course(scenes: int) -> Iterator[str]:
    """What is printed of it."""
    even, counted, same = course_of(scenes)
    losses = [log_loss(odds, same) for odds in (np.zeros(len(same)), even, counted)]
    yield f"course: {len(same):,} pairs, {same.sum()} of one person"
    yield "log loss of the share alone, even starts, as it is: " + ", ".join(f"{loss:.3f}" for loss in losses)
    for low, high in pairwise(EDGES):
        here = same[(counted >= low) & (counted < high)]
        yield f"log-odds {low:g} to {high:g}: {here.sum()} of {len(here)} are one person"


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with tud and campus_auditorium; without it only the course")
    parser.add_argument("--scenes", type=int, default=4, help="of the synthetic world")
    args = parser.parse_args()
    least = AssociationConfig().duplicate_overlap
    for name, fps in TRUTHS.items() if args.data else ():
        folder = args.data / ("tud" if name.startswith("TUD") else "campus_auditorium") / name
        found, pairs = covered(pieces_of(folder / "gt.txt", fps), least)
        print(f"overlap, {name}: {found} of {pairs} pairs of two people ({found / max(pairs, 1):.1%})", flush=True)
    for line in course(args.scenes):
        print(line, flush=True)


if __name__ == "__main__":
    main()
