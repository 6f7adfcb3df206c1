"""Scenes too large for matrices of pairs, made small: the same answers as from the matrices."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pipeline.association import candidates, pair_scores, sparse_rivals
from pipeline.association.affinity import build_affinity, compare
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.candidates import Gate, search
from pipeline.association.competition import alone
from pipeline.association.constraints import build_constraints
from pipeline.association.crowd_solver import calibrate_crowd
from pipeline.association.known import Closed, Known
from pipeline.association.pair_scores import score_pairs
from pipeline.config import AssociationConfig

DENSE = AssociationConfig(topology_rounds=0)  # ways and times are not learned in large scenes
SPARSE = AssociationConfig(dense_up_to=0, topology_rounds=0)


@pytest.fixture
def crowded(world, visit):
    """30 people, each in 4 to 6 visits to 5 cameras, some visits broken in two, people of a group dressed alike."""

    def make(seed=0, people=30, crops=3):
        rng = np.random.default_rng(seed)
        visits, track = [], dict.fromkeys("ABCDE", 0)
        for person in range(people):
            start = int(rng.integers(0, 60 * people))
            for _ in range(int(rng.integers(4, 7))):
                camera = "ABCDE"[int(rng.integers(5))]
                for length in (20, 25) if rng.uniform() < 0.3 else (40,):
                    track[camera] += 1
                    visits.append(visit(person, camera, track[camera], start, length, person % 7, crops))
                    start += length + 2
                start += 100
        return (*world(visits, seed, view=0.7, alike=0.9), {(v.camera, v.track): v.person for v in visits})

    return make


def in_common(one, two):
    """Of the pairs of tracklets that either puts together, the share that both do."""

    def together(groups):
        return {pair for group in groups for pair in combinations(sorted(group), 2)}

    first, second = together(one), together(two)
    return len(first & second) / len(first | second)


@pytest.fixture
def same_people(crowded, scene, prior, grouping):
    """Nearly: large scenes take the first step of weighing rivals, and where nobody is seen at once count no tail."""

    def check(seed, clock, own):
        tracklets, embeddings, _ = crowded(seed)
        where = scene(*"ABCDE", clock=clock)
        dense, sparse = (
            AverageLinkageAssociator(config, prior if own else None).solve(tracklets, embeddings, where)
            for config in (DENSE, SPARSE)
        )
        assert in_common(grouping(sparse.trajectories), grouping(dense.trajectories)) > 0.95
        assert sparse.report.people < len(tracklets) / 2
        for person in sparse.trajectories:
            for link in person.links:
                assert link.log_odds == pytest.approx(sum(link.evidence.values()) + link.people + link.rivals)
        for name in ("positives", "negatives", "unlabelled_pairs", "centred", "without_embedding"):
            assert getattr(sparse.report, name) == getattr(dense.report, name)

    return check


@pytest.mark.parametrize("clock", ["unknown", "common"])
@pytest.mark.parametrize("own", [True, False])
def test_the_same_people_as_with_all_pairs(same_people, clock, own):
    same_people(0, clock, own)


def test_the_users_word_holds_without_matrices(crowded, scene, prior, grouping):
    tracklets, embeddings, _ = crowded()
    where = scene(*"ABCDE", clock="common")
    solvers = [AverageLinkageAssociator(config, prior) for config in (DENSE, SPARSE)]
    usual = [p for p in solvers[1].associate(tracklets, embeddings, where) if len(p.tracklets) > 2]
    one, two = ([t.key for t in p.tracklets] for p in usual[:2])
    closed = frozenset(t.key for t in usual[2].tracklets[:2])
    known = Known(together=(frozenset({one[0], two[0]}),), apart=((one[0], one[1]),), closed=(Closed(closed),))
    dense, sparse = (solver.solve(tracklets, embeddings, where, known) for solver in solvers)
    assert in_common(grouping(sparse.trajectories), grouping(dense.trajectories)) > 0.95
    person = {t.key: p.person_id for p in sparse.trajectories for t in p.tracklets}
    assert person[one[0]] == person[two[0]]
    assert person[one[0]] != person[one[1]]
    assert (
        not {t.key for p in sparse.trajectories for t in p.tracklets if person[t.key] in {person[k] for k in closed}}
        - closed
    )
    told = [link for p in sparse.trajectories for link in p.links if link.by_user]
    assert len(told) == 1


def test_no_candidate_is_lost_to_the_gate_or_to_blocks(crowded, scene, prior, monkeypatch):
    """Oracle: every pair, one by one, by the looks alone."""
    monkeypatch.setattr(candidates, "_BLOCK_ROWS", 16)
    monkeypatch.setattr(candidates, "_BLOCK_COLUMNS", 24)
    tracklets, embeddings, _ = crowded(2, 20, 2)
    ordered = sorted(tracklets, key=lambda t: t.key)
    for clock in ("unknown", "common"):
        calibrated = calibrate_crowd(ordered, embeddings, scene(*"ABCDE", clock=clock), prior, DENSE, centred=False)
        crowd, calibration = calibrated.crowd, calibrated.calibration
        found = search(crowd, calibration, Gate(-4.0, 40.0, 1000))
        wanted = set()
        for i in range(len(crowd)):
            for j in range(i + 1, len(crowd)):
                gap = max(ordered[i].start_s, ordered[j].start_s) - min(ordered[i].end_s, ordered[j].end_s)
                if clock == "common" and gap > 40.0:
                    continue
                relation = "within" if ordered[i].camera_id == ordered[j].camera_id else "cross"
                distance = np.array([1.0 - float(crowd.vector[i] @ crowd.vector[j])]).round(6)
                trust = np.array([crowd.trust[i] * crowd.trust[j]])
                odds = calibration.log_likelihood_ratio(distance, trust, relation) + calibration.prior_log_odds(
                    relation
                )
                if odds[0] >= -4.0:
                    wanted.add((i, j))
        assert len(wanted) > 100
        got = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
        assert len(got) == len(found.left)
        # Rounding to 1e-6 in blocks of another size may move a pair over the gate.
        assert len(got ^ wanted) <= 2
        few = search(crowd, calibration, Gate(-4.0, 40.0, 3))
        assert len(few.left) < len(found.left)
        assert np.bincount(few.left).max() + np.bincount(few.right).max() >= 3


def test_a_sample_of_everybody_is_all_pairs(crowded, scene, prior):
    tracklets, embeddings, _ = crowded(1)
    ordered = sorted(tracklets, key=lambda t: t.key)
    where = scene(*"ABCDE", clock="common")
    constraints = build_constraints(ordered, where, duplicate_overlap=0.6, well_apart_overlap=0.2, slack_s=1.0)
    dense = compare(ordered, embeddings, constraints, prior, centred=False)
    whole = calibrate_crowd(ordered, embeddings, where, prior, DENSE, centred=False)
    for name in ("unlabelled_within", "unlabelled_cross", "negatives", "positives"):
        one, two = getattr(dense.evidence, name), getattr(whole.evidence, name)
        assert one.total == two.total
        assert np.average(one.distance, weights=one.count) == pytest.approx(np.average(two.distance, weights=two.count))
    assert whole.calibration.share_cross == pytest.approx(dense.calibration.share_cross, rel=1e-3)
    part = calibrate_crowd(ordered, embeddings, where, prior, AssociationConfig(calibration_sample=80), centred=False)
    assert part.evidence.unlabelled_cross.total < 0.8 * whole.evidence.unlabelled_cross.total
    assert part.calibration.share_cross == pytest.approx(whole.calibration.share_cross, rel=0.5)
    assert part.calibration.different_cross.location == pytest.approx(
        whole.calibration.different_cross.location, abs=0.02
    )


def test_rivals_on_the_graph_of_all_pairs_are_those_of_the_matrix(crowded, scene, prior, monkeypatch):
    tracklets, embeddings, _ = crowded(3, 25)
    ordered = sorted(tracklets, key=lambda t: t.key)
    where = scene(*"ABCDE", clock="common")
    constraints = build_constraints(ordered, where, duplicate_overlap=0.6, well_apart_overlap=0.2, slack_s=1.0)
    dense = build_affinity(ordered, embeddings, constraints, prior, centred=False)
    monkeypatch.setattr(pair_scores, "GATE_LOG_ODDS", -100.0)
    monkeypatch.setattr(sparse_rivals, "_LEAST", 0.0)
    crowd = calibrate_crowd(ordered, embeddings, where, prior, DENSE, centred=False).crowd
    scores = score_pairs(crowd, dense.calibration, (), AssociationConfig(candidates_per_tracklet=10_000))
    one, two = np.triu_indices(len(ordered), 1)
    odds = scores.log_odds(one, two)
    barred = constraints.cannot[one, two]
    assert np.isneginf(odds[barred]).all()
    wanted = first_step(dense)[one, two]
    assert odds[~barred] == pytest.approx(wanted[~barred], abs=2e-3)
    monkeypatch.setattr(pair_scores, "GATE_LOG_ODDS", -5.0)
    gated = score_pairs(crowd, dense.calibration, (), DENSE)
    near = ~barred & (wanted > -1.0)
    assert near.sum() > 100
    assert gated.log_odds(one[near], two[near]) == pytest.approx(wanted[near], abs=0.2)


def first_step(dense):
    """Log-odds `(N, N)` against rivals: the first step of competition.py, in both directions."""
    calibration, camera = dense.calibration, dense.camera
    one_camera = camera[:, None] == camera
    before = {name: calibration.prior_log_odds(name) for name in ("within", "cross")}
    pairwise = dense.appearance + np.where(one_camera, before["within"], before["cross"])
    odds = np.exp(pairwise)
    odds[dense.constraints.cannot] = 0.0
    np.fill_diagonal(odds, 0.0)
    result = np.empty_like(pairwise)
    for i in range(len(odds)):
        for j in range(len(odds)):
            against = 0.0
            for row, other in ((i, j), (j, i)):
                there = np.flatnonzero((camera == camera[other]) & (np.arange(len(camera)) != other))
                piece = odds[other, there] / (1.0 + odds[other, there])
                share = calibration.share_within if camera[i] == camera[j] else calibration.share_cross
                none = alone(share, (camera == camera[other]).sum())
                against += np.log(none + float((odds[row, there] * (1.0 - piece)).sum())) / 2
            result[i, j] = pairwise[i, j] - against
    return result


def test_a_shared_view_is_found_in_a_sample(world, visit, scene, prior, grouping):
    """Everybody is seen in A and B at once: without the discovery nobody could be one person in both."""
    visits = [visit(person, camera, person + 1, 50 * person, 40, person % 3) for person in range(20) for camera in "AB"]
    tracklets, embeddings = world(visits)
    result = AverageLinkageAssociator(SPARSE, prior).solve(tracklets, embeddings, scene("A", "B", clock="common"))
    assert [overlap.found for overlap in result.report.topology.overlaps] == [True]
    assert grouping(result.trajectories) == {frozenset({("A", n), ("B", n)}) for n in range(1, 21)}
