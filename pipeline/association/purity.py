"""Tracklets fit to link: where the tracker went on with somebody else, the tracklet is split.

A tracker goes on by motion; whether it was right is asked afterwards: of appearance (switches.py), and of other views
of the same floor (floor_switches.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.association.affinity import Compared, compare, usable_embeddings
from pipeline.association.constraints import build_constraints
from pipeline.association.crowd_solver import CalibratedCrowd, calibrate_crowd
from pipeline.association.floor_switches import find_floor_cuts
from pipeline.association.prior import DistancePrior
from pipeline.association.switches import Cut, Looks, agree, find_cuts, learn_looks, neighbours
from pipeline.config import AssociationConfig, TrackerConfig
from pipeline.types import Embeddings, Scene, Tracklet, TrackletKey


@dataclass(frozen=True, slots=True)
class Split:
    """One cut: `new_key` is what `key` became from `time_s` on; `log_odds` that both sides are one person (< 0).

    `dropped`: the parts beside the cut that were too short to keep, each named once.
    """

    key: TrackletKey
    new_key: TrackletKey
    time_s: float
    log_odds: float
    dropped: tuple[TrackletKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Purified:
    """Tracklets sorted by key, their embeddings under the new keys (without those of dropped parts), and the cuts."""

    tracklets: tuple[Tracklet, ...]
    embeddings: Embeddings
    splits: tuple[Split, ...]


def purify(
    tracklets: Sequence[Tracklet],
    embeddings: Embeddings,
    scene: Scene,
    config: AssociationConfig,
    prior: DistancePrior | None = None,
    *,
    keep: TrackerConfig | None = None,
) -> Purified:
    """Split the tracklets that look like two people before and after some moment, or that other views of the floor
    show to be two.

    The part before the first cut keeps its id, later parts get ids above all others of the camera. A gap (unseen for
    `config.split_gap_s` or more) wants a crop on each side, any other moment more (switches.py). A part that
    TrackletBuilder would have dropped by the rule in `keep` (default: the settings' defaults) is dropped.
    """
    keep = keep or TrackerConfig()
    ordered = sorted(tracklets, key=lambda t: t.key)
    usable = usable_embeddings(ordered, embeddings)
    rows_of = _rows_of(usable)
    looks: Looks | None = None
    cuts: dict[TrackletKey, list[Cut]] = {}
    if any(len(rows) > 1 for rows in rows_of.values()):
        compared = _compared(ordered, usable, scene, config, prior)
        looks = learn_looks(usable, compared.calibration.different_within)
    if looks is not None:
        overlap = neighbours(ordered)
        found = [
            find_cuts(t, t.gaps(config.split_gap_s), overlap[n], _take(usable, rows_of.get(t.key, [])), looks)
            for n, t in enumerate(ordered)
        ]
        cuts = {t.key: own for t, own in zip(ordered, agree(ordered, found), strict=True)}
    by_looks = _apply(ordered, embeddings, cuts, keep)
    return _by_place(by_looks, looks, scene, config, keep)


def _by_place(
    pure: Purified, looks: Looks | None, scene: Scene, config: AssociationConfig, keep: TrackerConfig
) -> Purified:
    """Split further what other views of the floor show to be two people, unless looks speak against it."""
    usable = usable_embeddings(pure.tracklets, pure.embeddings)
    rows_of = _rows_of(usable)

    def one_person(number: int, low: int, row: int, high: int) -> float:
        tracklet = pure.tracklets[number]
        crops = _take(usable, rows_of.get(tracklet.key, []))
        frames = tracklet.frame_index[[low, row, high - 1]] + np.array([0, 0, 1])
        start, middle, stop = np.searchsorted(crops.frame_index, frames).tolist()
        return looks.evidence(crops, start, middle, stop) if looks is not None and start < middle < stop else 0.0

    found = find_floor_cuts(pure.tracklets, scene, config, one_person)
    cuts = {t.key: own for t, own in zip(pure.tracklets, found, strict=True)}
    again = _apply(pure.tracklets, pure.embeddings, cuts, keep, tuple(split.new_key for split in pure.splits))
    return replace(again, splits=pure.splits + again.splits)


def _rows_of(embeddings: Embeddings) -> dict[TrackletKey, list[int]]:
    rows_of: dict[TrackletKey, list[int]] = {}
    for row, key in enumerate(embeddings.keys):
        rows_of.setdefault(key, []).append(row)
    return rows_of


def _compared(
    ordered: Sequence[Tracklet],
    usable: Embeddings,
    scene: Scene,
    config: AssociationConfig,
    prior: DistancePrior | None,
) -> Compared | CalibratedCrowd:
    """What distances mean here; of many tracklets, by a sample."""
    if len(ordered) > config.dense_up_to:
        return calibrate_crowd(ordered, usable, scene, prior, config, centred=False)
    constraints = build_constraints(
        ordered,
        scene,
        duplicate_overlap=config.duplicate_overlap,
        well_apart_overlap=config.well_apart_overlap,
        slack_s=config.clock_slack_s,
    )
    return compare(ordered, usable, constraints, prior, centred=False)


def best_crops(embeddings: Embeddings, per_tracklet: int) -> Embeddings:
    """The `per_tracklet` rows of best quality of each tracklet, in the order given: more were embedded to find where
    a tracklet went on with somebody else, and the worse ones would only blur who it is."""
    order = np.lexsort((embeddings.frame_index, -embeddings.quality)).tolist()
    left = dict.fromkeys(embeddings.keys, per_tracklet)
    kept: list[int] = []
    for row in order:
        if left[embeddings.keys[row]] > 0:
            left[embeddings.keys[row]] -= 1
            kept.append(row)
    return embeddings if len(kept) == len(embeddings) else _take(embeddings, sorted(kept))


def _take(embeddings: Embeddings, rows: list[int]) -> Embeddings:
    return Embeddings(
        tuple(embeddings.keys[row] for row in rows),
        embeddings.frame_index[rows],
        embeddings.vector[rows],
        embeddings.quality[rows],
    )


def _apply(
    ordered: Sequence[Tracklet],
    embeddings: Embeddings,
    cuts: dict[TrackletKey, list[Cut]],
    keep: TrackerConfig,
    given: Sequence[TrackletKey] = (),
) -> Purified:
    """The tracklets `ordered` by key with their `cuts` made; `given`: keys that were, to dropped parts too."""
    if not any(cuts.values()):
        return Purified(tuple(ordered), embeddings, ())
    next_id: dict[str, int] = {}
    for camera_id, track_id in (*(tracklet.key for tracklet in ordered), *given):
        next_id[camera_id] = max(next_id.get(camera_id, 0), track_id + 1)
    parts: list[Tracklet] = []
    splits: list[Split] = []
    renamed: dict[TrackletKey, list[tuple[int, TrackletKey]]] = {}
    gone: set[TrackletKey] = set()
    for tracklet in ordered:
        places = cuts.get(tracklet.key, [])
        if not places:
            parts.append(tracklet)
            continue
        bounds = [0, *(cut.row for cut in places), len(tracklet)]
        keys = [tracklet.key]
        for cut in places:
            keys.append((tracklet.camera_id, next_id[tracklet.camera_id]))
            next_id[tracklet.camera_id] += 1
            renamed.setdefault(tracklet.key, []).append((int(tracklet.frame_index[cut.row]), keys[-1]))
        pieces = [_rows(tracklet, *part) for part in zip(keys, bounds[:-1], bounds[1:], strict=True)]
        short = [piece.key for piece in pieces if _is_tentative(piece, keep)]
        parts += [piece for piece in pieces if piece.key not in short]
        gone.update(short)
        for new_key, cut in zip(keys[1:], places, strict=True):
            beside = (tracklet.key, new_key) if new_key == keys[1] else (new_key,)
            dropped = tuple(key for key in beside if key in short)
            splits.append(Split(tracklet.key, new_key, float(tracklet.time_s[cut.row]), cut.log_odds, dropped))
    relabelled = [
        _key_at(renamed.get(key, []), key, int(frame))
        for key, frame in zip(embeddings.keys, embeddings.frame_index, strict=True)
    ]
    rows = [row for row, key in enumerate(relabelled) if key not in gone]
    kept = replace(_take(embeddings, rows), keys=tuple(relabelled[row] for row in rows))
    return Purified(tuple(sorted(parts, key=lambda t: t.key)), kept, tuple(splits))


def _is_tentative(part: Tracklet, keep: TrackerConfig) -> bool:
    """Whether TrackletBuilder would have dropped the part had its track ended there."""
    seen = int(np.count_nonzero(part.observed))
    return (
        seen < keep.min_observations
        or part.end_s - part.start_s < keep.min_track_s
        or seen < keep.min_observed_share * len(part)
    )


def _key_at(changes: Sequence[tuple[int, TrackletKey]], key: TrackletKey, frame: int) -> TrackletKey:
    """The key that `key` has in `frame`."""
    for start, later in changes:
        if frame >= start:
            key = later
    return key


def _rows(tracklet: Tracklet, key: TrackletKey, first: int, last: int) -> Tracklet:
    """Rows `first` to before `last`, without interpolated boxes at the end."""
    last = first + int(np.flatnonzero(tracklet.observed[first:last])[-1]) + 1
    rows = slice(first, last)
    return Tracklet(
        key,
        tracklet.frame_index[rows],
        tracklet.time_s[rows],
        tracklet.xyxy[rows],
        tracklet.confidence[rows],
        tracklet.observed[rows],
    )
