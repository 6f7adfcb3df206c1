"""How good an identity score could be with what it was made from: a score means little without its ceiling.

Both ceilings are predictions in their own right and are scored like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluation.mot_text import MotRows
from evaluation.multi_camera import overlaps_by_camera
from evaluation.overlaps import Overlaps, assign_frames, match_boxes
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

    Tracklets are served by the number of boxes they cover; one that shares a frame with a tracklet already given to
    the same person goes to the person it covers next most, and bears an id of its own when there is none. What is
    missing is the detector's and the single-camera tracker's.
    """
    result = {}
    fresh = _first_unused_id(truth)
    for camera, overlaps in overlaps_by_camera(truth, tracklets).items():
        rows = _in_frame_order(tracklets, camera)
        person = _person_of_tracklet(overlaps, rows)
        own = fresh + np.arange(len(person))
        truth_ids = np.append(overlaps.truth_ids, 0)
        ids = np.where(person >= 0, truth_ids[person], own)
        fresh += len(person)
        result[camera] = rows.with_identity(ids[overlaps.predicted])
    return result


def _person_of_tracklet(overlaps: Overlaps, rows: MotRows) -> Int64:
    """Index in `truth_ids` for each of `predicted_ids`, -1 for none; nobody is given two boxes in one frame."""
    chosen = match_boxes(overlaps)
    width = max(1, len(overlaps.truth_ids))
    codes, count = np.unique(
        overlaps.predicted[overlaps.pair_predicted[chosen]] * width + overlaps.truth[overlaps.pair_truth[chosen]],
        return_counts=True,
    )
    by_id = np.argsort(overlaps.predicted, kind="stable")
    edges = np.cumsum(np.bincount(overlaps.predicted, minlength=len(overlaps.predicted_ids)))[:-1]
    frames = [set(part.tolist()) for part in np.split(rows.frame[by_id], edges)]
    person = np.full(len(overlaps.predicted_ids), -1, np.int64)
    taken: list[set[int]] = [set() for _ in range(width)]
    for code in codes[np.argsort(-count, kind="stable")].tolist():
        tracklet, candidate = divmod(code, width)
        if person[tracklet] < 0 and taken[candidate].isdisjoint(frames[tracklet]):
            person[tracklet] = candidate
            taken[candidate] |= frames[tracklet]
    return person


def _in_frame_order(rows: Mapping[str, MotRows], camera: str) -> MotRows:
    """The rows in the order of `Overlaps.predicted`."""
    found = rows.get(camera, MotRows.of([]))
    return found.take(np.argsort(found.frame, kind="stable"))


def _first_unused_id(truth: Mapping[str, MotRows]) -> int:
    return 1 + max((int(rows.identity.max()) for rows in truth.values() if len(rows)), default=0)
