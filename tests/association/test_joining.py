"""How sure the joining of two groups is: told from simulated people of whom everything is known."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.calibration import Calibration
from pipeline.association.candidates import Pairs
from pipeline.association.crowd import Crowd
from pipeline.association.joining import Joining
from pipeline.association.linkage import join_by_mean
from pipeline.association.prior import Density
from pipeline.association.seen_again import not_yet_said, share_alone
from pipeline.association.sparse_rivals import sum_rivals

SHARE = 1e-3


def _crowd(count, cameras=20):
    index = np.arange(count)
    names = tuple(f"c{n:02d}" for n in range(cameras))
    camera, zeros = index % cameras, np.zeros(count, np.int64)
    separate = ~np.eye(cameras, dtype=np.bool_)
    vector = np.zeros((count, 2), np.float32)
    time = np.zeros(count)
    return Crowd((), index, vector, np.ones(count), camera, names, time, time + 1.0, zeros, zeros, separate, True)


def _calibration():
    return Calibration(
        Density(0.35, 0.03), Density(1.0, 0.06), Density(1.0, 0.06), SHARE, SHARE, separable=True
    )  # fmt: skip


def _pairs(count, lonely, rng, spread=3.0):
    """Log-odds of pairs as they should be: the ratio is normal with mean +-spread^2 / 2 and variance spread^2. All but
    the `lonely` come in twos."""
    twos = (count - lonely) // 2
    left, right = np.triu_indices(count, 1)
    same = (left < 2 * twos) & (left % 2 == 0) & (right == left + 1)
    ratio = rng.normal(np.where(same, 1, -1) * spread**2 / 2, spread)
    odds = ratio + np.log(SHARE)
    kept = odds > -7.0
    return Pairs(left[kept], right[kept], odds[kept].astype(np.float32))


@pytest.mark.parametrize("lonely", [100, 400, 800])
def test_the_share_of_those_seen_once_is_found(lonely):
    count = 1000
    pairs = _pairs(count, lonely, np.random.default_rng(lonely), spread=4.0)
    found = share_alone(_crowd(count), pairs, _calibration(), 1e9)
    assert found == pytest.approx(lonely / count, abs=0.08)


def test_without_candidates_everybody_is_alone_and_nothing_is_lifted():
    crowd = _crowd(5)
    none = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    alone = share_alone(crowd, none, _calibration(), 1e9)
    assert alone == 1.0
    assert not_yet_said(alone, none, sum_rivals(crowd, none, _calibration(), 1e9)) == 0.0


def test_what_each_camera_said_of_being_alone_is_not_said_twice():
    """Of two cameras each says it all, of twenty each says little."""
    pairs = _pairs(600, 200, np.random.default_rng(1))
    lifts = []
    for cameras in (2, 20):
        crowd = _crowd(600, cameras)
        lifts.append(not_yet_said(0.35, pairs, sum_rivals(crowd, pairs, _calibration(), 1e9)))
    assert lifts[0] == pytest.approx(-np.log(0.35) + np.log(0.7), abs=0.02)
    assert lifts[1] == pytest.approx(-np.log(0.35) + np.log(0.97), abs=0.02)


def test_two_who_are_left_over_are_one_person_as_often_as_is_told():
    """Everybody comes twice. A pair's odds by itself say too little once all the others have found one another."""
    told, right, plain = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        count = 40
        spread, share = 3.2, 1 / (count - 1)
        left, right_row = np.triu_indices(count, 1)
        same = (left % 2 == 0) & (right_row == left + 1)
        odds = rng.normal(np.where(same, 1, -1) * spread**2 / 2, spread) + np.log(share)
        score = np.full((count, count), -np.inf)
        score[left, right_row] = score[right_row, left] = odds
        alone = np.exp(-1.0)  # a Poisson number of others, one on average
        for merge in join_by_mean(score.copy(), [(n,) for n in range(count)], 0.0, joining=Joining(-np.log(alone))):
            if len(merge.left) == len(merge.right) == 1:
                told.append(1 / (1 + np.exp(-merge.score)))
                plain.append(1 / (1 + np.exp(-score[merge.left[0], merge.right[0]])))
                right.append(merge.left[0] // 2 == merge.right[0] // 2)
    wrong = 1 - np.mean(right)
    assert len(right) > 500
    assert wrong < 1 - np.mean(told) < 1 - np.mean(plain)


def test_larger_groups_make_a_mean_say_more_whichever_way():
    joining = Joining(2.0, 0.6)
    sizes = np.array([1, 2, 3, 10])
    for_it = joining.log_odds(np.ones(4), sizes, sizes)
    against = joining.log_odds(-np.ones(4), sizes, sizes)
    assert for_it[0] == pytest.approx(3.0)
    assert against[0] == pytest.approx(1.0)
    assert (np.diff(for_it) > 0).all()
    assert (np.diff(against) < 0).all()
    assert joining.log_odds(np.ones(1), 1, 10) == for_it[0]  # one view against ten is as good as that one view
    assert joining.log_odds(np.ones(1), 10**9, 10**9) == pytest.approx(2.0 + 1 / 0.36)


@pytest.mark.parametrize("floor", [-1.4, 0.0, 2.2, 5.0])
def test_no_mean_below_the_least_one_is_joined(floor):
    joining = Joining(3.0, 0.6)
    least = joining.least_mean(floor)
    for size in (1, 2, 5, 1000):
        assert joining.log_odds(np.array([least - 1e-9]), size, size) < floor + 1e-6


def test_joining_goes_by_log_odds_not_by_means():
    """Two pairs of groups share a row: the larger groups are joined first, though their mean is lower."""
    groups = [(0, 1), (2, 3), (4,)]
    mean = np.array([[0.0, 1.0, 1.3], [1.0, 0.0, -9.0], [1.3, -9.0, 0.0]])
    plain = join_by_mean(mean.copy(), list(groups), 0.0)
    weighed = join_by_mean(mean.copy(), list(groups), 0.0, joining=Joining(0.0, 0.5))
    assert (plain[0].left, plain[0].right) == ((0, 1), (4,))
    assert (weighed[0].left, weighed[0].right) == ((0, 1), (2, 3))
    assert weighed[0].score == pytest.approx(1.0 / 0.75**2)
