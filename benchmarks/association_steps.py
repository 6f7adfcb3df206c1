"""Tracklets fit to link: what each step does within a camera, and to what perfect linking could reach.

    python -m benchmarks.association_steps --data ../shared/data --runs demo=RUN:TRUTH ...

Sets of boxes (TUD, campus, PETS view 1) go through the tracker; without looks nothing is split or joined. A run of
`run.py track` (its folder, and the folder of the truth, MOT text a camera) has looks: its stored tracklets are split
and linked anew. Steps, each on top of the one before: `observed` boxes only; boxes `interpolated` where nobody was
found; boxes `smoothed` (a stored run's always are); tracklets `split` where they went on with somebody else; tracklets
of one person `joined`. IDF1 and HOTA over the cameras, each by itself: who is who across cameras does not count here.
The ceiling is perfect linking of the tracklets as they are after the step: each bears the person it covers most.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from commands.stored_run import load_run
from detectors.replay import read_mot as read_boxes
from evaluation.ceilings import perfect_linking
from evaluation.mot_text import MotRows, read_mot
from evaluation.multi_camera import evaluate_tracking
from pipeline.config import TrackerConfig
from pipeline.stages.camera import TrackletBuilder
from pipeline.stages.linking import link_cameras
from pipeline.types import Detections, Tracklet
from trackers import build_tracker

Tracks = Mapping[str, list[tuple[int, Tracklet]]]
"""The tracklets of each camera with the number that they bear."""
_CAMERA = 1_000_000
"""Numbers of people of one camera are kept apart from those of the next by as much."""


@dataclass(frozen=True)
class Boxes:
    """Cameras of a set: file of boxes, file of truth, frames a second."""

    name: str
    cameras: Mapping[str, tuple[Path, Path, float]]


def sets_of_boxes(data: Path) -> list[Boxes]:
    """Those with truth and without looks."""
    tud = [
        Boxes(name, {name: (data / "tud" / name / "det_sort_frcnn.txt", data / "tud" / name / "gt.txt", 25.0)})
        for name in ("TUD-Campus", "TUD-Stadtmitte")
    ]
    campus, pets = data / "campus_auditorium", data / "pets09_s2l1"
    four = {c: (campus / c / "det.txt", campus / c / "gt.txt", 29.97) for c in ("HC3", "HC4", "IP2", "IP5")}
    one = {"view1": (pets / "det_sort_faster_rcnn.txt", pets / "gt.txt", 7.0)}
    return [*tud, Boxes("campus, 4 views", four), Boxes("PETS view 1", one)]


def steps_of_boxes(boxes: Boxes) -> Iterator[tuple[str, Tracks]]:
    """Observed, interpolated, smoothed."""
    plain = TrackerConfig(smooth_s=0.0)
    rough: dict[str, list[Tracklet]] = {}
    smooth: dict[str, list[Tracklet]] = {}
    for camera, (file, _, fps) in boxes.cameras.items():
        found = read_boxes(file)
        tracker, builders = (
            build_tracker(plain),
            [TrackletBuilder(camera, plain), TrackletBuilder(camera, TrackerConfig())],
        )
        done: list[list[Tracklet]] = [[], []]
        for frame in range(max(found) + 1):
            detections = Detections(*found[frame]) if frame in found else Detections.empty()
            tracked = tracker.update(detections, frame / fps)
            for builder, own in zip(builders, done, strict=True):
                own.extend(builder.add(frame, frame / fps, tracked, detections).tracklets)
        for builder, own in zip(builders, done, strict=True):
            own.extend(builder.finish().tracklets)
        rough[camera], smooth[camera] = done
    yield "observed", {camera: [(t.key[1], seen_only(t)) for t in own] for camera, own in rough.items()}
    yield "+ interpolated", {camera: [(t.key[1], t) for t in own] for camera, own in rough.items()}
    yield "+ smoothed", {camera: [(t.key[1], t) for t in own] for camera, own in smooth.items()}


def seen_only(tracklet: Tracklet) -> Tracklet:
    """Without the boxes that were not found."""
    rows = tracklet.observed
    return Tracklet(
        tracklet.key,
        tracklet.frame_index[rows],
        tracklet.time_s[rows],
        tracklet.xyxy[rows],
        tracklet.confidence[rows],
        tracklet.observed[rows],
    )


def steps_of_run(folder: Path) -> Iterator[tuple[str, Tracks]]:
    """Observed, smoothed, split, joined, from what a run stored, by the run's settings."""
    run = load_run(folder)
    whole = {outcome.camera.id: outcome.tracklets for outcome, _ in run.tracked}
    yield "observed", {camera: [(t.key[1], seen_only(t)) for t in own] for camera, own in whole.items()}
    yield "+ interpolated, smoothed", {camera: [(t.key[1], t) for t in own] for camera, own in whole.items()}
    linked = link_cameras(run.tracked, run.scene, run.config, run.prior, run.dimension)
    split = linked.purified.tracklets
    yield "+ split", {camera: [(t.key[1], t) for t in split if t.camera_id == camera] for camera in whole}
    people = [(person.person_id, t) for person in linked.result.trajectories for t in person.tracklets]
    yield "+ joined", {camera: [(n, t) for n, t in people if t.camera_id == camera] for camera in whole}


