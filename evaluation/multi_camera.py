"""Tracking over several cameras with ids that hold across them, per camera and for all cameras at once.

Over all cameras a frame is a (camera, frame) and ids are matched once (Ristani et al. 2016, sec. 3): a person who
gets a second id in the second camera loses in IDF1 and AssA. CLEAR counts are summed over cameras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.clear import ClearResult, clear, sum_clear
from evaluation.hota import HotaResult, hota
from evaluation.identity import IdentityResult, identity
from evaluation.mot_text import MotRows
from evaluation.overlaps import IOU_THRESHOLD, Overlaps, find_overlaps, join_cameras, match_boxes
from pipeline.types import Int64

NO_BOXES = MotRows.of([])


@dataclass(frozen=True, slots=True)
class TrackingResult:
    """All three families of measures of one camera, or of all cameras together."""

    clear: ClearResult
    identity: IdentityResult
    hota: HotaResult


@dataclass(frozen=True, slots=True)
class PairResult:
    """Linking of (person, camera) groups across cameras, each group counted once however long it lasts."""

    right: int
    """Pairs of groups that are one person and are claimed to be one."""
    claimed: int
    true: int

    @property
    def precision(self) -> float:
        """Right / claimed; 0 where none is claimed."""
        return self.right / max(1, self.claimed)

    @property
    def recall(self) -> float:
        """Right / true; 0 where there is none."""
        return self.right / max(1, self.true)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.right / max(1, self.claimed + self.true)


@dataclass(frozen=True, slots=True)
class MultiCameraResult:
    """`total` over all cameras with global ids; `cameras` each alone; `pairs` the links between cameras."""

    total: TrackingResult
    cameras: Mapping[str, TrackingResult]
    pairs: PairResult


def evaluate_tracking(truth: Mapping[str, MotRows], predicted: Mapping[str, MotRows]) -> MultiCameraResult:
    """Score `predicted` against `truth`, both keyed by camera; the cameras are those of `truth`.

    A camera without prediction counts as empty; a prediction without truth is left out.
    """
    overlaps = overlaps_by_camera(truth, predicted)
    joined = join_cameras(list(overlaps.values()))
    cameras = {c: TrackingResult(clear(o), identity(o), hota(o)) for c, o in overlaps.items()}
    total = TrackingResult(sum_clear([r.clear for r in cameras.values()]), identity(joined), hota(joined))
    return MultiCameraResult(total, cameras, pair_links(joined))


def overlaps_by_camera(truth: Mapping[str, MotRows], predicted: Mapping[str, MotRows]) -> dict[str, Overlaps]:
    """The overlaps of each camera of `truth`, by name in alphabetical order."""
    return {camera: find_overlaps(truth[camera], predicted.get(camera, NO_BOXES)) for camera in sorted(truth)}


def pair_links(overlaps: Overlaps, threshold: float = IOU_THRESHOLD) -> PairResult:
    """Precision and recall of cross-camera links.

    A node is a (truth person, camera); its label is the predicted id that covers most of its matched boxes (the
    smaller id on a tie); a node without a matched box has none. Every pair of nodes of two different cameras is truly
    linked if it is one person, and claimed to be if both have the same label.
    """
    chosen = match_boxes(overlaps, threshold)
    truth_camera = np.repeat(overlaps.camera, np.diff(overlaps.truth_start))
    width = max(1, len(overlaps.truth_ids))
    nodes, node_of_box = np.unique(truth_camera * width + overlaps.truth, return_inverse=True)
    label = most_frequent(
        node_of_box[overlaps.pair_truth[chosen]], overlaps.predicted[overlaps.pair_predicted[chosen]], len(nodes)
    )
    person, camera = nodes % width, nodes // width
    apart = camera[:, None] < camera[None, :]
    same = (person[:, None] == person[None, :]) & apart
    said = (label[:, None] == label[None, :]) & (label[:, None] >= 0) & apart
    return PairResult(right=int(np.sum(same & said)), claimed=int(said.sum()), true=int(same.sum()))


def most_frequent(group: Int64, value: Int64, groups: int) -> Int64:
    """Per group `0..groups-1` the value `(groups,)` (>= 0) seen most often, the smaller on a tie; -1 if none."""
    best = np.full(groups, -1, np.int64)
    if len(group) == 0:
        return best
    width = int(value.max()) + 1
    codes, count = np.unique(group * width + value, return_counts=True)
    order = np.lexsort((codes % width, -count, codes // width))
    owner, first = np.unique(codes[order] // width, return_index=True)
    best[owner] = codes[order][first] % width
    return best
