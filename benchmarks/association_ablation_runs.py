"""What each part of association brings on whole runs: everything, and everything but one part.

    python -m benchmarks.association_ablation_runs "10 x 100=RUN:TRUTH" ...

A run of `run.py track` (its folder, and the folder of the truth, MOT text a camera) is linked anew from its store, so
the boxes and the tracker's tracklets are the same in all rows. Parts: tracklets split where they went on with somebody
else; each camera's mean person taken out (centring); rivals weighed; a track's course within a camera; places on the
floor; learned ways and times; and the solver. Scores are multi-camera, with global ids, in percent: IDF1, HOTA,
precision and recall of links between cameras. The last row of a run is its ceiling, perfect linking of the split
tracklets.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.association_steps import rows_of
from commands.stored_run import StoredRun, load_run
from evaluation.ceilings import perfect_linking
from evaluation.mot_text import MotRows, read_mot
from evaluation.multi_camera import evaluate_tracking
from pipeline.association import affinity, pair_sources
from pipeline.association.continuity import continuity
from pipeline.association.place import build_place
from pipeline.association.purity import Purified
from pipeline.stages import linking
from pipeline.types import Tracklet

Setting = Mapping[str, Any]
Without = Callable[[], Any]


@contextmanager
def source_left_out(source: object) -> Iterator[None]:
    """Without one source of evidence beside appearance."""
    rest = tuple(one for one in pair_sources.SOURCES if one is not source)
    with patch.object(pair_sources, "SOURCES", rest):
        yield


def unsplit() -> Any:
    """Tracklets as the tracker made them."""

    def keep(tracklets: Any, embeddings: Any, *_: Any, **__: Any) -> Purified:
        return Purified(tuple(sorted(tracklets, key=lambda t: t.key)), embeddings, ())

    return patch.object(linking, "purify", keep)


def rivals_ignored() -> Any:
    """Log-odds of each pair alone."""
    return patch.object(affinity, "weigh_rivals", lambda log_odds, *_, **__: log_odds)


STEPS: tuple[tuple[str, Setting, Without | None], ...] = (
    ("everything", {}, None),
    ("without splits", {}, unsplit),
    ("without centring", {"centre_min_people": 10**6}, None),
    ("without rivals", {}, rivals_ignored),
    ("without a track's course", {}, lambda: source_left_out(continuity)),
    ("without places on the floor", {}, lambda: source_left_out(build_place)),
    ("without ways and times", {"topology_rounds": 0}, None),
    ("solver: heuristic", {"solver": "heuristic"}, None),
    ("solver: exact", {"solver": "exact"}, None),
)


def linked_anew(run: StoredRun, settings: Setting) -> linking.Linked:
    """The run's tracklets under other settings of association."""
    config = run.config.model_copy(update={"association": run.config.association.model_copy(update=dict(settings))})
    return linking.link_cameras(run.tracked, run.scene, config, run.prior, run.dimension)


def cells(truth: Mapping[str, MotRows], rows: Mapping[str, MotRows]) -> str:
    """IDF1, HOTA and links between cameras."""
    found = evaluate_tracking(dict(truth), dict(rows))
    values = (found.total.identity.idf1, found.total.hota.hota, found.pairs.precision, found.pairs.recall)
    return " | ".join(f"{100 * value:.1f}" for value in values)


def table(name: str, folder: Path, truth_folder: Path) -> Iterator[str]:
    """A row a step, and the ceiling."""
    read = {path.stem: read_mot(path, truth=True) for path in sorted(truth_folder.glob("*.txt"))}
    truth = {camera: rows for camera, rows in read.items() if len(rows)}
    last = {camera: int(rows.frame.max()) for camera, rows in truth.items()}
    run = load_run(folder)
    split: tuple[Tracklet, ...] = ()
    for step, settings, without in STEPS:
        if without is None:
            linked = linked_anew(run, settings)
        else:
            with without():
                linked = linked_anew(run, settings)
        split = split or linked.purified.tracklets
        people = [(person.person_id, t) for person in linked.result.trajectories for t in person.tracklets]
        rows = {
            camera: one_camera(camera, [(n, t) for n, t in people if t.camera_id == camera], last) for camera in truth
        }
        yield f"| {name} | {step} | {cells(truth, rows)} | {len(linked.result.trajectories)} |"
    own = {camera: [(t.key[1], t) for t in split if t.camera_id == camera] for camera in truth}
    yield f"| {name} | ceiling | {cells(truth, perfect_linking(truth, rows_of(own, last)))} | |"


def one_camera(camera: str, people: list[tuple[int, Tracklet]], last: Mapping[str, int]) -> MotRows:
    """MOT rows of a camera under people's global numbers."""
    return rows_of({camera: people}, last)[camera]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN:TRUTH")
    args = parser.parse_args()
    print(
        "| run | step | IDF1 | HOTA | links: precision | recall | people |\n|---|---|---|---|---|---|---|", flush=True
    )
    for one in args.runs:
        name, _, places = one.partition("=")
        run, _, truth = places.rpartition(":")
        for line in table(name, Path(run), Path(truth)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
