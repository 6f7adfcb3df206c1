"""How sure a grouping is, and which error the user would rather have."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.confidence import judge, sigmoid
from pipeline.association.linkage import Merge
from pipeline.config import AssociationConfig


def test_missed_links_are_the_probabilities_of_the_groups_left_apart() -> None:
    log_odds = np.array(
        [[0, 4, -1, -2], [4, 0, -3, -2], [-1, -3, 0, 0], [-2, -2, 0, 0]],
        np.float32,
    )
    cannot = np.zeros((4, 4), np.bool_)
    cannot[0, 3] = cannot[3, 0] = True
    doubt = judge(log_odds, cannot, np.array([0, 0, 1, 2]), [Merge((0,), (1,), 4.0)])
    # The pair with row 3 is barred; 0 and 1 against 2 have mean -2, 2 against 3 has 0; both count for a little more.
    assert doubt.missed == pytest.approx(sigmoid(np.array(0.3 - 1.4)) + sigmoid(np.array(0.3)))
    assert doubt.missed_rate() == pytest.approx(doubt.missed / (doubt.missed + sigmoid(np.array(4.0))))


def test_nobody_to_link_is_nobody_missed() -> None:
    doubt = judge(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.bool_), np.zeros(1, np.int64), [])
    assert doubt.missed_rate() is None


def test_who_prefers_precision_gets_fewer_and_surer_links(crowd, world, scene, prior) -> None:  # type: ignore[no-untyped-def]
    results = {}
    for prefer in ("precision", "balance", "recall"):
        config = AssociationConfig(prefer=prefer)
        visits = crowd(both=40, one=30)
        who = {(v.camera, v.track): v.person for v in visits}
        links = wrong = 0
        for seed in range(3):
            tracklets, embeddings = world(visits, seed=seed, alike=1.5)
            result = AverageLinkageAssociator(config, prior).solve(tracklets, embeddings, scene("A", "B"))
            found = [link for t in result.trajectories for link in t.links]
            links += len(found)
            wrong += sum(who[link.from_key] != who[link.to_key] for link in found)
        results[prefer] = (links, wrong / links)
        assert result.report.min_link_probability == config.link_probability
    assert results["precision"][0] < results["balance"][0] < results["recall"][0]
    assert results["precision"][1] < results["balance"][1] < results["recall"][1]


def test_a_probability_of_the_users_own_goes_before_what_is_preferred() -> None:
    assert AssociationConfig(prefer="recall", min_link_probability=0.7).link_probability == 0.7
