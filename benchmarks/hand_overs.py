"""Two tracklets of one camera with a common time, their boxes apart: how often they are one person all the same.

    python -m benchmarks.hand_overs --data ../shared/data

campus_auditorium's four views, and rooms of the synthetic world seen by six views. A tracklet is who most of its boxes
with a partner in the truth are (three at least). `hand-over`: as constraints.py says.
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.association_floor import rows_of
from benchmarks.floor_scenes import FloorScene, campus_scene, settings, synthetic_views, track
from evaluation.ceilings import perfect_ids
from pipeline.association.constraints import common_overlap, is_hand_over
from pipeline.stages.linking import make_fit
from pipeline.types import Scene, Tracklet, TrackletKey

_KINDS = ("hand-over", "up to 1 s", "up to 2 s", "longer")


def whose(scene: FloorScene, tracklets: list[Tracklet]) -> dict[TrackletKey, int]:
    """The person of each tracklet that has one."""
    result: dict[TrackletKey, int] = {}
    last = max(int(rows.identity.max()) for rows in scene.truth.values())
    rows = {camera: rows_of([(t.key[1], t) for t in tracklets], camera) for camera in scene.truth}
    for camera, named in perfect_ids(scene.truth, rows).items():
        number = rows[camera].identity[np.argsort(rows[camera].frame, kind="stable")]
        for name in np.unique(number).tolist():
            votes = Counter(who for who in named.identity[number == name].tolist() if who <= last)
            if votes.total() >= 3:
                result[camera, int(name)] = max(votes, key=lambda who: (votes[who], -who))
    return result


def count(scene: FloorScene) -> dict[str, list[int]]:
    """For each kind of common time: pairs of two people, pairs of one."""
    config = settings()
    names = [camera.id for camera in scene.cameras]
    everywhere = frozenset(frozenset(pair) for pair in combinations(names, 2))
    tracked = track(scene, config, scene.start_s)
    fit, _ = make_fit(tracked, Scene(scene.cameras, "common", everywhere), config, None, 4)
    person = whose(scene, list(fit.tracklets))
    found = {kind: [0, 0] for kind in _KINDS}
    for a, b in combinations([t for t in fit.tracklets if t.key in person], 2):
        if a.camera_id != b.camera_id:
            continue
        frames, in_a, _ = np.intersect1d(a.frame_index[a.observed], b.frame_index[b.observed], return_indices=True)
        if not len(frames):
            continue
        common_s = float(np.ptp(a.time_s[a.observed][in_a]))
        kind = next((k for k, most in zip(_KINDS[1:3], (1.0, 2.0), strict=True) if common_s <= most), _KINDS[3])
        if is_hand_over(a, b, common_s):
            kind = _KINDS[0]
        elif (overlap := common_overlap(a, b)) is None or overlap >= config.association.duplicate_overlap:
            continue
        found[kind][person[a.key] == person[b.key]] += 1
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    rooms = [("easy", 1), ("easy", 2), ("crowd", 1)]
    scenes = [synthetic_views(seed, rung, people=12, views=6, seconds=60.0) for rung, seed in rooms]
    print(f"| one person, of pairs with a common time | {' | '.join(_KINDS)} |\n|---|{'---|' * len(_KINDS)}")
    for scene in [campus_scene(args.data / "campus_auditorium"), *scenes]:
        cells = [f"{one} of {one + two}" for two, one in count(scene).values()]
        print(f"| {scene.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
