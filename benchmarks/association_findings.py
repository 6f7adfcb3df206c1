"""The findings that association was built on, as tables: tails, crops, centring, rivals, learned, prefer,
unlike.

    python -m benchmarks.association_findings --data ../shared/data/reid \
        --model ../shared/models/person-reidentification-retail-0277/person-reidentification-retail-0277.xml
    python -m benchmarks.association_findings --data ../shared/data/reid --model bundled --tables tails centring

- tails: quantiles of the distances of two people in two cameras, in standard deviations below their mean, tracklets of
  up to 5 crops, beside those of a logistic and a normal distribution; left empty where fewer than 4 pairs lie below;
- crops: how much larger the mean cosine of two tracklets of up to 5 crops is than that of their first crops: foretold
  by `reliability`, measured on one person and on two; and noise-free distances of halves of one tracklet and of one
  person in two cameras;
- centring: share of the pairs of one person nearer than all but 1 in 1000 of the pairs of two, 60 people in two
  cameras, before and after each camera's mean person is taken out; and the mean distances of one person and of two;
- rivals: pair F1 and false links, true and printed, with and without rivals weighed (no centring; clocks unknown);
- learned: mean pair F1, mean logarithm of printed over true false links (half a link where there is none) and of its
  absolute value, over 12 scenes a seed, by what is learned against rivals; clocks unknown;
- prefer: pair precision and recall by the probability from which groups are joined;
- unlike: how far the printed rate of missed links lies from the true one, by the share of joinings that no distance
  suggests (`UNLIKE` of pipeline/association/missed.py): mean of the logarithm of printed over true, and of its absolute
  value, over rows of cuhk01 and 3dpes, all crops and one a visit, both clocks; each set with a prior of the other two.

`rivals`, `learned`, `prefer` and `unlike` are of the sets that constants are tuned on (`PRIOR_SETS`,
benchmarks/reid_vectors.py), all but the last with the prior fitted on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
from scipy.stats import logistic, norm

from benchmarks.association_ablation_runs import rivals_ignored
from benchmarks.reid_scores import false_rate, measure, missed_rate
from benchmarks.reid_vectors import CACHE, PRIOR_SETS, embedded, embedder_of, own_prior
from pipeline.association import against_rivals, missed
from pipeline.association.centring import centre
from pipeline.association.prior import SCALE_OF_STD, DistancePrior, LabelledCrops, fit_prior
from pipeline.association.similarity import aggregate, crop_statistics, reliability
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings, Float64

Load = Callable[[str], LabelledCrops]

QUANTILES = (1e-5, 1e-4, 1e-3, 1e-2)
LEAST_BELOW = 4
TAILS = ("cuhk03_pair1_labeled", "viper", "prid2011", "pku_reid_train")
CROPS = ("cuhk03_pair1_labeled", "cuhk01_671", "pku_reid_train")
"""Sets with several crops of a person in each of two cameras."""
CENTRED = ("pku_reid_train", "cuhk01_671", "prid2011", "viper", "cuhk03_pair1_labeled")
CENTRED_PEOPLE = 60
RIVALS = (("pku_reid_train", 50, 0), ("cuhk01_671", 50, 50), ("cuhk01_671", 200, 200), ("3dpes", 50, 50))
LEARNED = (
    *(
        ("cuhk01_671", 10, 10, 0.0),
        ("cuhk01_671", 50, 0, 0.0),
        ("cuhk01_671", 50, 50, 0.0),
        ("cuhk01_671", 50, 50, 0.5),
    ),
    *(("cuhk01_671", 50, 50, 1.0), ("cuhk01_671", 200, 0, 0.0), ("cuhk01_671", 200, 200, 0.0), ("3dpes", 10, 10, 0.0)),
    *(("3dpes", 50, 50, 0.0), ("3dpes", 50, 50, 0.5), ("pku_reid_train", 10, 10, 0.0), ("pku_reid_train", 50, 0, 0.0)),
)
STEPS: dict[str, tuple[int, float]] = {  # rounds, share of the counted tail
    "nothing": (0, 0.0),
    "densities and shares": (3, 0.0),
    "and half of the tail (what is used)": (3, 0.5),
    "and all of the tail": (3, 1.0),
}
PREFER = (("cuhk01_671", 50, 50), ("pku_reid_train", 30, 30), ("3dpes", 50, 50))
UNLIKE_SETS = ("cuhk01_671", "3dpes")
UNLIKE_SCENES = ((10, 10), (50, 0), (50, 50))
SHARES = (0.0, 0.01, 0.02, 0.03)
PROBABILITIES = (0.95, 0.9, 0.8, 0.5, 0.2, 0.1)


def table(head: list[str], rows: Iterator[list[str]]) -> None:
    """Print as Markdown."""
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def between_cameras(rows: Embeddings) -> tuple[Float64, Float64]:
    """Cosine distances of tracklets in two cameras: of one person, and of two."""
    tracklets = aggregate(rows)
    camera, person = (np.array([key[part] for key in tracklets.keys]) for part in (0, 1))
    vector = tracklets.vector.astype(np.float64)
    upper = np.triu(camera[:, None] != camera, 1)
    distance, same = (1 - vector @ vector.T)[upper], (person[:, None] == person)[upper]
    return distance[same], distance[~same]


def tails(load: Load) -> Iterator[list[str]]:
    """A row a set, then the two distributions."""
    for name in TAILS:
        _, two = between_cameras(load(name).as_embeddings(5))
        below = [(two.mean() - np.quantile(two, q)) / two.std() for q in QUANTILES]
        told = [f"{z:.1f}" if q * len(two) >= LEAST_BELOW else "" for q, z in zip(QUANTILES, below, strict=True)]
        yield [name, f"{len(two):,}", *told]
    yield ["logistic", "", *(f"{-logistic.ppf(q) * SCALE_OF_STD:.1f}" for q in QUANTILES)]
    yield ["normal", "", *(f"{-norm.ppf(q):.1f}" for q in QUANTILES)]


def crops(load: Load) -> Iterator[list[str]]:
    """A row a set."""
    for name in CROPS:
        labelled = load(name)
        many = labelled.as_embeddings(5)
        crop_similarity = crop_statistics(many).crop_similarity
        once, five = (float(np.mean(reliability(aggregate(rows).crops, crop_similarity)))
                      for rows in (labelled.as_embeddings(1), many))  # fmt: skip
        of_one, of_many = between_cameras(labelled.as_embeddings(1)), between_cameras(many)
        measured = [(1 - b.mean()) / (1 - a.mean()) for a, b in zip(of_one, of_many, strict=True)]
        fitted = fit_prior("crops", name, {name: labelled}).plain
        cells = [f"{ratio:.3f}" for ratio in ((five / once) ** 2, *measured)]
        yield [name, *cells, f"{fitted.same_within.location:.2f}", f"{fitted.same_cross.location:.2f}"]


def centring(load: Load) -> Iterator[list[str]]:
    """A row a set: recall at 1e-3 and mean distances, plain and centred."""
    for name in CENTRED:
        crops = load(name)
        seen = {p: len(np.unique(crops.camera[crops.person == p])) for p in np.unique(crops.person).tolist()}
        both = [p for p, cameras in sorted(seen.items()) if cameras > 1]
        people = np.random.default_rng(0).permutation(both)[:CENTRED_PEOPLE]
        taken = np.isin(crops.person, people)
        plain = LabelledCrops(crops.vector[taken], crops.person[taken], crops.camera[taken]).as_embeddings(5)
        cells = []
        for rows in (plain, centre(plain, {key: key[1] for key in plain.keys})):
            one, two = between_cameras(rows)
            recall = float((one <= np.quantile(two, 1e-3)).mean())
            cells.append((f"{100 * recall:.0f}", f"{one.mean():.3f}", f"{two.mean():.3f}"))
        yield [name, str(len(people)), *(" -> ".join(pair) for pair in zip(*cells, strict=True))]


def rivals(load: Load, prior: DistancePrior, seeds: int) -> Iterator[list[str]]:
    """A row a scene: without and with."""
    config = AssociationConfig(centre_min_people=10**6)
    for name, people, passers_by in RIVALS:
        cells = []
        for context in (rivals_ignored(), nullcontext()):
            with context:
                row = measure(load(name), prior, (people, passers_by, 0.0), seeds, config)
            cells.append(f"{100 * row['pair_f1']:.1f}; {false_rate(row)}")
        yield [f"{name} {people} + {passers_by}", *cells]


def learned(load: Load, prior: DistancePrior, seeds: int) -> Iterator[list[str]]:
    """A row for what is learned against rivals."""
    for name, (rounds, trusted) in STEPS.items():
        f1, off = [], []
        for of, people, passers_by, broken in LEARNED:
            with patch.multiple(against_rivals, _ROUNDS=rounds, _TRUSTED=trusted):
                row = measure(load(of), prior, (people, passers_by, broken), seeds, AssociationConfig())
            f1.append(100.0 * row["pair_f1"])
            rate = false_rate(row)
            off.append(float(np.log(max(rate.rate * rate.all, 0.5) / max(rate.wrong, 0.5))))
        yield [name, f"{np.mean(f1):.1f}", f"{np.mean(off):+.2f}", f"{np.mean(np.abs(off)):.2f}"]


def prefer(load: Load, prior: DistancePrior, seeds: int) -> Iterator[list[str]]:
    """A row a scene, a column a probability."""
    for name, people, passers_by in PREFER:
        cells = []
        for probability in PROBABILITIES:
            config = AssociationConfig(min_link_probability=probability)
            row = measure(load(name), prior, (people, passers_by, 0.0), seeds, config)
            cells.append(f"{100 * row['pair_precision']:.0f} / {100 * row['pair_recall']:.0f}")
        yield [f"{name} {people} + {passers_by}", *cells]


def first_crops(crops: LabelledCrops) -> LabelledCrops:
    """One crop of a person in each camera."""
    _, rows = np.unique(np.stack([crops.person, crops.camera]), axis=1, return_index=True)
    return LabelledCrops(crops.vector[rows], crops.person[rows], crops.camera[rows])


def unlike(load: Load, seeds: int) -> Iterator[list[str]]:
    """A row a share."""
    priors = {
        name: fit_prior("unlike", "the others", {other: load(other) for other in PRIOR_SETS if other != name})
        for name in UNLIKE_SETS
    }
    for share in SHARES:
        off: list[float] = []
        for name in UNLIKE_SETS:
            for few, clock, (people, passers_by) in product((False, True), ("unknown", "common"), UNLIKE_SCENES):
                crops = first_crops(load(name)) if few else load(name)
                with patch.object(missed, "UNLIKE", share):
                    row = measure(crops, priors[name], (people, passers_by, 0.0), seeds, AssociationConfig(), clock)
                rate = missed_rate(row)
                if rate.wrong and rate.rate > 0:
                    off.append(float(np.log(rate.rate * rate.all / rate.wrong)))
        yield [f"{share:g}", str(len(off)), f"{np.mean(off):+.3f}", f"{np.mean(np.abs(off)):.3f}"]


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of <set>.tar")
    parser.add_argument("--model", default="bundled")
    names = ("tails", "crops", "centring", "rivals", "learned", "prefer", "unlike")
    parser.add_argument("--tables", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", type=int, default=2, help="scenes a row")
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args()

    def load(name: str) -> LabelledCrops:
        return embedded(args.data / f"{name}.tar", args.model, embedder_of(args.model), args.cache)

    if "tails" in args.tables:
        table(["set", "pairs", *(f"{q:g}" for q in QUANTILES)], tails(load))
    if "crops" in args.tables:
        head = ["set", "cosine of 5 crops over 1: foretold", "one person", "two people", "halves", "two cameras"]
        table(head, crops(load))
    if "centring" in args.tables:
        table(["set", "people", "recall at 1e-3", "one person", "two people"], centring(load))
    if "unlike" in args.tables:
        table(["share", "rows", "log of printed over true", "its absolute value"], unlike(load, args.seeds))
    if not {"rivals", "learned", "prefer"} & set(args.tables):
        return
    prior = own_prior(args.data, args.model, embedder_of(args.model), args.cache)
    if "rivals" in args.tables:
        head = ["scene", "without: pair F1, false links (printed)", "with"]
        table(head, rivals(load, prior, args.seeds))
    if "learned" in args.tables:
        head = ["learned against rivals", "pair F1", "log of printed over true", "its absolute value"]
        table(head, learned(load, prior, args.seeds))
    if "prefer" in args.tables:
        table(["precision / recall", *map(str, PROBABILITIES)], prefer(load, prior, args.seeds))


if __name__ == "__main__":
    main()
