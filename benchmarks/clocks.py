"""How well recordings without a common clock are put on one: error of the offset, and whether strangers are refused.

    python -m benchmarks.clocks --seeds 21 22 23

Synthetic world, rung `clocks` (own frame rates, own starts), two cameras of one room, boxes with a detector's noise.
`overlapping`: recordings of different lengths with 20 to 60 s in common. `apart`: the same cameras and people at
different times, so that no offset is right and every one accepted is a false one. PETS: seven views in step, each moved
by a random offset (--sets pets).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.floor_scenes import FloorScene, pets_scene, settings, synthetic_scene, track
from pipeline.association.alignment import align_by_floor, unite
from pipeline.types import Scene


def cut(scene: FloorScene, spans: dict[str, tuple[float, float]]) -> FloorScene:
    """Each camera's frames from and to the times of its own file given; its file then begins there."""
    frames = {
        name: [(time_s - low, found) for time_s, found in scene.frames[name] if low <= time_s < high]
        for name, (low, high) in spans.items()
    }
    cameras = tuple(camera for camera in scene.cameras if camera.id in spans)
    starts = {name: scene.start_s[name] + low for name, (low, _) in spans.items()}
    return replace(scene, cameras=cameras, frames=frames, start_s=starts)


def measure(scene: FloorScene, name: str, *, apart: bool) -> list[tuple[bool, float]]:
    """A line for each pair of cameras, and whether it was accepted with what error, s."""
    tracked = track(scene, settings(), dict.fromkeys(scene.start_s, 0.0))
    tracklets = [tracklet for outcome, _ in tracked for tracklet in outcome.tracklets]
    evidence = align_by_floor(tracklets, Scene(scene.cameras, "unknown"))
    result = []
    for one in evidence:
        error = one.offset_s - (scene.start_s[one.camera_b] - scene.start_s[one.camera_a])
        verdict = "accepted" if one.accepted else f"refused: {one.reason}"
        told = "none" if apart else f"{error:+.2f}"
        print(
            f"| {name} {one.camera_a} {one.camera_b} | {told} | {one.sigma_s:.2f} | {one.people} | {one.strength:.1f} |"
            f" {one.rival:.1f} | {verdict} |",
            flush=True,
        )
        result.append((one.accepted, error))
    if len(scene.cameras) > 2:
        united = unite([camera.id for camera in scene.cameras], evidence)
        base = scene.start_s[united.reference] if united.reference else 0.0
        errors = {n: o - (scene.start_s[n] - base) for n, o in united.offset_s.items()}
        shown = ", ".join(f"{n} {e:+.2f}" for n, e in errors.items())
        print(f"\nall cameras {'accepted' if united.accepted else 'refused'}: errors {shown}\n", flush=True)
    return result


def synthetic(seeds: list[int], people: int) -> None:
    """Rows of the synthetic world and what they come to."""
    right, wrong, refused = [], 0, 0
    strangers = [0, 0]
    for seed in seeds:
        scene = synthetic_scene(seed, "clocks", people=people, cameras=2, seconds=200.0)
        a, b = (camera.id for camera in scene.cameras)
        rng = np.random.default_rng(seed)
        for common in (20.0, 40.0, 60.0):
            low = float(rng.uniform(0, 30))
            spans = {a: (low, low + 60.0), b: (low + 60.0 - common, low + 60.0 + float(rng.uniform(0, 40)))}
            for accepted, error in measure(cut(scene, spans), f"seed {seed}, {common:g} s common", apart=False):
                refused += not accepted
                wrong += accepted and abs(error) > 1.0
                right += [abs(error)] if accepted and abs(error) <= 1.0 else []
        for accepted, _ in measure(cut(scene, {a: (0.0, 80.0), b: (100.0, 190.0)}), f"seed {seed}, apart", apart=True):
            strangers[0] += 1
            strangers[1] += accepted
    print(
        f"\noverlapping: {len(right)} right (median error {np.median(right) if right else np.nan:.3f} s, "
        f"largest {max(right, default=np.nan):.3f} s), {wrong} wrong, {refused} refused; "
        f"apart: {strangers[1]} of {strangers[0]} accepted"
    )


def pets(data: Path, seed: int) -> None:
    """Seven views, each moved and cut."""
    scene = pets_scene(data / "pets09_s2l1" / "multiview")
    rng = np.random.default_rng(seed)
    spans = {c.id: (float(rng.uniform(0, 30)), float(rng.uniform(85, 114))) for c in scene.cameras}
    moved = cut(scene, spans)
    pairs = [pair for pair in measure(moved, "PETS", apart=False) if pair[0]]
    total = len(list(combinations(scene.cameras, 2)))
    worst = max((abs(error) for _, error in pairs), default=float("nan"))
    print(f"PETS: {len(pairs)} of {total} pairs accepted, largest error {worst:.2f} s")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=("synthetic", "pets"), default=["synthetic"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[21, 22, 23])
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    print("| recordings | error s | one sigma s | people | peak | next | |\n|---|---|---|---|---|---|---|")
    if "synthetic" in args.sets:
        synthetic(args.seeds, args.people)
    if "pets" in args.sets:
        pets(args.data, args.seeds[0])


if __name__ == "__main__":
    main()
