"""Views matched by people (`association.match_views`), off and on, over stored runs from pixels with their looks.

    python -m benchmarks.matched_views SCENE=RUN ...                      # rendered set and the run of `run.py track`
    python -m benchmarks.matched_views SCENE=RUN --cameras cam2 cam3      # only these cameras
    python -m benchmarks.matched_views SCENE=RUN --late cam2=30           # whose clock is put wrong by so many seconds
    python -m benchmarks.matched_views SCENE=RUN SCENE=RUN --mixed cam1   # that camera of each scene, as if of one site

What the runs know of calibrations and of shared views is taken from them, their clock is taken to be common. Scores are
multi-camera IDF1 and the links between cameras, of (person, camera); false links are counted between pairs of tracks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.association_floor import rows_of
from benchmarks.synthetic_ladder import errors
from commands.stored_run import StoredRun, Tracked, load_run
from evaluation.mot_text import MotRows, read_mot
from evaluation.multi_camera import evaluate_tracking
from pipeline.stages.linking import link_cameras
from pipeline.types import Scene

_OTHERS = 1000
"""People of the second set have numbers from here on: they are nobody of the first."""


def renamed(tracked: Tracked, names: Mapping[str, str], late_s: Mapping[str, float]) -> Tracked:
    """The cameras in `names` under their new names, their times moved by `late_s` (of the old name)."""
    result: Tracked = []
    for outcome, embeddings in tracked:
        old = outcome.camera.id
        if old not in names:
            continue
        camera = replace(outcome.camera, id=names[old], calibration=None)
        own = tuple(
            replace(t, key=(camera.id, t.key[1]), time_s=t.time_s + late_s.get(old, 0.0)) for t in outcome.tracklets
        )
        keys = tuple((camera.id, number) for _, number in embeddings.keys)
        result.append((replace(outcome, camera=camera, tracklets=own), replace(embeddings, keys=keys)))
    return result


def truth_of(scene: Path, camera: str, others: int) -> MotRows:
    """The camera's truth; `others` is added to each id."""
    rows = read_mot(scene / "truth" / f"{camera}.txt", truth=True)
    return rows.with_identity(rows.identity + others)


def report(name: str, tracked: Tracked, run: StoredRun, truth: Mapping[str, MotRows]) -> None:
    """Two rows of the table, off and on."""
    cameras = tuple(outcome.camera for outcome, _ in tracked)
    for word in ("off", "on"):
        association = run.config.association.model_copy(update={"match_views": word == "on"})
        config = run.config.model_copy(update={"association": association, "clock": "common"})
        started = time.process_time()
        linked = link_cameras(tracked, Scene(cameras, "common"), config, run.prior, run.dimension)
        took = time.process_time() - started
        people = [(p.person_id, t) for p in linked.result.trajectories for t in p.tracklets]
        found = {camera.id: rows_of(people, camera.id) for camera in cameras}
        result, kinds = evaluate_tracking(truth, found), errors(dict(truth), found)
        links = result.pairs
        told = linked.result.report.estimated_false_link_rate
        matches = () if linked.views is None else linked.views.matches
        pairs = [f"{m.one}-{m.two} {m.held_out:.2f}/{m.by_chance:.2f}" for m in matches if m.accepted]
        best = max(((m.held_out, m.by_chance) for m in matches if not m.accepted), default=None)
        refused = f"; {len(matches) - len(pairs)} refused" + (f" (to {best[0]:.2f})" if best else "")
        cells = [f"{100 * result.total.identity.idf1:.1f}", f"{100 * links.precision:.1f}", f"{100 * links.recall:.1f}"]
        cells += [str(kinds.splits), str(kinds.merges), "" if told is None else f"{told:.3f}", f"{took:.0f}"]
        seen = (", ".join(pairs) or "none") + refused if word == "on" else ""
        print(f"| {name} | {word} | {' | '.join(cells)} | {seen} |", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="SCENE=RUN", help="a rendered set, and the run that tracked it")
    parser.add_argument("--cameras", nargs="+", help="only these")
    parser.add_argument("--late", nargs="+", default=[], metavar="CAMERA=S", help="cameras whose clock is wrong")
    parser.add_argument("--mixed", nargs="+", metavar="CAMERA", help="these cameras of all sets, in one scene")
    args = parser.parse_args()
    late = {name: float(value) for name, value in (entry.split("=") for entry in args.late)}
    print("| cameras | views matched | IDF1 | links: precision | recall | splits | merges | false links said | cpu s "
          "| accepted (held out / by chance) |\n" + "|---" * 10 + "|")  # fmt: skip
    mixed: Tracked = []
    everybody: dict[str, MotRows] = {}
    for number, entry in enumerate(args.sets):
        scene, root = (Path(part) for part in entry.split("="))
        run = load_run(root)
        wanted: Sequence[str] = args.mixed or args.cameras or [outcome.camera.id for outcome, _ in run.tracked]
        names = {camera: f"{camera}-{number + 1}" if args.mixed else camera for camera in wanted}
        tracked = renamed(run.tracked, names, late)
        truth = {new: truth_of(scene, old, number * _OTHERS) for old, new in names.items()}
        if not args.mixed:
            report(f"{scene.name}{': ' + ', '.join(args.cameras) if args.cameras else ''}", tracked, run, truth)
        mixed += tracked
        everybody |= truth
    if args.mixed:
        report(f"{', '.join(args.mixed)} of {len(args.sets)} scenes", mixed, run, everybody)


if __name__ == "__main__":
    main()
