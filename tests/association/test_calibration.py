from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import logistic

from pipeline.association.calibration import Evidence, Pairs, calibrate, likelihood_ratio
from pipeline.association.prior import SCALE_OF_STD, Density

NONE = Pairs.of(np.zeros(0), np.zeros(0), 0)
EMPTY = Evidence(NONE, NONE, NONE, NONE, 0.1, 0.1)


def _draw(rng, mean, std, n, trust=1.0):
    return rng.logistic(1 - trust * (1 - mean), std * SCALE_OF_STD, n)


def test_without_evidence_the_prior_speaks(densities):
    c = calibrate(EMPTY, densities)
    assert (c.same, c.different_cross, c.different_within) == (
        densities.same_cross,
        densities.different_cross,
        densities.different_within,
    )
    assert c.share_cross == pytest.approx(0.1)


def test_a_known_mixture_is_recovered_though_the_prior_is_off(densities):
    """400 tracklets, 2 % of the pairs one person; the footage's people look more alike than the prior's."""
    rng = np.random.default_rng(0)
    trust = 0.9
    crowd = np.concatenate([_draw(rng, 0.32, 0.08, 400, trust), _draw(rng, 0.85, 0.09, 19600, trust)])
    apart = _draw(rng, 0.80, 0.09, 300, trust)
    halves = _draw(rng, 0.02, 0.04, 200, trust)
    evidence = Evidence(
        Pairs.of(halves, np.full(200, trust), 200),
        Pairs.of(apart, np.full(300, trust), 150),
        NONE,
        Pairs.of(crowd, np.full(len(crowd), trust), 400),
        expected_share_within=0.01,
        expected_share_cross=0.005,
    )
    c = calibrate(evidence, densities)
    assert c.separable
    assert c.share_cross == pytest.approx(0.02, rel=0.15)
    assert c.same.location == pytest.approx(0.32, abs=0.02)
    assert c.same.scale / SCALE_OF_STD == pytest.approx(0.08, rel=0.25)
    assert c.different_cross.location == pytest.approx(0.85, abs=0.01)
    assert c.different_cross.scale / SCALE_OF_STD == pytest.approx(0.09, rel=0.15)
    assert c.different_within.location == pytest.approx(0.80, abs=0.015)
    threshold = c.threshold(0.5, trust, "cross")
    assert threshold is not None
    # Where the true densities and share balance.
    grid = np.linspace(0.3, 0.9, 6001)
    same, other = (logistic.pdf(grid, 1 - trust * (1 - m), s * SCALE_OF_STD) for m, s in ((0.32, 0.08), (0.85, 0.09)))
    true_threshold = grid[np.flatnonzero(0.02 * same >= 0.98 * other)[-1]]
    assert threshold == pytest.approx(true_threshold, abs=0.02)


def test_little_evidence_moves_the_prior_a_little(densities):
    five = replace(EMPTY, negatives=Pairs.of(np.full(5, 0.5), np.ones(5), 6))
    moved = densities.different_within.location - calibrate(five, densities).different_within.location
    assert 0.2 < moved < 0.45  # 5 of 5 + 4 parts of the way of 0.45


def test_pairs_that_share_a_tracklet_count_no_more_than_the_tracklets(densities):
    few = replace(EMPTY, negatives=Pairs.of(np.full(1000, 0.5), np.ones(1000), 4))
    assert calibrate(few, densities).different_within.location == pytest.approx((4 * 0.95 + 4 * 0.5) / 8)


def test_certain_negatives_as_near_as_one_person_stop_all_links(densities):
    """A black video: all embeddings are equal, and the distance says nothing."""
    evidence = Evidence(
        Pairs.of(np.zeros(60), np.ones(60), 60),
        Pairs.of(np.zeros(60), np.ones(60), 60),
        NONE,
        Pairs.of(np.zeros(900), np.ones(900), 60),
        0.01,
        0.02,
    )
    c = calibrate(evidence, densities)
    assert not c.separable
    assert c.threshold(0.5, 1.0, "cross") is None


@settings(max_examples=80, deadline=None)
@given(
    st.floats(0.0, 0.5),
    st.floats(0.02, 0.5),
    st.floats(0.01, 0.2),
    st.floats(0.01, 0.2),
    st.floats(0.3, 1.0),
)
def test_nearer_never_speaks_less_for_one_person(low, gap, s_same, s_different, trust):
    distance = np.linspace(0.0, 2.0, 500)
    ratio = likelihood_ratio(Density(low, s_same), Density(low + gap, s_different), distance, np.full(500, trust))
    assert (np.diff(ratio) <= 1e-9).all()
    assert np.isfinite(ratio).all()


def test_a_few_noisy_crops_are_judged_by_the_same_person_scale(densities):
    """The distance that means one person for one-crop tracklets is larger than for ten-crop ones."""
    c = calibrate(EMPTY, densities)
    one, ten = c.threshold(0.5, 0.75, "cross"), c.threshold(0.5, 0.98, "cross")
    assert one is not None
    assert ten is not None
    assert one > ten + 0.05
