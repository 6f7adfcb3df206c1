"""Can views that are not calibrated be put on one floor by people who are seen at once (`association.match_views`)?

    python -m benchmarks.view_homography --sets campus pets --seeds 0 1 2

For each pair of views the homography of feet that `pipeline.ground.view_matching` finds, whether it is accepted, and
what the truth says of it: people seen at once by both, and how far the homography is off for them, in their heights.
`--apart`: the second view of each pair is of another time (the second half against the first), so that none is right.
Synthetic (--sets synthetic): three views of one room a seed, and each of them with one of the seed before.
Rooms (--sets rooms): four cameras in three rooms that people walk between, two of them in one room, and each with those
of the seed before; few people and many; counts alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.floor_scenes import (
    FloorScene,
    campus_scene,
    pets_scene,
    settings,
    synthetic_scene,
    synthetic_views,
    track,
)
from pipeline.ground.view_feet import Feet, feet_of, transfer
from pipeline.ground.view_matching import ViewMatch, match_views
from pipeline.types import Float64


def off_truth(matrix: Float64, scene: FloorScene, one: str, two: str) -> tuple[int, float]:
    """People of the truth seen at once by both views, every tenth frame, and their median error in heights."""
    at: list[dict[tuple[int, int], tuple[float, float, float]]] = []
    for name in (one, two):
        truth = scene.truth[name].take(scene.truth[name].frame % 10 == 0)
        keys = zip(truth.frame.tolist(), truth.identity.tolist(), strict=True)
        boxes = truth.xyxy.tolist()
        at.append({key: ((x1 + x2) / 2, y2, y2 - y1) for key, (x1, y1, x2, y2) in zip(keys, boxes, strict=True)})
    both = sorted(at[0].keys() & at[1].keys())
    if not both:
        return 0, float("nan")
    target = np.array([at[1][key] for key in both])
    moved = transfer(matrix[None], np.array([at[0][key][:2] for key in both]))[0][0]
    return len(both), float(np.median(np.linalg.norm(moved - target[:, :2], axis=1) / target[:, 2]))


def row(scene: FloorScene | None, one: str, two: str, seed: int, match: ViewMatch | None) -> None:
    """A line of the table; `scene`: None where the views are of two scenes or times."""
    if match is None:
        print(f"| {one}, {two} | {seed} | none | | no | | |", flush=True)
        return
    count, off = (0, float("nan")) if scene is None else off_truth(match.matrix, scene, match.one, match.two)
    told = f"{match.held_out:.2f} | {match.by_chance:.2f} | {'yes' if match.accepted else 'no'}"
    print(f"| {one}, {two} | {seed} | {told} | {count} | {off:.2f} |", flush=True)


def synthetic(seeds: Sequence[int], rung: str) -> None:
    """Rows of the synthetic world."""
    before: list[Feet] = []
    for seed in seeds:
        scene = synthetic_views(seed, rung, people=10, views=3, seconds=90.0)
        done = track(scene, settings(), dict.fromkeys(scene.start_s, 0.0))
        views = [(o.camera.id, feet_of(o.tracklets, np.arange(88), o.camera.size_wh)) for o, _ in done]
        for (one, a), (two, b) in combinations(views, 2):
            row(scene, one, two, seed, match_views(one, a, two, b))
        for (one, a), b in zip(views, before, strict=False):
            row(None, one, "of the seed before", seed, match_views(one, a, "other", b))
        before = [feet for _, feet in views]


def rooms(seeds: Sequence[int], rung: str, people: int, seconds: float) -> str:
    """A line of counts: pairs that share a room, and pairs that do not."""
    same: list[ViewMatch | None] = []
    apart: list[ViewMatch | None] = []
    before: list[tuple[str, Feet]] = []
    for seed in seeds:
        scene = synthetic_scene(seed, rung, people=people, cameras=4, seconds=seconds)
        done = track(scene, settings(), dict.fromkeys(scene.start_s, 0.0))
        views = [(o.camera.id, feet_of(o.tracklets, np.arange(int(seconds) - 2), o.camera.size_wh)) for o, _ in done]
        for (one, a), (two, b) in combinations(views, 2):
            (same if (one, two) == ("cam1", "cam2") else apart).append(match_views(one, a, two, b))
        apart += [match_views(one, a, "other", b) for one, a in views for _, b in before]
        before = views
    told = [match for match in apart if match is not None]
    held, feet = max((m.held_out for m in told), default=0.0), max((m.feet for m in told), default=0)
    right, wrong = (sum(m is not None and m.accepted for m in matches) for matches in (same, apart))
    cells = [f"{rung}, {people}, {seconds:.0f} s", f"{right} of {len(same)}", f"{wrong} of {len(apart)}"]
    return f"| {' | '.join(cells)} | {held:.2f} | {feet} |"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sets", nargs="+", choices=("campus", "pets", "synthetic", "rooms"), default=["campus"], help="rooms: alone"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rung", default="easy", help="of the synthetic world")
    parser.add_argument("--people", nargs="+", type=int, default=[2, 5, 10, 25], help="of --sets rooms")
    parser.add_argument("--seconds", nargs="+", type=float, default=[60.0, 120.0], help="of --sets rooms")
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    if args.sets == ["rooms"]:
        print(
            "| rung, people | one room accepted | apart accepted | held out, most | feet, most |\n|---|---|---|---|---|"
        )
        for people in args.people:
            for seconds in args.seconds:
                print(rooms(args.seeds, args.rung, people, seconds), flush=True)
        return
    print("| views | seed | held out | by chance | accepted | seen by both, truth | off, heights |")
    print("|---|---|---|---|---|---|---|")
    for name in args.sets:
        if name == "synthetic":
            synthetic(args.seeds, args.rung)
            continue
        folder = args.data / ("campus_auditorium" if name == "campus" else "pets09_s2l1/multiview")
        scene = campus_scene(folder) if name == "campus" else pets_scene(folder)
        done = track(scene, settings(), dict.fromkeys(scene.start_s, 0.0))
        seconds = np.arange(min(int(frames[-1][0]) for frames in scene.frames.values()))
        seconds = seconds[: len(seconds) // 2 * 2]
        views = {o.camera.id: feet_of(o.tracklets, seconds, o.camera.size_wh) for o, _ in done}
        half = np.arange(len(seconds) // 2)
        for (one, a), (two, b) in combinations(views.items(), 2):
            pair = (a.of(half), b.of(half + len(half))) if args.apart else (a, b)
            for seed in args.seeds:
                match = match_views(one, pair[0], two, pair[1], seed=seed)
                row(None if args.apart else scene, one, two, seed, match)


if __name__ == "__main__":
    main()
