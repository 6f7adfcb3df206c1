"""How sure a grouping is, and which error the user would rather have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.association import pair_sources
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.confidence import judge, sigmoid
from pipeline.association.joining import Joining
from pipeline.association.linkage import Merge
from pipeline.association.missed import UNLIKE, missed_joinings
from pipeline.association.pair_evidence import PairEvidence
from pipeline.association.prior import Densities, Density, DistancePrior
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings


def missed(log_odds, labels, camera, made=(1.0,), cannot=(), *, single=True):  # type: ignore[no-untyped-def]
    table = np.zeros((len(labels),) * 2, np.float32)
    barred = np.zeros_like(table, np.bool_)
    for (one, two), value in log_odds.items():
        table[one, two] = table[two, one] = value
    for one, two in cannot:
        barred[one, two] = barred[two, one] = True
    of_two = np.full(len(made), single, np.bool_)
    return missed_joinings(table, barred, np.array(labels), np.array(camera), np.array(made), of_two=of_two)


def test_groups_that_are_surely_two_people_have_probability_0_without_a_warning() -> None:
    """Log-odds of a mean over groups of 20, of vectors whose views say little (joining.py)."""
    odds = Joining(0.0, 0.1).log_odds(np.array([-24.0, -np.inf, 24.0]), 20, 20)
    assert odds[0] < -1000.0
    assert sigmoid(odds).tolist() == [0.0, 0.0, 1.0]


def test_doubtful_joinings_count_by_their_probability_however_improbable() -> None:
    log_odds = {(0, 1): 4.0, (0, 2): -1.0, (1, 2): -3.0, (0, 3): 9.0, (1, 3): -2.0, (2, 3): -6.0}
    # Row 3 is barred from the group of 0 and 1, which against 2 has mean -2. No camera shows anybody else: cap 0.
    found = missed(log_odds, [0, 0, 1, 2], [0, 1, 0, 0], cannot=[(0, 3)])
    assert found == pytest.approx(sigmoid(np.array(-2.0)) + sigmoid(np.array(-6.0)))


def test_who_looks_unlike_himself_is_missed_where_he_can_still_be_linked() -> None:
    def of(*more):  # type: ignore[no-untyped-def]
        """20 linked pairs, and tracklets alone in these cameras; any two look like strangers."""
        labels = [*(number // 2 for number in range(40)), *range(20, 20 + len(more))]
        apart = {(a, b): -60.0 for a in range(len(labels)) for b in range(a) if labels[a] != labels[b]}
        return missed(apart, labels, [0, 1] * 20 + list(more), made=made)

    made = np.ones(20)
    assert of() == pytest.approx(0.0)  # everybody has his counterpart
    assert of(0, 1, 1) == pytest.approx(UNLIKE / (1 - UNLIKE) * 20.0)
    assert of(1, 1) == pytest.approx(0.0)  # nobody in the other camera is left
    made = np.ones(200)
    assert of(0, 1) == pytest.approx(1.0)  # more would be expected than one pair


def test_two_who_are_taken_for_each_other_are_missed_where_they_have_others_of_their_own() -> None:
    def of(sure, *more, single=True):  # type: ignore[no-untyped-def]
        """20 linked pairs as sure as that, and tracklets alone in these cameras; any two groups look like strangers."""
        labels = [*(number // 2 for number in range(40)), *range(20, 20 + len(more))]
        apart = {(a, b): -60.0 for a in range(len(labels)) for b in range(a) if labels[a] != labels[b]}
        return missed(apart, labels, [0, 1] * 20 + list(more), made=np.full(20, sure), single=single)

    assert of(0.9) == pytest.approx(2.0)  # of 40 tracklets 36 have another one, and 4 that are two swapped pairs
    assert of(0.9, *[0] * 32) == pytest.approx(2.0 * 2 * 18 / 68)  # half of the people pass by once
    assert of(0.02) == pytest.approx(2.0 * 19.6 * 0.4 / 0.8)  # hardly anybody was joined with his own
    assert of(0.9, single=False) == pytest.approx(0.0)  # who was joined to a group has found somebody


def test_of_two_pairs_that_are_as_likely_swapped_one_joining_is_missed() -> None:
    """Either both are right or both are wrong: .5 was expected, for who was swapped did not count as having another."""
    swapped = {(0, 2): 0.0, (1, 3): 0.0, (0, 3): 0.0, (1, 2): 0.0}
    cannot = [(0, 1), (2, 3)]  # of one camera, at once
    assert missed(swapped, [0, 1, 0, 1], [0, 0, 1, 1], made=(0.5, 0.5), cannot=cannot) == pytest.approx(1.0)


def test_the_missed_are_a_share_of_them_and_of_the_true_links_made() -> None:
    doubt = judge(np.zeros((2, 2), np.float32), np.zeros(2, np.int64), [Merge((0,), (1,), 0.0)])
    assert replace(doubt, missed=1.5).missed_rate() == pytest.approx(1.5 / 2.0)
    assert doubt.missed_rate() is None


def test_where_nothing_was_made_and_hardly_anything_is_missed_no_share_is_told() -> None:
    nothing = judge(np.zeros((3, 3), np.float32), np.arange(3), [])
    assert replace(nothing, missed=0.1).missed_rate() is None, "100 % before"
    assert replace(nothing, missed=2.0).missed_rate() == 1.0


def test_nobody_to_link_is_nobody_missed() -> None:
    assert missed({}, [0], [0], made=()) == 0.0
    doubt = judge(np.zeros((1, 1), np.float32), np.zeros(1, np.int64), [])
    assert replace(doubt, missed=0.0).missed_rate() is None


@pytest.mark.parametrize("solver", ["average", "heuristic", "exact"])
@pytest.mark.parametrize("prefer", ["precision", "balance", "recall"])
def test_what_nothing_is_known_of_is_not_joined_whatever_is_preferred(  # type: ignore[no-untyped-def]
    tracklet, scene, monkeypatch, prefer, solver
) -> None:
    """Pairs without a look, a time or a place had log-odds 0, more than the -1.4 that `recall` asks for."""
    people = [tracklet(camera, track, 100 * track) for camera in "AB" for track in (1, 2, 3)]
    table = np.zeros((6, 6))
    table[0, 3] = table[3, 0] = 8.0  # of A 1 and B 1 something is known

    def place(*_):  # type: ignore[no-untyped-def]
        return PairEvidence("place", lambda left, right: table[left, right], alone=np.arange(6))

    monkeypatch.setattr(pair_sources, "SOURCES", (place,))
    config = AssociationConfig(prefer=prefer, solver=solver)
    result = AverageLinkageAssociator(config).solve(people, Embeddings.join([], 8), scene("A", "B"))
    together = [sorted(t.key for t in person.tracklets) for person in result.trajectories]
    assert [keys for keys in together if len(keys) > 1] == [[("A", 1), ("B", 1)]]
    assert result.report.estimated_missed_link_rate < 0.9  # each other pair counts by its share, not as an even bet


@pytest.mark.parametrize("dense_up_to", [2000, 0])
def test_evidence_of_any_size_is_taken_without_a_warning(  # type: ignore[no-untyped-def]
    crowd, world, scene, monkeypatch, dense_up_to
) -> None:
    """Odds of e^1000 are no number, and e^100 is none in float32."""
    tracklets, embeddings = world(crowd(6))
    person = np.array([t.key[1] for t in sorted(tracklets, key=lambda t: t.key)])

    def certain(*_):  # type: ignore[no-untyped-def]
        return PairEvidence("place", lambda a, b: np.where(person[a] == person[b], 1000.0, -1000.0))

    monkeypatch.setattr(pair_sources, "SOURCES", (certain,))
    config = AssociationConfig(dense_up_to=dense_up_to)
    result = AverageLinkageAssociator(config).solve(tracklets, embeddings, scene("A", "B"))
    assert [{t.key for t in p.tracklets} for p in result.trajectories] == [{("A", n), ("B", n)} for n in range(1, 7)]
    assert result.report.estimated_false_link_rate == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("prefer", ["precision", "balance", "recall"])
def test_looks_that_tell_nobody_apart_join_nobody(tracklet, scene, prefer) -> None:  # type: ignore[no-untyped-def]
    people = [tracklet("A", 1), tracklet("B", 1, 100)]
    black = Embeddings((("A", 1), ("B", 1)), np.array([3, 103]), np.ones((2, 8), np.float32), np.ones(2, np.float32))
    one, two = Density(0.45, 0.1), Density(0.5, 0.1)
    indifferent = Densities(one, one, two, two, crop_similarity=0.8, same_strength=9.0, different_strength=9.0)
    solver = AverageLinkageAssociator(
        AssociationConfig(prefer=prefer), DistancePrior("black", "test", plain=indifferent, centred=indifferent)
    )
    result = solver.solve(people, black, scene("A", "B"))
    assert result.report.warnings
    assert len(result.trajectories) == 2


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