def rows_of(tracks: Tracks, last_frame: Mapping[str, int]) -> dict[str, MotRows]:
    """MOT rows up to the last frame of each camera's truth, the numbers of its tracklets apart from other cameras'."""
    result = {}
    for number, camera in enumerate(sorted(tracks)):
        rows = [
            [frame + 1, number * _CAMERA + name, *box[:2], box[2] - box[0], box[3] - box[1]]
            for name, tracklet in tracks[camera]
            for frame, box in zip(tracklet.frame_index.tolist(), tracklet.xyxy.tolist(), strict=True)
            if frame < last_frame[camera]
        ]
        result[camera] = MotRows.of(rows)
    return result


def report(name: str, steps: Iterator[tuple[str, Tracks]], truth: Mapping[str, MotRows]) -> None:
    """The rows of a set: scores after each step, and those of perfect linking of the same tracklets."""
    last = {camera: int(rows.frame.max()) for camera, rows in truth.items()}
    apart = {
        camera: truth[camera].with_identity(truth[camera].identity + number * _CAMERA)
        for number, camera in enumerate(sorted(truth))
    }
    for step, tracks in steps:
        predicted = rows_of(tracks, last)
        numbers = sum(len({number for number, _ in own}) for own in tracks.values())
        found, best = (evaluate_tracking(apart, rows).total for rows in (predicted, perfect_linking(apart, predicted)))
        print(
            f"| {name} | {step} | {numbers} | {100 * found.identity.idf1:.1f} | {100 * found.hota.hota:.1f} | "
            f"{100 * best.identity.idf1:.1f} | {100 * best.hota.hota:.1f} |",
            flush=True,
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with tud, campus_auditorium, pets09_s2l1")
    parser.add_argument("--runs", nargs="*", default=[], metavar="NAME=RUN:TRUTH")
    args = parser.parse_args()
    print("| set | step | tracks | IDF1 | HOTA | ceiling IDF1 | ceiling HOTA |\n|---|---|---|---|---|---|---|")
    for boxes in sets_of_boxes(args.data) if args.data else []:
        report(
            boxes.name, steps_of_boxes(boxes), {c: read_mot(t, truth=True) for c, (_, t, _) in boxes.cameras.items()}
        )
    for entry in args.runs:
        name, _, folders = entry.partition("=")
        run, _, truth = folders.partition(":")
        files = sorted(Path(truth).glob("*.txt"))
        report(name, steps_of_run(Path(run)), {file.stem: read_mot(file, truth=True) for file in files})


if __name__ == "__main__":
    main()
