"""Association on real appearance: crops of known people as tracklets of simulated cameras and times.

    python -m benchmarks.association_reid --data ../shared/data/reid \
        --model ../shared/models/person-reidentification-retail-0277/person-reidentification-retail-0277.xml

Identities and appearance are real, times and places are not: people walk through camera A and B in arrivals that
overlap (some three at once), boxes of people alive together stand apart, the clocks are unknown to each other, or agree
(`--clock common`; from A to B it takes 20 to 60 s). `+n` passers-by are seen in one camera only; `broken` visits come
as two tracklets. A row is the mean over scenes of
different seeds. The prior is fitted on cuhk01, pku-reid and 3dpes, on which all constants were tuned; no constant
was tuned on the sets in the table, but the design (logistic tails, centring) was chosen with a look at them.
`--fit-prior FILE` writes it as JSON for a weight card (`settings.distance_prior`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.prior import DistancePrior, LabelledCrops, fit_prior
from pipeline.association.report import AssociationResult
from pipeline.config import AssociationConfig, EmbedderConfig, RuntimeConfig
from pipeline.types import Camera, Embeddings, Scene, Tracklet, TrackletKey
from reid import build_embedder

PRIOR_SETS = ("cuhk01_671", "pku_reid_train", "3dpes")
SCENES = (
    # set, people in both cameras, passers-by, share of broken visits
    ("cuhk03_pair1_labeled", 10, 0, 0.0),
    ("cuhk03_pair1_labeled", 10, 10, 0.0),
    ("cuhk03_pair1_labeled", 50, 0, 0.0),
    ("cuhk03_pair1_labeled", 50, 50, 0.0),
    ("cuhk03_pair1_labeled", 50, 50, 0.5),
    ("prid2011", 10, 10, 0.0),
    ("prid2011", 50, 50, 0.0),
    ("prid2011", 200, 0, 0.0),
    ("prid2011", 200, 200, 0.0),
    ("viper", 10, 10, 0.0),
    ("viper", 50, 50, 0.0),
    ("viper", 200, 0, 0.0),
    ("viper", 200, 200, 0.0),
    ("3dpes", 10, 10, 0.0),
    ("3dpes", 50, 50, 0.0),
)
HELD_OUT_SET = "cuhk03_pair1_labeled"
HELD_OUT = 100
"""People of cuhk03 that no training here sees: the first of the permutation by seed 0 (reid/datasets.py)."""

FPS = 10.0
AT_ONCE = 3.0
"""People in a camera at one time, on average."""


@dataclass(frozen=True)
class Simulation:
    """A scene and who is who in it."""

    tracklets: list[Tracklet]
    embeddings: Embeddings
    scene: Scene
    truth: dict[TrackletKey, int]


def read_tar(path: Path) -> tuple[list[np.ndarray], LabelledCrops]:
    """Images, and labels without vectors, of a tar of `<id>_c<camera>_<n>.<ext>`, ordered by id, camera, n."""
    found = []
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                person, camera, number = Path(member.name).stem.split("_")
                data = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                found.append((int(person), int(camera[1:]), int(number), cv2.imdecode(data, cv2.IMREAD_COLOR)))
    found.sort(key=lambda row: row[:3])
    label = np.array([row[:2] for row in found], dtype=np.int64)
    return [row[3] for row in found], LabelledCrops(np.zeros((len(found), 0), np.float32), label[:, 0], label[:, 1])


def simulate(
    crops: LabelledCrops,
    people: int,
    passers_by: int,
    seed: int,
    *,
    clock: str = "unknown",
    fragments: float = 0.0,
) -> Simulation:
    """`people` seen in two cameras and `passers_by` in one, drawn from `crops`; a share of the visits breaks in two."""
    rng = np.random.default_rng(seed)
    rows: dict[tuple[int, int], list[int]] = {}
    for row, (person, camera) in enumerate(zip(crops.person.tolist(), crops.camera.tolist(), strict=True)):
        rows.setdefault((person, camera), []).append(row)
    cameras: dict[int, list[int]] = {}
    for person, camera in rows:
        cameras.setdefault(person, []).append(camera)
    both = [p for p, c in sorted(cameras.items()) if len(c) > 1]
    drawn = rng.permutation(both)
    if len(drawn) < people:
        raise ValueError(f"{people} people wanted in two cameras, {len(drawn)} there")
    meeting = drawn[:people]
    rest = np.setdiff1d(sorted(cameras), meeting)
    if len(rest) < passers_by:
        raise ValueError(f"{passers_by} passers-by wanted, {len(rest)} people left")
    visits: list[tuple[int, int, int]] = []  # person, which simulated camera, crop group
    for person in meeting.tolist():
        first, second = (
            rng.permutation(sorted(cameras[person]))[:2].tolist()
            if len(cameras[person]) > 2
            else sorted(cameras[person])
        )
        visits += [(person, 0, first), (person, 1, second)]
    for person in rng.permutation(rest)[:passers_by].tolist():
        camera = int(rng.choice(sorted(cameras[person])))
        side = sorted(cameras[person]).index(camera) if len(cameras[person]) > 1 else int(rng.integers(2))
        visits.append((person, min(side, 1), camera))
    return _walk(crops, rows, visits, rng, clock=clock, fragments=fragments)


def _walk(crops, rows, visits, rng, *, clock, fragments) -> Simulation:  # type: ignore[no-untyped-def]
    names = ("A", "B")
    duration = {v: float(rng.uniform(4.0, 12.0)) for v in visits}
    span = max(sum(d for v, d in duration.items() if v[1] == side) for side in (0, 1)) / AT_ONCE
    enters = {person: float(rng.uniform(0.0, span)) for person in sorted({v[0] for v in visits})}
    tracklets, keys, frames, taken, truth = [], [], [], [], {}
    lanes: dict[int, list[tuple[int, int, int]]] = {0: [], 1: []}
    numbers = rng.permutation(4 * len(visits)).tolist()
    for visit in sorted(visits, key=lambda v: enters[v[0]]):
        person, side, group = visit
        walk = 20.0 + float(rng.uniform(0.0, 40.0))  # from A to B
        start = round((enters[person] + (walk if side else 0.0)) * FPS)
        length = round(duration[visit] * FPS)
        busy = {lane for first, last, lane in lanes[side] if first <= start + length and last >= start}
        lane = next(k for k in range(1000) if k not in busy)
        lanes[side].append((start, start + length, lane))
        pool = rows[(person, group)]
        count = min(len(pool), int(rng.integers(3, 9)))
        chosen = [pool[i] for i in np.unique(np.linspace(0, len(pool) - 1, count).round().astype(int))]
        breaks = len(chosen) >= 2 and rng.uniform() < fragments
        parts = (
            [(chosen[: len(chosen) // 2], 0.0, 0.45), (chosen[len(chosen) // 2 :], 0.55, 1.0)]
            if breaks
            else [(chosen, 0.0, 1.0)]
        )
        for part, begin, end in parts:
            key = (names[side], numbers.pop())
            index = np.arange(start + round(begin * length), start + round(end * length))
            box = np.array([100.0 * lane, 0.0, 100.0 * lane + 60.0, 160.0], np.float32)
            tracklets.append(
                Tracklet(
                    key,
                    index,
                    index / FPS,
                    np.tile(box, (len(index), 1)),
                    np.full(len(index), 0.9, np.float32),
                    np.ones(len(index), np.bool_),
                )
            )
            truth[key] = person
            keys += [key] * len(part)
            frames += index[np.linspace(0, len(index) - 1, len(part)).round().astype(int)].tolist()
            taken += part
    embeddings = Embeddings(tuple(keys), np.array(frames), crops.vector[taken], np.ones(len(taken), np.float32))
    cameras = tuple(Camera(name, (Path(f"{name}.mp4"),), (1920, 1080), FPS) for name in names)
    return Simulation(tracklets, embeddings, Scene(cameras, clock), truth)


def score(simulation: Simulation, result: AssociationResult) -> dict[str, float]:
    """Pair precision, recall and F1 of tracklets, IDF1 of boxes, and the false-link rate beside its estimate."""
    truth = simulation.truth
    person = {t.key: trajectory.person_id for trajectory in result.trajectories for t in trajectory.tracklets}
    keys = sorted(truth)
    real = np.array([truth[k] for k in keys])
    found = np.array([person[k] for k in keys])
    weight = {t.key: len(t) for t in simulation.tracklets}
    length = np.array([weight[k] for k in keys], dtype=np.float64)
    upper = np.triu_indices(len(keys), 1)
    same_real = (real[:, None] == real)[upper]
    same_found = (found[:, None] == found)[upper]
    hits = float((same_real & same_found).sum())
    _, real_index = np.unique(real, return_inverse=True)
    _, found_index = np.unique(found, return_inverse=True)
    common = np.zeros((real_index.max() + 1, found_index.max() + 1))
    np.add.at(common, (real_index, found_index), length)
    matched = linear_sum_assignment(-common)
    links = [(link, truth[link.from_key] != truth[link.to_key]) for t in result.trajectories for link in t.links]
    return {
        "pair_precision": hits / max(float(same_found.sum()), 1.0),
        "pair_recall": hits / max(float(same_real.sum()), 1.0),
        "pair_f1": 2 * hits / max(float(same_real.sum() + same_found.sum()), 1.0),
        "idf1": float(common[matched].sum() / length.sum()),
        "links": float(len(links)),
        "false_links": float(sum(wrong for _, wrong in links)),
        "expected_false_links": len(links) * (result.report.estimated_false_link_rate or 0.0),
        "true_links": float(len(truth) - len(set(truth.values()))),
        "missed_links": float(len(truth) - len(set(truth.values())) - sum(not wrong for _, wrong in links)),
        "expected_missed_rate": result.report.estimated_missed_link_rate or 0.0,
        "people": float(len(result.trajectories)),
        "true_people": float(len(set(truth.values()))),
        "share_cross": result.report.share_cross,
        "same": result.report.same.mean,
        "different": result.report.different_cross.mean,
    }


def embedded(path: Path, model: str, name: str, cache: Path) -> LabelledCrops:
    """The crops of a tar (of cuhk03: the held-out people) with vectors, computed once a model and kept in `cache`."""
    images, labels = read_tar(path)
    people = np.unique(labels.person)
    if path.stem == HELD_OUT_SET:
        people = np.random.default_rng(0).permutation(people)[:HELD_OUT]
    rows = np.flatnonzero(np.isin(labels.person, people))
    key = hashlib.sha256(f"{model} {name} {path.name} {len(rows)}".encode()).hexdigest()[:16]
    stored = cache / f"{path.stem}-{key}.npy"
    if not stored.is_file():
        embedder = build_embedder(EmbedderConfig(name=name, model=model), RuntimeConfig())
        cache.mkdir(parents=True, exist_ok=True)
        np.save(stored, embedder.embed([images[row] for row in rows]))
    return LabelledCrops(np.load(stored), labels.person[rows], labels.camera[rows])


def measure(  # noqa: PLR0917 - one knob each
    crops: LabelledCrops,
    prior: DistancePrior | None,
    scene: tuple[int, int, float],
    seeds: int,
    config: AssociationConfig,
    clock: str = "unknown",
) -> dict[str, float]:
    """Mean scores over `seeds` scenes of (people, passers-by, share of broken visits); rates are of all links."""
    people, passers_by, broken = scene
    rows = []
    for seed in range(seeds):
        simulation = simulate(crops, people, passers_by, seed, clock=clock, fragments=broken)
        solver = AverageLinkageAssociator(config, prior)
        rows.append(score(simulation, solver.solve(simulation.tracklets, simulation.embeddings, simulation.scene)))
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return {
        **mean,
        "missed_link_rate": mean["missed_links"] / max(mean["true_links"], 1e-9),
        "false_link_rate": mean["false_links"] / max(mean["links"], 1e-9),
        "estimated_false_link_rate": mean["expected_false_links"] / max(mean["links"], 1e-9),
    }


def main() -> None:
    """Fit the prior, run all scenes, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of <set>.tar")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--embedder", choices=["mgn", "openvino", "onnx"], default="openvino")
    parser.add_argument("--prior", choices=["own", "generic"], default="own")
    parser.add_argument("--clock", choices=["unknown", "common"], default="unknown")
    parser.add_argument("--prefer", choices=["precision", "balance", "recall"], default="balance")
    parser.add_argument("--sets", nargs="+", help="rows of these sets only")
    parser.add_argument("--fit-prior", type=Path, help="write the prior here as JSON")
    parser.add_argument("--seeds", type=int, default=4, help="scenes a row (a quarter as many of 200 people)")
    parser.add_argument("--cache", type=Path, default=Path(".cache/association_reid"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    def load(name: str) -> LabelledCrops:
        return embedded(arguments.data / f"{name}.tar", arguments.model, arguments.embedder, arguments.cache)

    prior = None
    if arguments.prior == "own":
        sets = {name: load(name) for name in PRIOR_SETS}
        prior = fit_prior(Path(arguments.model).stem, ", ".join(PRIOR_SETS), sets)
        if arguments.fit_prior:
            arguments.fit_prior.write_text(json.dumps(prior.to_dict(), indent=2) + "\n", encoding="utf-8")
    scenes = [row for row in SCENES if not arguments.sets or row[0] in arguments.sets]
    crops = {name: load(name) for name in dict.fromkeys(row[0] for row in scenes)}
    config = AssociationConfig(prefer=arguments.prefer)
    print("| set | both + one | broken | pair F1 | precision | recall | IDF1 | ", end="")
    print("false links (printed) | missed (printed) | people |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    table = []
    for name, *scene in scenes:
        people, passers_by, broken = scene
        seeds = arguments.seeds if people < 200 else max(arguments.seeds // 4, 1)
        row = measure(crops[name], prior, (people, passers_by, broken), seeds, config, arguments.clock)
        table.append({"set": name, "both": people, "one": passers_by, "broken": broken, **row})
        print(
            f"| {name} | {people} + {passers_by} | {broken:.0%} | {row['pair_f1']:.3f} | {row['pair_precision']:.3f} | "
            f"{row['pair_recall']:.3f} | {row['idf1']:.3f} | {row['false_link_rate']:.3f} "
            f"({row['estimated_false_link_rate']:.3f}) | {row['missed_link_rate']:.3f} "
            f"({row['expected_missed_rate']:.3f}) | {row['people']:.0f} of {row['true_people']:.0f} |",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
