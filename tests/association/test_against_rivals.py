"""Distances learned from pairs weighed against their rivals, where look-alikes are more than the fit foretells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.association.affinity import Compared, compare, usable_embeddings
from pipeline.association.against_rivals import learn_against_rivals
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.constraints import build_constraints
from pipeline.config import AssociationConfig


@pytest.fixture
def dressed_alike(world, visit, scene, prior):
    """120 people in cameras A and B, in groups of eight who dress alike, and as many passers-by in each."""

    def make() -> tuple[Compared, np.ndarray]:
        visits = []
        for person in range(120):
            visits += [visit(person, camera, person + 1, 30 * person, 20, person % 15) for camera in "AB"]
        for person in range(120, 240):
            camera = "AB"[person % 2]
            visits.append(visit(person, camera, person + 1, 30 * person, 20, person % 15))
        tracklets, embeddings = world(visits, seed=1, view=0.7, alike=1.1)
        ordered = sorted(tracklets, key=lambda t: t.key)
        constraints = build_constraints(
            ordered, scene("A", "B"), duplicate_overlap=0.6, well_apart_overlap=0.2, slack_s=1.0
        )
        compared = compare(ordered, usable_embeddings(ordered, embeddings), constraints, prior, centred=False)
        person = np.array([t.key[1] for t in ordered])
        return compared, person

    return make


def _true_share(compared: Compared, person: np.ndarray) -> float:
    allowed = ~compared.constraints.cannot & (compared.camera[:, None] != compared.camera)
    same = person[:, None] == person
    return float((allowed & same).sum() / allowed.sum())


def test_look_alikes_are_not_taken_for_one_person(dressed_alike):
    compared, person = dressed_alike()
    learned, true = learn_against_rivals(compared), _true_share(compared, person)
    assert compared.calibration.share_cross > 2.0 * true, "pairs by themselves: or the test tests nothing"
    assert true / 1.5 < learned.calibration.share_cross < 1.5 * true
    assert learned.calibration.tail is not None


def test_with_few_pairs_nothing_is_counted(world, visit, scene, prior):
    visits = [visit(person, camera, person + 1, 30 * person) for person in range(5) for camera in "AB"]
    tracklets, embeddings = world(visits)
    ordered = sorted(tracklets, key=lambda t: t.key)
    constraints = build_constraints(
        ordered, scene("A", "B"), duplicate_overlap=0.6, well_apart_overlap=0.2, slack_s=1.0
    )
    compared = compare(ordered, usable_embeddings(ordered, embeddings), constraints, prior, centred=False)
    assert learn_against_rivals(compared).calibration.tail is None
    alone = replace(compared, trust=np.zeros(len(compared.trust)))
    assert learn_against_rivals(alone) is alone, "nobody has a look"


def test_of_an_embedder_without_a_prior_more_look_alikes_are_expected(world, visit, scene):
    visits = [visit(person, camera, person + 1, 30 * person) for person in range(12) for camera in "AB"]
    tracklets, embeddings = world(visits)
    ordered = sorted(tracklets, key=lambda t: t.key)
    constraints = build_constraints(
        ordered, scene("A", "B"), duplicate_overlap=0.6, well_apart_overlap=0.2, slack_s=1.0
    )
    usable = usable_embeddings(ordered, embeddings)
    learned = learn_against_rivals(compare(ordered, usable, constraints, None, centred=True)).calibration
    tail = learned.tail
    assert tail is not None
    different = learned.different_cross
    near, middle = different.location - 6.0 * different.scale, different.location - different.scale
    added = tail.at(np.array([near, middle]), np.ones(2))
    assert added[0] < -0.5 < -0.2 < added[1] < 0.05, "few pairs, so what is usual counts; none near the middle"


def test_people_dressed_alike_are_linked_where_looks_suffice(world, visit, scene, prior):
    visits = [visit(person, camera, person + 1, 30 * person, 20, person % 5) for person in range(40) for camera in "AB"]
    tracklets, embeddings = world(visits, seed=2, view=0.5, alike=1.0)
    result = AverageLinkageAssociator(AssociationConfig(), prior).solve(tracklets, embeddings, scene("A", "B"))
    wrong = sum(link.from_key[1] != link.to_key[1] for t in result.trajectories for link in t.links)
    assert result.report.links > 30
    assert wrong <= 2
