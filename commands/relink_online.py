"""A run played back through online association: what would have been known when, and what it would have cost."""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from commands.relink_words import name_of
from commands.stored_run import StoredRun, load_run
from pipeline.association.agreement import agreement
from pipeline.association.online import Bounds, Event, OnlineAssociator, arrivals
from pipeline.errors import UsageError
from pipeline.outputs.atomic import atomic_write
from pipeline.outputs.run_directory import RunDirectory
from pipeline.stages.linking import Memory, link_cameras
from pipeline.types import Embeddings, TrackletKey

log = logging.getLogger(__name__)

SCHEMA_VERSION = "1.0"


def play_back(args: argparse.Namespace, directory: RunDirectory) -> int:
    """Write RUN/online.json and tell its summary; the run stays as it is. Raises UsageError where nobody was seen."""
    run = load_run(directory.root, args.overrides)
    tracklets = [tracklet for outcome, _ in run.tracked for tracklet in outcome.tracklets]
    if not tracklets:
        raise UsageError(f"{directory.root}: nobody was tracked, so nobody comes")
    embeddings = Embeddings.join([rows for _, rows in run.tracked], run.dimension)
    bounds = Bounds()
    online = OnlineAssociator(run.scene, run.config.association, run.prior, bounds)
    rule = run.config.tracker
    events: list[Event] = []
    seconds: list[float] = []
    for arrival in arrivals(
        tracklets, embeddings, min_observations=rule.min_observations, min_track_s=rule.min_track_s
    ):
        started = time.perf_counter()
        events += online.observe(arrival.tracklet, arrival.embeddings, arrival.time_s)
        seconds.append(time.perf_counter() - started)
    same = agreement(online.people, _afterwards(run), {t.key: len(t) for t in tracklets})
    revised = {event.key for event in events if event.before is not None}
    summary: dict[str, Any] = {
        "tracklets": len(tracklets),
        "people": len(set(online.people.values())),
        "revised_share": round(len(revised) / len(tracklets), 4),
        "pair_f1_with_offline": round(same.pair_f1, 4),
        "idf1_with_offline": round(same.idf1, 4),
        "median_ms": round(1000 * float(np.median(seconds)), 1),
        "slowest_ms": round(1000 * max(seconds), 1),
    }
    document = {
        "schema_version": SCHEMA_VERSION,
        "bounds": asdict(bounds),
        "summary": summary,
        "events": [_event(event) for event in events],
    }
    atomic_write(directory.online, json.dumps(document, allow_nan=False, indent=1) + "\n")
    if args.json:
        print(json.dumps({"output": str(directory.online), **summary}))
    log.info("%d tracklets came; each had a person in %.0f ms (median), %.0f ms (slowest)", len(tracklets),
             summary["median_ms"], summary["slowest_ms"])  # fmt: skip
    log.info("%d people; %.1f %% of the tracklets were thought anew later", summary["people"],
             100 * summary["revised_share"])  # fmt: skip
    log.info("with the answer afterwards: IDF1 %.1f, pair F1 %.1f; the events are in %s", 100 * same.idf1,
             100 * same.pair_f1, directory.online)  # fmt: skip
    return 0


def _afterwards(run: StoredRun) -> Mapping[TrackletKey, int]:
    """Person of each stored track by the answer that knows all of it, without corrections; of one that was split, the
    person of its longest part."""
    linked = link_cameras(run.tracked, run.scene, run.config, run.prior, run.dimension, memory=Memory())
    longest: dict[TrackletKey, tuple[int, int]] = {}
    for stretch in linked.numbers.now:
        key, frames = (stretch.camera_id, stretch.track_id), stretch.last - stretch.first + 1
        longest[key] = max(longest.get(key, (0, 0)), (frames, stretch.person_id))
    return {key: person for key, (_, person) in longest.items()}


def _event(event: Event) -> dict[str, Any]:
    return {
        "time_s": round(event.time_s, 3),
        "tracklet": name_of(event.key),
        "person_id": event.person_id,
        "before": event.before,
    }
