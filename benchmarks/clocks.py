"""How well recordings without a common clock are put on one: error of the offset, and whether strangers are refused.

    python -m benchmarks.clocks --seeds 21 22 23 --rung clocks --people 9

Synthetic world, two cameras of one room with own frame rates (rung `clocks` or `all`), boxes with a detector's noise,
tracked once a seed; the tracklets are then cut to recordings of different starts and lengths. `common`: 10 to 60 s in
common. The others have no right offset, so that every one accepted is a false one. `apart`: the same cameras and people
at different times. `reversed`: the one runs backwards, of different times and of the same. `shuffled`: each trajectory
begins at a time of its own, of different times; `shuffled, same time`: so of one time, where pieces of the same walk
remain. `other scene`: the other camera is of another seed. PETS (--sets pets): seven views in step, each moved and cut
at random; and pairs of views at different times.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.floor_scenes import FloorScene, pets_scene, settings, synthetic_scene, track
from pipeline.association.alignment import align_by_floor, unite
from pipeline.association.clock_evidence import ClockEvidence
from pipeline.types import Camera, Scene, Tracklet

Spans = dict[str, tuple[float, float]]
_SECONDS = 200.0
_COMMON_S = (10.0, 15.0, 20.0, 30.0, 60.0)
_LENGTHS_S = (30.0, 60.0, 90.0)
_RIGHT_S = 1.0


@dataclass(frozen=True)
class Case:
    """Two recordings: what they are, the offset that is right (None: none is), and what was found."""

    kind: str
    offset_s: float | None
    evidence: ClockEvidence | None

    @property
    def right(self) -> bool:
        """The best offset, accepted or not, is the true one."""
        return (
            self.evidence is not None
            and self.offset_s is not None
            and abs(self.evidence.offset_s - self.offset_s) <= _RIGHT_S
        )

    @property
    def accepted(self) -> bool:
        """Some offset is relied on."""
        return self.evidence is not None and self.evidence.accepted


def cut(scene: FloorScene, spans: Spans) -> FloorScene:
    """Each camera's frames from and to the times of its own file given; its file then begins there."""
    frames = {
        name: [(time_s - low, found) for time_s, found in scene.frames[name] if low <= time_s < high]
        for name, (low, high) in spans.items()
    }
    cameras = tuple(camera for camera in scene.cameras if camera.id in spans)
    starts = {name: scene.start_s[name] + low for name, (low, _) in spans.items()}
    return replace(scene, cameras=cameras, frames=frames, start_s=starts)


def tracked(scene: FloorScene) -> list[Tracklet]:
    """All cameras' tracklets, each by its own file's times."""
    done = track(scene, settings(), dict.fromkeys(scene.start_s, 0.0))
    return [tracklet for outcome, _ in done for tracklet in outcome.tracklets]


def cut_tracklets(tracklets: Sequence[Tracklet], spans: Spans) -> list[Tracklet]:
    """What is left of them in each camera's span, which then begins at 0."""
    result = []
    for one in tracklets:
        low, high = spans[one.camera_id]
        kept = (one.time_s >= low) & (one.time_s < high)
        if kept.sum() > 2:
            result.append(
                replace(
                    one, frame_index=one.frame_index[kept], time_s=one.time_s[kept] - low, xyxy=one.xyxy[kept],
                    confidence=one.confidence[kept], observed=one.observed[kept],
                )
            )  # fmt: skip
    return result


def _backwards(tracklets: Sequence[Tracklet], camera: str, length: float) -> list[Tracklet]:
    return [
        replace(
            one, time_s=(length - one.time_s)[::-1].copy(), xyxy=one.xyxy[::-1].copy(),
            confidence=one.confidence[::-1].copy(), observed=one.observed[::-1].copy(),
        ) if one.camera_id == camera else one
        for one in tracklets
    ]  # fmt: skip


def shuffled(tracklets: Sequence[Tracklet], camera: str, length: float, rng: np.random.Generator) -> list[Tracklet]:
    """Those of `camera` each begin at a random time of a recording of `length` s."""
    result = []
    for one in tracklets:
        room = max(length - (one.end_s - one.start_s), 0.0)
        moved = one.time_s - one.start_s + rng.uniform(0, room)
        result.append(replace(one, time_s=moved) if one.camera_id == camera else one)
    return result


def compare(kind: str, cameras: Sequence[Camera], tracklets: Sequence[Tracklet], offset_s: float | None) -> Case:
    """What alignment says of two cameras."""
    found = align_by_floor(tracklets, Scene(tuple(cameras), "unknown"))
    return Case(kind, offset_s, found[0] if found else None)


def in_common(scene: FloorScene, tracklets: Sequence[Tracklet], rng: np.random.Generator) -> Iterator[Case]:
    """Recordings of 30 s and more with some time in common; the second goes on for up to 40 s."""
    a, b = (camera.id for camera in scene.cameras)
    apart = scene.start_s[b] - scene.start_s[a]
    for common in _COMMON_S:
        length, low = max(30.0, common), float(rng.uniform(0, 60))
        begins = low + length - common - apart
        spans = {a: (low, low + length), b: (begins, begins + common + float(rng.uniform(0, 40)))}
        truth = spans[b][0] + apart - spans[a][0]
        yield compare(f"{common:g} s in common", scene.cameras, cut_tracklets(tracklets, spans), truth)


