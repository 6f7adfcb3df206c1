"""How good an identity score could be with what it was made from: a score means little without its ceiling.

Both ceilings are predictions in their own right and are scored like any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from evaluation.mot_text import MotRows
from evaluation.multi_camera import overlaps_by_camera
from evaluation.overlaps import IOU_THRESHOLD, Overlaps, assign_frames
from pipeline.types import Int64


def perfect_ids(truth: Mapping[str, MotRows], predicted: Mapping[str, MotRows]) -> dict[str, MotRows]:
    """The same boxes under perfect ids: each box matched to a truth box (found at IoU 0.5 first, then the largest
    overlap) bears its person's id, every other box an id of its own. What is missing is the detector's."""
    result = {}
    fresh = _first_unused_id(truth)
    for camera, overlaps in overlaps_by_camera(truth, predicted).items():
        rows = _in_frame_order(predicted, camera)
        chosen = assign_frames(overlaps, np.where(overlaps.iou >= 0.5, 1000.0, 0.0) + overlaps.iou)
        ids = np.arange(fresh, fresh + len(rows))
        ids[overlaps.pair_predicted[chosen]] = overlaps.truth_ids[overlaps.truth[overlaps.pair_truth[chosen]]]
        fresh += len(rows)
        result[camera] = rows.with_identity(ids)
    return result


def perfect_linking(truth: Mapping[str, MotRows], tracklets: Mapping[str, MotRows]) -> dict[str, MotRows]:
    """The same tracklets linked perfectly: a whole tracklet (camera, track id) bears the person it covers most.

    It covers a person in a frame at IoU 0.5, the threshold of IDF1. Where tracklets of one person share frames, one box
    of each frame stands, the one that covers them best: mot/<camera>.txt has one box a person and frame, too. So two
    tracklets of one person may share frames, and what one adds to a person are the frames in which no other covers
    them. Where it adds more to another person whom it covers, it bears that one: a change is made when no covered frame
    is lost and IDF1 rises, until none is left. IDF1 is therefore never below that of the plain rule (each tracklet to
    the person it covers most), whichever boxes stand there. A tracklet that covers nobody bears an id of its own.
    What is missing is the detector's and the single-camera tracker's.
    """
    result = {}
    fresh = _first_unused_id(truth)
    for camera, overlaps in overlaps_by_camera(truth, tracklets).items():
        rows = _in_frame_order(tracklets, camera)
        person = _person_of_tracklet(overlaps, rows)
        own = fresh + np.arange(len(person))
        truth_ids = np.append(overlaps.truth_ids, 0)
        ids = np.where(person >= 0, truth_ids[person], own)[overlaps.predicted]
        fresh += len(person)
        of_its_person = overlaps.truth[overlaps.pair_truth] == person[overlaps.predicted[overlaps.pair_predicted]]
        iou = np.zeros(len(rows))
        iou[overlaps.pair_predicted[of_its_person]] = overlaps.iou[of_its_person]
        best_first = np.lexsort((-iou, ids, rows.frame))
        _, stands = np.unique(np.stack([rows.frame, ids])[:, best_first], axis=1, return_index=True)
        kept = np.sort(best_first[stands])
        result[camera] = rows.take(kept).with_identity(ids[kept])
    return result


def _person_of_tracklet(overlaps: Overlaps, rows: MotRows) -> Int64:
    """Index in `truth_ids` for each of `predicted_ids`, -1 for who covers nobody; see perfect_linking."""
    frames, covered = _frames_of_tracklets(overlaps, rows)
    given = [min(own, key=lambda p, own=own: (-len(own[p]), p), default=-1) for own in covered]  # type: ignore[misc]
    boxes: list[Counter[int]] = [Counter() for _ in overlaps.truth_ids]
    found: list[Counter[int]] = [Counter() for _ in overlaps.truth_ids]
    for tracklet, person in enumerate(given):
        if person >= 0:
            boxes[person].update(frames[tracklet])
            found[person].update(covered[tracklet][person])
    changed = True
    while changed:
        changed = False
        for tracklet, own in enumerate(covered):
            if len(own) < 2:
                continue
            before = given[tracklet]
            boxes[before].subtract(frames[tracklet])
            found[before].subtract(own[before])
            adds = {p: sum(not found[p][frame] for frame in own[p]) for p in own}
            # IDF1 = 2 found / (truth boxes + boxes) <= 1 rises when 2 found - boxes does and found does not fall.
            worth = {p: 2 * adds[p] - sum(not boxes[p][frame] for frame in frames[tracklet]) for p in own}
            best = max((p for p in own if adds[p] >= adds[before]), key=lambda p: (worth[p], p == before))
            boxes[best].update(frames[tracklet])
            found[best].update(own[best])
            given[tracklet] = best
            changed |= best != before
    return np.asarray(given, np.int64)


def _frames_of_tracklets(overlaps: Overlaps, rows: MotRows) -> tuple[list[set[int]], list[dict[int, set[int]]]]:
    """For each of `predicted_ids`: its frames, and by index in `truth_ids` those where it covers one."""
    frames: list[set[int]] = [set() for _ in overlaps.predicted_ids]
    for tracklet, frame in zip(overlaps.predicted.tolist(), rows.frame.tolist(), strict=True):
        frames[tracklet].add(frame)
    covered: list[dict[int, set[int]]] = [{} for _ in overlaps.predicted_ids]
    near = overlaps.iou >= IOU_THRESHOLD
    box, person = overlaps.pair_predicted[near], overlaps.truth[overlaps.pair_truth[near]]
    columns = (overlaps.predicted[box].tolist(), person.tolist(), rows.frame[box].tolist())
    for tracklet, who, frame in zip(*columns, strict=True):
        covered[tracklet].setdefault(who, set()).add(frame)
    return frames, covered


def _in_frame_order(rows: Mapping[str, MotRows], camera: str) -> MotRows:
    """The rows in the order of `Overlaps.predicted`."""
    found = rows.get(camera, MotRows.of([]))
    return found.take(np.argsort(found.frame, kind="stable"))


def _first_unused_id(truth: Mapping[str, MotRows]) -> int:
    return 1 + max((int(rows.identity.max()) for rows in truth.values() if len(rows)), default=0)
