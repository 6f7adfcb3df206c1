"""How good an identity score could be with what it was made from: a score means little without its ceiling.

Both ceilings are predictions in their own right and are scored like any other.
"""

from __future__ import annotations

import heapq
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

    It covers a person in a frame at IoU 0.5, the threshold of IDF1. Tracklets of one person may share frames, as where
    one track takes over from another: there one box stands, the one that covers the person best (mot/<camera>.txt has
    one box a person and frame, too). What a tracklet brings a person are the frames in which no other covers them, less
    its boxes in frames in which they have a box already; tracklets are served by that, the largest first, and one that
    brings nobody anything bears an id of its own. So a linking whose tracklets share a few frames with the others of
    their person is no better; one that hides false boxes behind a person's others may be.
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
    given = np.full(len(covered), -1, np.int64)
    boxes: list[set[int]] = [set() for _ in overlaps.truth_ids]
    found: list[set[int]] = [set() for _ in overlaps.truth_ids]
    queue = [(-len(seen), tracklet, person) for tracklet, own in enumerate(covered) for person, seen in own.items()]
    heapq.heapify(queue)
    while queue:
        _, tracklet, person = heapq.heappop(queue)
        if given[tracklet] >= 0:
            continue
        seen = covered[tracklet][person]
        gain = len(seen - found[person]) - len(frames[tracklet] & boxes[person])
        if queue and -gain > queue[0][0]:  # it falls as others are served, so what is behind may bring more
            if gain > 0:
                heapq.heappush(queue, (-gain, tracklet, person))
        elif gain > 0:
            given[tracklet] = person
            boxes[person] |= frames[tracklet]
            found[person] |= seen
    return given


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