def strangers(scene: FloorScene, tracklets: Sequence[Tracklet], rng: np.random.Generator) -> Iterator[Case]:
    """Recordings of which no offset is right."""
    a, b = (camera.id for camera in scene.cameras)
    for length in _LENGTHS_S:
        low, late = float(rng.uniform(0, 100 - length)), float(rng.uniform(108, _SECONDS - length))
        spans = {a: (low, low + length), b: (late, late + length)}
        at_once = {a: spans[a], b: (low, low + length)}
        other, same = cut_tracklets(tracklets, spans), cut_tracklets(tracklets, at_once)
        for kind, changed in (
            ("apart", other),
            ("backwards, apart", _backwards(other, b, length)),
            ("backwards, same time", _backwards(same, b, length)),
            ("shuffled, apart", shuffled(other, b, length, rng)),
            ("shuffled, same time", shuffled(same, b, length, rng)),
        ):
            yield compare(kind, scene.cameras, changed, None)


def other_scene(one: FloorScene, of_one: list[Tracklet], two: FloorScene, of_two: list[Tracklet]) -> Case:
    """The first camera of one scene and the second of another, 60 s of each."""
    a, b = one.cameras[0], two.cameras[1]
    mixed = [t for t in of_one if t.camera_id == a.id] + [t for t in of_two if t.camera_id == b.id]
    return compare("other scene", (a, b), cut_tracklets(mixed, {a.id: (0.0, 60.0), b.id: (0.0, 60.0)}), None)


def table(found: Sequence[Case]) -> None:
    """A row for each kind."""
    print(
        "| recordings | number | best offset right | accepted, right | accepted, wrong | largest error | peak | seen |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for kind in dict.fromkeys(case.kind for case in found):
        mine = [case for case in found if case.kind == kind]
        told = [case.evidence for case in mine if case.evidence is not None]
        related = mine[0].offset_s is not None
        edge, word = (min, "from") if related else (max, "to")
        peak = edge((one.strength for one in told), default=0.0)
        seen = edge((one.seen_by_both or 0.0 for one in told), default=0.0)
        right = [case for case in mine if case.right and case.accepted]
        errors = [abs(c.evidence.offset_s - c.offset_s) for c in right if c.evidence and c.offset_s is not None]
        print(
            f"| {kind} | {len(mine)} | {sum(case.right for case in mine) if related else ''} | "
            f"{len(right) if related else ''} | {sum(case.accepted for case in mine) - len(right)} | "
            f"{f'{max(errors):.2f} s' if errors else ''} | {word} {peak:.1f} | {word} {seen:.2f} |",
            flush=True,
        )


def synthetic(seeds: Sequence[int], rung: str, people: int) -> None:
    """Rows of the synthetic world."""
    found: list[Case] = []
    before: tuple[FloorScene, list[Tracklet]] | None = None
    for seed in seeds:
        scene = synthetic_scene(seed, rung, people=people, cameras=2, seconds=_SECONDS)
        tracklets, rng = tracked(scene), np.random.default_rng(seed)
        found += [*in_common(scene, tracklets, rng), *strangers(scene, tracklets, rng)]
        if before is not None:
            found += [other_scene(*before, scene, tracklets), other_scene(scene, tracklets, *before)]
        before = scene, tracklets
    table(sorted(found, key=lambda case: case.offset_s is None))


def pets(data: Path, seed: int) -> None:
    """Seven views, each moved and cut; all together; and pairs of views of different times."""
    scene = pets_scene(data / "pets09_s2l1" / "multiview")
    tracklets, rng = tracked(scene), np.random.default_rng(seed)
    spans = {c.id: (float(rng.uniform(0, 30)), float(rng.uniform(85, 114))) for c in scene.cameras}
    moved = cut_tracklets(tracklets, spans)
    found = []
    for a, b in combinations(scene.cameras, 2):
        both = [t for t in moved if t.camera_id in (a.id, b.id)]
        found.append(compare("PETS, 55 s and more in common", (a, b), both, spans[b.id][0] - spans[a.id][0]))
    for a, b in combinations(scene.cameras, 2):
        for low, high in (((0.0, 50.0), (60.0, 110.0)), ((60.0, 110.0), (0.0, 50.0))):
            both = [t for t in tracklets if t.camera_id in (a.id, b.id)]
            found.append(compare("PETS, apart", (a, b), cut_tracklets(both, {a.id: low, b.id: high}), None))
    table(found)
    united = unite([c.id for c in scene.cameras], [case.evidence for case in found[:21] if case.evidence is not None])
    base = spans[united.reference][0] if united.reference else 0.0
    errors = {n: o - (spans[n][0] - base) for n, o in united.offset_s.items()}
    shown = ", ".join(f"{n} {e:+.2f}" for n, e in errors.items())
    print(f"\nall views {'accepted' if united.accepted else 'refused'}: errors {shown}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=("synthetic", "pets"), default=["synthetic"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[21, 22, 23])
    parser.add_argument("--rung", default="clocks", help="of the synthetic world: clocks or all")
    parser.add_argument("--people", type=int, default=9)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    if "synthetic" in args.sets:
        synthetic(args.seeds, args.rung, args.people)
    if "pets" in args.sets:
        pets(args.data, args.seeds[0])


if __name__ == "__main__":
    main()
