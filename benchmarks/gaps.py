"""How often a tracklet goes on with the same person, after a gap, a meeting, or all alone: the figures in switches.py.

    python -m benchmarks.gaps --data ../shared/data

The default tracker on the detections of campus_auditorium (every frame, and every 4th) and TUD. The truth of each side
is the identity that most of its boxes within a second of the gap overlap (IoU over 0.4). What has no gap is looked at
in steps of STEP_S: the identities within half a second of both ends, apart for steps in which the box overlapped
somebody else's or was missed (met), and others (alone).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from evaluation.mot_text import MotRows, read_mot
from pipeline.association.switches import MEETING_OVERLAP, neighbours
from pipeline.config import TrackerConfig
from pipeline.geometry import iou, tlwh_to_xyxy
from pipeline.stages.camera import TrackletBuilder
from pipeline.types import Detections, Tracklet
from trackers import build_tracker

MIN_GAP_S = 0.5
EDGES_S = (0.5, 1.0, 2.0, 4.0)
STEP_S = 1.6
"""Usual distance of two crops: slots of 0.4 s, doubled until a tracklet of 20 to 40 s has 24 of them at most."""


def track(detections: Path, fps: float, every: int) -> list[Tracklet]:
    """Tracklets of a MOT detection file at `fps`, taking one frame of `every`."""
    rows = np.loadtxt(detections, delimiter=",")
    config = TrackerConfig()
    tracker, builder = build_tracker(config), TrackletBuilder("camera", config)
    tracklets: list[Tracklet] = []
    for frame in range(1, int(rows[:, 0].max()) + 1, every):
        here = rows[rows[:, 0] == frame]
        found = Detections(tlwh_to_xyxy(here[:, 2:6]), here[:, 6])
        tracklets += builder.add(frame, frame / fps, tracker.update(found, frame / fps), found).tracklets
    return [*tracklets, *builder.finish().tracklets]


def identities(tracklet: Tracklet, truth: dict[int, MotRows]) -> np.ndarray:
    """The true identity under each observed box, -1 where there is none."""
    found = np.full(len(tracklet), -1)
    for row in np.flatnonzero(tracklet.observed):
        people = truth.get(int(tracklet.frame_index[row]))
        if people is not None:
            overlap = iou(tracklet.xyxy[row : row + 1].astype(float), people.xyxy.astype(float))[0]
            best = int(overlap.argmax())
            found[row] = people.identity[best] if overlap[best] > 0.4 else -1
    return found


def gaps_of(detections: Path, truth_file: Path, fps: float, every: int = 1) -> list[tuple[float, bool]]:
    """`(length s, same person)` of each gap whose both sides have a true identity."""
    rows = read_mot(truth_file, truth=True, duplicates="first")
    truth = {int(frame): rows.take(rows.frame == frame) for frame in np.unique(rows.frame)}
    result = []
    for tracklet in track(detections, fps, every):
        who = identities(tracklet, truth)
        for before, after in tracklet.gaps(MIN_GAP_S):
            start, end = tracklet.time_s[before], tracklet.time_s[after]
            left = who[(tracklet.time_s <= start) & (tracklet.time_s > start - 1) & (who >= 0)]
            right = who[(tracklet.time_s >= end) & (tracklet.time_s < end + 1) & (who >= 0)]
            if len(left) and len(right):
                result.append((float(end - start), bool(np.bincount(left).argmax() == np.bincount(right).argmax())))
    return result


def steps_of(detections: Path, truth_file: Path, fps: float, every: int = 1) -> list[tuple[bool, bool]]:
    """`(met, same person)` of each step of STEP_S without a gap."""
    rows = read_mot(truth_file, truth=True, duplicates="first")
    truth = {int(frame): rows.take(rows.frame == frame) for frame in np.unique(rows.frame)}
    tracklets = track(detections, fps, every)
    result = []
    for tracklet, overlap in zip(tracklets, neighbours(tracklets), strict=True):
        who, time_s = identities(tracklet, truth), tracklet.time_s
        gaps = [(time_s[a], time_s[b]) for a, b in tracklet.gaps(MIN_GAP_S)]
        for start in np.arange(time_s[0], time_s[-1] - STEP_S, STEP_S):
            end = start + STEP_S
            if any(a < end and b > start for a, b in gaps):
                continue
            left, right = (who[(np.abs(time_s - at) <= 0.5) & (who >= 0)] for at in (start, end))
            inside = (time_s >= start) & (time_s <= end)
            met = overlap[inside].max() >= MEETING_OVERLAP or not tracklet.observed[inside].all()
            if len(left) and len(right):
                result.append((bool(met), bool(np.bincount(left).argmax() == np.bincount(right).argmax())))
    return result


def main() -> None:
    """Print a row a source and a row a length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data: Path = parser.parse_args().data
    sources = [
        (data / "campus_auditorium" / view, "det.txt", 29.97, every)
        for view in ("HC3", "HC4", "IP2", "IP5")
        for every in (1, 4)
    ]
    sources += [(data / "tud" / name, "det_sort_frcnn.txt", 25.0, 1) for name in ("TUD-Campus", "TUD-Stadtmitte")]
    steps: list[tuple[bool, bool]] = []
    by_length: dict[float, list[bool]] = defaultdict(list)
    for folder, detections, fps, every in sources:
        gaps = gaps_of(folder / detections, folder / "gt.txt", fps, every)
        print(f"{folder.name} every {every}: {sum(same for _, same in gaps)} of {len(gaps)}")
        steps += steps_of(folder / detections, folder / "gt.txt", fps, every)
        for length, same in gaps:
            by_length[max(edge for edge in EDGES_S if edge <= length + 1e-9)].append(same)
    for edge in sorted(by_length):
        print(f"from {edge} s: {sum(by_length[edge])} of {len(by_length[edge])} to the same person")
    for word, kind in (("met", True), ("alone", False)):
        same_person = [same for met, same in steps if met == kind]
        print(f"steps of {STEP_S} s, {word}: {sum(same_person)} of {len(same_person)} with the same person")


if __name__ == "__main__":
    main()
