"""One relinking: the store and what the user says to trajectories, and all that follows from them to disk."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from commands.relink_words import Reader, name_of
from commands.stored_run import StoredRun, load_run
from commands.track_cameras import open_reader
from commands.track_outputs import (
    association_report,
    remarks_on,
    write_outputs,
    write_overlays,
)
from pipeline.association.corrections import Correction, of_these_videos
from pipeline.association.numbering import Numbers
from pipeline.config_loading import dump_config
from pipeline.errors import CameraError, UsageError
from pipeline.outputs.atomic import atomic_write
from pipeline.outputs.fingerprint import config_hash, video_hash
from pipeline.outputs.memory import read_corrections, read_numbers, write_corrections, write_numbers
from pipeline.outputs.report import plain
from pipeline.outputs.run_directory import RunDirectory
from pipeline.outputs.trajectories import read_trajectories
from pipeline.stages.linking import Linked, Memory, link_cameras, make_fit
from pipeline.types import Camera, Trajectory
from pipeline.video.reader import VideoReader

log = logging.getLogger(__name__)

STALE = "overlays/ shows the people as they were before `run.py relink`; --render draws them anew"
_SHOWN = 20


def relink(args: argparse.Namespace, directory: RunDirectory) -> int:
    """Solve anew and write. Returns 0, or 3 when an overlay could not be drawn.

    Raises UsageError before anything is changed: a setting, person or correction that cannot be.
    """
    started = time.monotonic()
    first = directory.config_before
    back = args.undo == "all" and first.is_file()
    run = load_run(directory.root, args.overrides, first if back else None)
    before = read_trajectories(directory.trajectories).trajectories
    said = _without(read_corrections(directory.store), args.undo)
    new = Reader.of(before, said, run.videos).read(args.operations)
    said += new
    usable, refused = of_these_videos(said, run.videos)
    numbers = read_numbers(directory.store)
    if numbers is None:  # the run was interrupted: people have the numbers of an uncorrected answer
        numbers = _link(run, Memory()).numbers
    if not said:
        numbers = Numbers(numbers.base, numbers.base)
    linked = _link(run, Memory(usable, numbers))
    refused |= linked.corrected.refused
    for correction in new:
        if correction.number in refused:
            raise UsageError(f"{correction.said}: {refused[correction.number]}; nothing was changed")
    old_bytes = directory.trajectories.read_bytes()
    write_corrections(directory.store, said)
    _keep_settings(args, directory, run, back=back)
    write_outputs(directory, linked, run.config.output)
    write_numbers(directory.store, linked.numbers)
    new_bytes = directory.trajectories.read_bytes()
    changed = new_bytes != old_bytes
    removed = _remove_derived(directory) if changed else []
    seconds = time.monotonic() - started
    missing = _render(directory, run, linked) if args.render else ()
    drawn = not missing if args.render else None
    notices = remarks_on(said, refused, linked)
    seen = (sha256(old_bytes).hexdigest(), sha256(new_bytes).hexdigest())
    stale = _write_report(directory, run, linked, (*missing, *notices), seen, drawn=drawn, seconds=seconds)
    moves = _changes(before, linked.result.trajectories)
    if args.json:
        print(json.dumps(_summary(directory, linked, said, refused, moves, stale=stale, seconds=seconds)))
    _tell(linked, before, moves, removed, stale=stale, seconds=seconds)
    return 3 if missing else 0


def _keep_settings(args: argparse.Namespace, directory: RunDirectory, run: StoredRun, *, back: bool) -> None:
    """config.resolved.yaml says what is linked with; what it said before the first --set is kept for --undo all."""
    first = directory.config_before
    if args.overrides and not first.is_file():
        atomic_write(first, directory.config.read_text(encoding="utf-8"), 0o600)
    if args.overrides or back:
        atomic_write(directory.config, dump_config(run.config))
    if back and not args.overrides:
        log.info("the settings are those of the run again")
        first.unlink()


def list_corrections(args: argparse.Namespace) -> int:
    """Print what was said and whether it holds; nothing is changed."""
    said = read_corrections(args.run / "store")
    run = load_run(args.run)
    usable, refused = of_these_videos(said, run.videos)
    _, corrected = make_fit(run.tracked, run.scene, run.config, run.prior, run.dimension, corrections=usable)
    refused |= corrected.refused
    if args.json:
        print(json.dumps({"corrections": _listed(said, refused)}))
        return 0
    for correction in said:
        why = refused.get(correction.number)
        print(f"{correction.number:>3}  {correction.said}{f'   (does not hold: {why})' if why else ''}")
    if not said:
        print("nothing was said yet")
    return 0


def _link(run: StoredRun, memory: Memory) -> Linked:
    return link_cameras(run.tracked, run.scene, run.config, run.prior, run.dimension, memory=memory)


def _without(said: tuple[Correction, ...], undo: str | None) -> tuple[Correction, ...]:
    """What is left when `undo` (last, all, or a number) is taken back."""
    if undo is None:
        return said
    if undo == "all":
        return ()
    if not said:
        raise UsageError("--undo: nothing was said yet")
    if undo == "last":
        return tuple(c for c in said if c.batch != said[-1].batch)
    if undo not in {str(c.number) for c in said}:
        there = ", ".join(str(c.number) for c in said)
        raise UsageError(f"--undo {undo}: there is no such correction; there are {there}, last and all")
    return tuple(c for c in said if str(c.number) != undo)


def _remove_derived(directory: RunDirectory) -> list[str]:
    """What told of the people as they were, and is made again by a command."""
    removed = []
    for path in (directory.evaluation, directory.online):
        if path.exists():
            path.unlink()
            removed.append(path.name)
    if (directory.root / "sheets").is_dir():
        shutil.rmtree(directory.sheets)
        removed.append("sheets/")
    return removed


def _render(directory: RunDirectory, run: StoredRun, linked: Linked) -> tuple[str, ...]:
    def open_frames(camera: Camera) -> VideoReader:
        return open_video(run, camera, moved_s=linked.moved_s(camera.id))

    return write_overlays(open_frames, directory, linked, run.config.output, lambda: False)


def open_video(run: StoredRun, camera: Camera, *, moved_s: float = 0.0) -> VideoReader:
    """A reader of a camera's video, the same as was tracked. Raises CameraError where it is gone or another.

    `moved_s`: what an alignment has added to the camera's offset.
    """
    located = run.located(camera)
    if gone := [str(path) for path in located.sources if not path.is_file()]:
        raise CameraError("no_such_file", f"{', '.join(gone)}: is not there any more")
    if video_hash(located.sources) != run.videos.get(camera.id):
        raise CameraError("changed", f"{', '.join(map(str, located.sources))}: is not the video that was tracked")
    cut = argparse.Namespace(start=run.cut.start, end=run.cut.end)
    return open_reader(located, run.config, cut, moved_s=moved_s)


def _write_report(
    directory: RunDirectory,
    run: StoredRun,
    linked: Linked,
    notices: Sequence[str],
    people: tuple[str, str],
    *,
    drawn: bool | None,
    seconds: float,
) -> bool:
    """run_report.json: what association decided now; what was read stays. Returns whether the overlays are stale:
    whether they show others than those of now. `people`: SHA-256 of trajectories.json before, and now. `drawn`: all
    overlays were drawn now (True), or some could not be (False), or none was asked for (None)."""
    try:
        report: dict[str, Any] = json.loads(directory.report.read_bytes())
    except (OSError, ValueError):
        report = {}
    kept = [line for line in report.get("notices", []) if line != STALE and not line.startswith("correction ")]
    overlays = any((directory.root / "overlays").glob("*.mp4"))
    before, now = people
    told = STALE in report.get("notices", [])  # without a hash: by an older version, of people not known here
    shown = report.get("hashes", {}).get("overlays", "unknown" if told else before)
    if drawn is not None:
        shown = now if drawn else "mixed"  # those that could not be drawn show the people as they were
    stale = overlays and shown != now
    report |= {
        "people": len(linked.result.trajectories),
        "clock": linked.clock,
        "association": association_report(linked),
        "notices": [*kept, *notices, *([STALE] if stale else [])],
        "relinked": {"at": datetime.now(UTC), "seconds": seconds},
        "hashes": report.get("hashes", {}) | {"config": config_hash(run.config), "overlays": shown},
    }
    atomic_write(directory.report, json.dumps(plain(report), indent=2, allow_nan=False) + "\n")
    return stale


Moves = dict[int, tuple[str, ...]]


def _changes(before: Sequence[Trajectory], after: Sequence[Trajectory]) -> Moves:
    """The tracklets of each person that is not as before; none for one that is no more."""
    old = {person.person_id: _content(person) for person in before}
    new = {person.person_id: _content(person) for person in after}
    names = {person.person_id: tuple(name_of(t.key) for t in person.tracklets) for person in after}
    return {n: names.get(n, ()) for n in sorted(old | new) if old.get(n) != new.get(n)}


def _content(person: Trajectory) -> frozenset[tuple[str, int, int, int]]:
    return frozenset((*t.key, int(t.frame_index[0]), int(t.frame_index[-1])) for t in person.tracklets)


def _listed(said: Sequence[Correction], refused: Mapping[int, str]) -> list[dict[str, Any]]:
    return [
        {"number": c.number, "said": c.said, "holds": c.number not in refused, "why": refused.get(c.number)}
        for c in said
    ]


def _summary(
    directory: RunDirectory,
    linked: Linked,
    said: Sequence[Correction],
    refused: Mapping[int, str],
    moves: Moves,
    *,
    stale: bool,
    seconds: float,
) -> dict[str, Any]:
    return {
        "output": str(directory.root),
        "people": len(linked.result.trajectories),
        "changed": {str(number): list(tracklets) for number, tracklets in moves.items()},
        "corrections": _listed(said, refused),
        "overlays_stale": stale,
        "seconds": round(seconds, 3),
    }


def _tell(
    linked: Linked, before: Sequence[Trajectory], moves: Moves, removed: Sequence[str], *, stale: bool, seconds: float
) -> None:
    for number, tracklets in list(moves.items())[:_SHOWN]:
        log.info("person %d: %s", number, ", ".join(tracklets) if tracklets else "is no more")
    if len(moves) > _SHOWN:
        log.info("and %d people more", len(moves) - _SHOWN)
    log.info("%d people before, %d now; linked in %.1f s", len(before), len(linked.result.trajectories), seconds)
    if not moves:
        log.info("nobody changed")
    if linked.alignment is not None:
        for line in linked.alignment.lines():
            log.info("clock: %s", line)
    if linked.views is not None and linked.views.matches:
        log.info("views: %s", linked.views.told())
    if removed:
        log.info("removed, as it told of the people before: %s", ", ".join(removed))
    if stale:
        log.warning("%s", STALE)
