"""The tail of two people, measured on those who are in two cameras at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.association import tail
from pipeline.association.calibration import Calibration, Evidence, Pairs, calibrate
from pipeline.association.crowd import Crowd
from pipeline.association.prior import Densities, Density
from pipeline.association.tail import distances_at_once, distances_in_one_camera, measure_tail, smooth_log_ratio
from pipeline.config import AssociationConfig
from pipeline.types import Tracklet

CONFIG = AssociationConfig()
FIT = Calibration(Density(0.35, 0.05), Density(0.95, 0.06), Density(1.0, 0.06), 1e-3, 1e-3, separable=True)


def _crowd(share, seed=0, count=800):
    """Everybody at once in 40 cameras; a `share` comes in pairs that look alike, at distances of 0.35 to 0.55."""
    rng = np.random.default_rng(seed)
    vector = rng.normal(size=(count, 84))  # distances have the standard deviation of FIT, 0.109, but a normal tail
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    twins = int(count * share / 2)
    for n in range(twins):
        near = 1.0 - rng.uniform(0.35, 0.55)
        one, other = vector[2 * n], vector[2 * n + 1]
        other = other - (other @ one) * one
        vector[2 * n + 1] = near * one + np.sqrt(1 - near**2) * other / np.linalg.norm(other)
    index = np.arange(count)
    camera = index % 40
    separate = ~np.eye(40, dtype=np.bool_)
    return Crowd(
        (),
        index,
        vector.astype(np.float32),
        np.ones(count),
        camera,
        tuple(f"c{n:02d}" for n in range(40)),
        np.zeros(count),
        np.full(count, 10.0),
        np.zeros(count, np.int64),
        np.full(count, 100, np.int64),
        separate,
        True,
    )


NONE = Pairs.of(np.zeros(0), np.zeros(0), 0)
PRIOR = Densities(
    FIT.same, FIT.same, FIT.different_within, FIT.different_cross, crop_similarity=0.8, same_strength=10.0,
    different_strength=4.0,
)  # fmt: skip


def _measured(crowd, unlabelled=NONE):
    evidence = Evidence(NONE, NONE, NONE, unlabelled, FIT.share_within, FIT.share_cross)
    return measure_tail(crowd, FIT, evidence, PRIOR, CONFIG)


def _odds(calibration, distance):
    return calibration.log_likelihood_ratio(np.array([distance]), np.ones(1), "cross")[0]


def test_pairs_at_once_are_all_pairs_of_two_cameras_that_share_no_floor():
    crowd = _crowd(0.1)
    one, two = np.nonzero(np.triu(crowd.camera[:, None] != crowd.camera[None, :], 1))
    wanted = 1.0 - np.einsum("pd,pd->p", crowd.vector[one], crowd.vector[two])
    assert np.sort(distances_at_once(crowd, FIT.different_cross, CONFIG)) == pytest.approx(np.sort(wanted), abs=1e-5)
    shared = replace(crowd, separate=np.zeros((40, 40), np.bool_))
    apart_in_time = replace(crowd, start=np.arange(800) * 20.0, end=np.arange(800) * 20.0 + 10.0)
    for none in (shared, apart_in_time):
        assert len(distances_at_once(none, FIT.different_cross, CONFIG)) == 0
        assert _measured(none) is FIT


def test_no_lookalikes_where_the_fit_expects_some_makes_near_pairs_surer():
    measured = _measured(_crowd(0.0))
    assert _odds(measured, 0.45) > _odds(FIT, 0.45) + 0.5
    normal = -(((0.45 - 1.0) / 0.109) ** 2) / 2 - np.log(0.109 * np.sqrt(2 * np.pi))
    truth = FIT.different_cross.log_pdf(np.array([0.45]), np.ones(1))[0] - normal
    assert _odds(measured, 0.45) < _odds(FIT, 0.45) + truth
    assert _odds(measured, 1.0) == pytest.approx(_odds(FIT, 1.0), abs=0.2)
    within = (np.array([0.4]), np.ones(1), "within")
    assert measured.log_likelihood_ratio(*within) == FIT.log_likelihood_ratio(*within)


def test_more_lookalikes_than_the_fit_expects_makes_near_pairs_less_sure():
    measured = _measured(_crowd(1.0))
    assert _odds(measured, 0.45) < _odds(FIT, 0.45) - 0.5


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_odds_never_rise_with_distance(share):
    measured = _measured(_crowd(share))
    distance = np.linspace(0.0, 0.9, 500)
    for reliability in (1.0, 0.8):
        odds = measured.log_likelihood_ratio(distance, np.full(500, reliability), "cross")
        assert np.diff(odds).max() <= (2e-3 if reliability == 1.0 else 0.1)  # the table is read between its rows


def test_a_ratio_is_found_through_the_noise_of_counts_and_goes_on_straight():
    place = np.linspace(0.0, 1.0, 100)
    foretold = 5000 * np.exp(-12 * (1 - place))
    truth = 2.0 * (1 - place) ** 2 - 0.5
    counted = np.random.default_rng(0).poisson(foretold * np.exp(-truth)).astype(float)
    found = smooth_log_ratio(foretold, counted)
    assert np.abs(found - truth)[30:].max() < 0.3
    first = int(np.flatnonzero(counted)[0])
    assert first > 3
    assert np.abs(np.diff(found[:first], 2)).max() < 1e-3


def test_a_density_that_is_narrow_foretells_nobody_near_without_a_warning():
    """0 is 1,000 scales off: e^1000 is no number."""
    counted = np.zeros(100)
    counted[98] = 7.0
    fewer = tail.log_ratio(Density(1.0, 1e-3), 1e4, counted)
    assert np.isfinite(fewer).all()
    assert fewer[98] < 0.0, "0.5 are foretold, 7 are there"


def _without_clock(share, count=400, beside=80.0):
    """The crowd in 10 cameras whose clocks do not compare, pairs that look alike in one camera, all in lanes."""
    crowd = _crowd(share, count=count)
    frames, ones = np.arange(2), np.ones(2)
    tracklets = []
    for n in range(count):
        left = beside * (n // 20 * 2 + n % 2)
        box = np.tile(np.array([left, 0, left + 60, 160], np.float32), (2, 1))
        tracklets.append(Tracklet((f"c{n // 2 % 10:02d}", n), frames, frames / 10.0, box, ones, ones.astype(bool)))
    return replace(crowd, camera=np.arange(count) // 2 % 10, tracklets=tuple(tracklets), comparable=False)


def test_without_clocks_those_at_once_in_one_camera_are_looked_at():
    crowd = _without_clock(0.1)
    one, two = np.nonzero(np.triu(crowd.camera[:, None] == crowd.camera[None, :], 1))
    wider = replace(FIT.different_cross, scale=0.09)
    wanted = 1.0 + (0.05 - np.einsum("pd,pd->p", crowd.vector[one], crowd.vector[two])) * 1.5
    found = distances_in_one_camera(crowd, FIT.different_within, wider, CONFIG)
    assert np.sort(found) == pytest.approx(np.sort(wanted), abs=1e-5), "in scales of two cameras"
    first = np.arange(400) * 200
    one_after_another = replace(crowd, first_frame=first, last_frame=first + 100)
    for none in (_without_clock(0.1, count=40, beside=0.0), one_after_another):
        assert len(distances_in_one_camera(none, FIT.different_within, wider, CONFIG)) == 0


def test_without_clocks_lookalikes_in_one_camera_make_near_pairs_less_sure(monkeypatch):
    monkeypatch.setattr(tail, "FEWEST", 5000)
    assert _odds(_measured(_without_clock(1.0)), 0.45) < _odds(FIT, 0.45) - 0.5


def test_too_few_at_once_change_nothing():
    assert _measured(_crowd(0.1, count=100)) is FIT


@pytest.mark.parametrize("middle", [0.5, 0.005])
def test_a_fit_that_nobody_is_nearer_than_stands(middle):
    """There is nothing to count, and the smoothing has no solution."""
    fit = replace(FIT, different_cross=Density(middle, 0.001))
    assert measure_tail(_crowd(0.0), fit, Evidence(NONE, NONE, NONE, NONE, 0.001, 0.001), PRIOR, CONFIG) is fit


def test_lookalikes_do_not_draw_the_fit_of_one_person_to_themselves():
    """Pairs of two people alone, with look-alikes: without the measured tail they are taken for one person."""
    crowd = _crowd(1.0)
    seen = distances_at_once(crowd, FIT.different_cross, CONFIG)
    unlabelled = Pairs.of(seen, np.ones(len(seen)), len(crowd))
    fitted = calibrate(Evidence(NONE, NONE, NONE, unlabelled, FIT.share_within, FIT.share_cross), PRIOR)
    measured = _measured(crowd, unlabelled)
    assert fitted.same.location > FIT.same.location + 0.01
    assert abs(measured.same.location - FIT.same.location) < 0.7 * (fitted.same.location - FIT.same.location)
    assert measured.share_cross < fitted.share_cross
