"""Association by place alone: cameras' boxes through tracker and association with and without calibration.

    python -m benchmarks.association_floor --sets synthetic
    python -m benchmarks.association_floor --sets pets campus --data ../shared/data

No picture is read and nobody is embedded, so without calibration nothing can be linked across cameras: that row says
what tracking alone gives. IDF1 and pair F1 over all cameras with global ids; the ceiling is perfect linking of the same
tracklets, once as the tracker left them and once as they were split where other views show two people. Two rows tell
what kind of error lies between: the people found, once with every joining of tracklets of two people undone, once with
every missing joining made. Places' log-odds are tuned on the synthetic seeds 1 to 6; others
are reported.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
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
from evaluation.ceilings import perfect_ids, perfect_linking
from evaluation.mot_text import MotRows
from evaluation.multi_camera import PairResult, evaluate_tracking
from evaluation.partial import evaluate_partial
from pipeline.stages.linking import link_cameras
from pipeline.types import Scene, Tracklet, TrackletKey


def rows_of(tracklets: Sequence[tuple[int, Tracklet]], camera_id: str) -> MotRows:
    """MOT rows of the tracklets of a camera under the ids given."""
    values = [
        [frame + 1, number, *box[:2], box[2] - box[0], box[3] - box[1]]
        for number, tracklet in tracklets
        if tracklet.camera_id == camera_id
        for frame, box in zip(tracklet.frame_index.tolist(), tracklet.xyxy.tolist(), strict=True)
    ]
    return MotRows.of(values)


def score(scene: FloorScene, predicted: dict[str, MotRows]) -> tuple[float, PairResult]:
    """IDF1 over all cameras, and the links between cameras."""
    if scene.partial:
        partial = evaluate_partial(scene.truth, predicted)
        return partial.idf1, partial.pairs
    whole = evaluate_tracking(scene.truth, predicted)
    return whole.total.identity.idf1, whole.pairs


def row(name: str, idf1: float, pairs: PairResult, rest: str = "") -> str:
    """One line of the table."""
    cells = [f"{100 * value:.1f}" for value in (idf1, pairs.f1, pairs.precision, pairs.recall)]
    return f"| {name} | {' | '.join(cells)} | {rest} |"


def whose(tracklets: Sequence[Tracklet], ceiling: dict[str, MotRows]) -> dict[TrackletKey, int]:
    """The id that perfect linking gives each tracklet, by the first of its boxes that stands there; one of which none
    does, for others cover the same person, has an id of its own below 0."""
    at = {
        (camera, int(frame), *np.round(box, 2).tolist()): int(person)
        for camera, rows in ceiling.items()
        for frame, person, box in zip(rows.frame, rows.identity, rows.xyxy, strict=True)
    }
    result: dict[TrackletKey, int] = {}
    for number, tracklet in enumerate(tracklets):
        own = rows_of([(0, tracklet)], tracklet.camera_id)
        boxes = zip(own.frame.tolist(), np.round(own.xyxy, 2).tolist(), strict=True)
        ids = (at.get((tracklet.camera_id, frame, *box)) for frame, box in boxes)
        result[tracklet.key] = next((one for one in ids if one is not None), -1 - number)
    return result


def without_one_kind_of_error(
    people: Sequence[tuple[int, Tracklet]], person: dict[TrackletKey, int]
) -> dict[str, list[tuple[int, Tracklet]]]:
    """The `people` found, once with each group parted by the true `person`, once with the groups of one person joined:
    a group belongs to who has most boxes in it."""
    parted = {pair: n for n, pair in enumerate(sorted({(number, person[t.key]) for number, t in people}))}
    votes: dict[int, Counter[int]] = {}
    for number, tracklet in people:
        votes.setdefault(number, Counter())[person[tracklet.key]] += len(tracklet)
    most = {number: min(vote, key=lambda who: (-vote[who], who)) for number, vote in votes.items()}
    return {
        "wrong joinings undone": [(parted[number, person[t.key]], t) for number, t in people],
        "missing joinings made": [(most[number], t) for number, t in people],
    }


def report(scene: FloorScene) -> None:
    """The rows of a scene."""
    without = settings()
    tracked = track(scene, without, scene.start_s)
    cameras = [camera.id for camera in scene.cameras]
    everybody = [tracklet for outcome, _ in tracked for tracklet in outcome.tracklets]
    placed = any(camera.calibration for camera in scene.cameras)
    people: list[tuple[int, Tracklet]] = []
    split: Sequence[Tracklet] = everybody
    for name in ("not calibrated", "views matched", "calibrated") if placed else ("not calibrated", "views matched"):
        config = without.model_copy(
            update={"association": without.association.model_copy(update={"match_views": name == "views matched"})}
        )
        known = scene.cameras if name == "calibrated" else tuple(replace(c, calibration=None) for c in scene.cameras)
        everywhere = frozenset(frozenset((a, b)) for a in cameras for b in cameras if a != b)
        started = time.perf_counter()
        linked = link_cameras(tracked, Scene(known, "common", everywhere), config, None, 4)
        took = time.perf_counter() - started
        people = [(p.person_id, t) for p in linked.result.trajectories for t in p.tracklets]
        idf1, pairs = score(scene, {camera: rows_of(people, camera) for camera in cameras})
        told = linked.result.report.estimated_false_link_rate
        split = linked.purified.tracklets
        rest = f"{len(linked.result.trajectories)} people of {len(split)} tracklets, {took:.1f} s"
        rest += "" if told is None else f", false links said {told:.3f}"
        print(row(f"{scene.name}: {name}", idf1, pairs, rest))
    tracklets, parts = ({c: rows_of([(t.key[1], t) for t in own], c) for c in cameras} for own in (everybody, split))
    ceiling = perfect_linking(scene.truth, parts)
    errors = without_one_kind_of_error(people, whose(split, ceiling)) if placed else {}
    for name, mended in errors.items():
        print(row(f"{scene.name}: calibrated, {name}", *score(scene, {c: rows_of(mended, c) for c in cameras})))
    if placed:
        print(row(f"{scene.name}: ceiling after the split", *score(scene, ceiling)))
        ceiling = perfect_linking(scene.truth, tracklets)
    true = len({int(i) for rows in scene.truth.values() for i in rows.identity})
    print(row(f"{scene.name}: ceiling", *score(scene, ceiling), f"{true} true people"))
    if not placed:
        boxes = perfect_ids(scene.truth, tracklets)
        print(row(f"{scene.name}: ceiling, perfect ids on the same boxes", *score(scene, boxes)))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=("synthetic", "pets", "campus"), default=["synthetic"])
    parser.add_argument("--rungs", nargs="+", default=["easy", "crowd"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12, 13])
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--views", type=int, help="one room seen by so many cameras, in place of --cameras")
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    print("| | IDF1 | pair F1 | precision | recall | |\n|---|---|---|---|---|---|")
    for name in args.sets:
        if name == "pets":
            report(pets_scene(args.data / "pets09_s2l1" / "multiview"))
            continue
        if name == "campus":
            report(campus_scene(args.data / "campus_auditorium"))
            continue
        for rung in args.rungs:
            for seed in args.seeds:
                if args.views:
                    report(synthetic_views(seed, rung, people=args.people, views=args.views, seconds=args.seconds))
                else:
                    report(synthetic_scene(seed, rung, people=args.people, cameras=args.cameras, seconds=args.seconds))


if __name__ == "__main__":
    main()
