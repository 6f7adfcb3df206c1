"""Association on real appearance, scene by scene (reid_scenes.py), as Markdown.

    python -m benchmarks.association_reid --data ../shared/data/reid --output FILE.md --models bundled \
        ../shared/models/person-reidentification-retail-0277/person-reidentification-retail-0277.xml

`+n` passers-by are seen in one camera only; `broken` visits come as two tracklets. A row is the mean over scenes of
different seeds; links are counted over all of them. A model's own prior is fitted on cuhk01, pku-reid and 3dpes, on
which all constants were tuned; no constant was tuned on the other sets, but the design (logistic tails, centring) was
chosen with a look at them. An MGN gets the generic prior, and no row of those sets, as they are what it was trained on.
`--fit-prior FOLDER` writes the priors as JSON for weight cards (`settings.distance_prior`).

Below each table stands in how many of its held-out rows a printed rate is near the true one: within a factor 2 or 3 of
what was counted, within a factor 2 of a rate that the count allows (95 % binomial interval, taking links as
independent; the scenes of a row share people, so it is narrow), and within that interval itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.reid_scores import AGREEMENT_HEAD, agreement, false_rate, measure, missed_rate
from benchmarks.reid_vectors import CACHE, PRIOR_SETS, embedded, embedder_of, own_prior
from pipeline.association.prior import DistancePrior
from pipeline.config import AssociationConfig

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
HEAD = (
    "| set | both + one | broken | pair F1 | precision | recall | IDF1 | false links (printed) | missed links "
    "(printed) | people |\n|---|---|---|---|---|---|---|---|---|---|"
)


def prior_of(arguments: argparse.Namespace, model: str) -> DistancePrior | None:
    """The model's own prior, or None for the generic one."""
    if arguments.prior == "generic" or (arguments.prior == "auto" and embedder_of(model) == "mgn"):
        return None
    return own_prior(arguments.data, model, embedder_of(model), arguments.cache)


def table(arguments: argparse.Namespace, model: str, clock: str, kept: list[dict[str, object]]) -> Iterator[str]:
    """Lines of one table and of what follows it; its rows are added to `kept`."""
    prior = prior_of(arguments, model)
    config = AssociationConfig(prefer=arguments.prefer)
    told = "clocks unknown to each other" if clock == "unknown" else "clocks agree"
    yield f"\n**{Path(model).stem}**, {'generic' if prior is None else 'own'} prior, {told}:\n\n{HEAD}"
    held_out, every = [], []
    for name, people, passers_by, broken in SCENES:
        trained_on = name in PRIOR_SETS and embedder_of(model) == "mgn"
        if name not in arguments.sets if arguments.sets else trained_on:
            continue
        crops = embedded(arguments.data / f"{name}.tar", model, embedder_of(model), arguments.cache)
        row = measure(crops, prior, (people, passers_by, broken), arguments.seeds, config, clock)
        kept.append({"model": model, "clock": clock, "set": name, "both": people, "one": passers_by, "broken": broken,
                     **row})  # fmt: skip
        every.append(row)
        if name not in PRIOR_SETS:
            held_out.append(row)
        scores = " | ".join(f"{100 * row[key]:.1f}" for key in ("pair_f1", "pair_precision", "pair_recall", "idf1"))
        yield (
            f"| {name} | {people} + {passers_by} | {broken:.0%} | {scores} | {false_rate(row)} | {missed_rate(row)} | "
            f"{row['people']:.0f} of {row['true_people']:.0f} |"
        )
    if every:
        yield f"\nMean pair F1 of the rows: {100 * float(np.mean([row['pair_f1'] for row in every])):.1f}"
    if held_out:
        yield "\nHeld-out rows in which the printed rate is near the true one:\n\n" + AGREEMENT_HEAD
        yield agreement("false links", [false_rate(row) for row in held_out])
        yield agreement("missed links", [missed_rate(row) for row in held_out])


def main() -> None:
    """A table for each model and clock."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of <set>.tar")
    parser.add_argument("--models", nargs="+", default=["bundled"], help="bundled, or .safetensors, .xml or .onnx")
    parser.add_argument("--prior", choices=["auto", "own", "generic"], default="auto", help="auto: own but for an MGN")
    parser.add_argument("--clocks", nargs="+", choices=["unknown", "common"], default=["unknown", "common"])
    parser.add_argument("--prefer", choices=["precision", "balance", "recall"], default="balance")
    parser.add_argument("--sets", nargs="+", help="rows of these sets only")
    parser.add_argument("--fit-prior", type=Path, help="write own priors into this folder as JSON")
    parser.add_argument("--seeds", type=int, default=10, help="scenes a row")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder that keeps vectors")
    parser.add_argument("--output", type=Path, help="write the tables here, too")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    lines: list[str] = []
    kept: list[dict[str, object]] = []
    for model in arguments.models:
        if arguments.fit_prior:
            prior = own_prior(arguments.data, model, embedder_of(model), arguments.cache)
            arguments.fit_prior.mkdir(parents=True, exist_ok=True)
            written = json.dumps(prior.to_dict(), indent=2) + "\n"
            (arguments.fit_prior / f"{Path(model).stem}.json").write_text(written, encoding="utf-8")
        for clock in arguments.clocks:
            for line in table(arguments, model, clock, kept):
                print(line, flush=True)
                lines.append(line)
                if arguments.output:
                    arguments.output.write_text("\n".join(lines).lstrip() + "\n", encoding="utf-8")
    if arguments.json:
        arguments.json.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
