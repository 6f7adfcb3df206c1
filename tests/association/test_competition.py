from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.competition import weigh_rivals

SHARES = {"share_within": 0.01, "share_cross": 0.01}


def _weigh(pairs, camera, cannot=(), at_once=None):
    n = len(camera)
    log_odds = np.full((n, n), -12.0, np.float32)
    bar = np.zeros((n, n), np.bool_)
    for i, j, value in pairs:
        log_odds[i, j] = log_odds[j, i] = value
    for i, j in cannot:
        bar[i, j] = bar[j, i] = True
    together = None
    if at_once is not None:
        together = np.zeros((n, n), np.bool_)
        for i, j in at_once:
            together[i, j] = together[j, i] = True
    return weigh_rivals(log_odds, bar, np.array(camera), **SHARES, at_once=together)


def test_without_rivals_the_odds_stay():
    out = _weigh([(0, 1, 2.0)], [0, 1])
    assert out[0, 1] == pytest.approx(2.0, abs=0.02)
    assert np.array_equal(out, out.T)


def test_a_look_alike_takes_from_both():
    """0 in camera A, 1 and 2 in camera B: with o_01 = o_02 = e^4 each is about as likely as not."""
    out = _weigh([(0, 1, 4.0), (0, 2, 4.0)], [0, 1, 1])
    assert out[0, 1] == pytest.approx(4.0 - 0.5 * np.log(0.98 + np.exp(4.0)), abs=0.05)
    assert out[0, 1] == out[0, 2]


def test_a_far_better_match_keeps_its_odds():
    out = _weigh([(0, 1, 6.0), (0, 2, 0.0)], [0, 1, 1])
    assert out[0, 1] > 5.5
    assert out[0, 2] < -2.5


def test_pieces_of_one_visit_do_not_compete():
    rivals = _weigh([(0, 1, 4.0), (0, 2, 4.0)], [0, 1, 1])[0, 1]
    pieces = _weigh([(0, 1, 4.0), (0, 2, 4.0), (1, 2, 6.0)], [0, 1, 1])[0, 1]
    assert pieces > rivals + 1.5


def test_who_cannot_be_the_person_is_no_rival():
    out = _weigh([(0, 1, 4.0), (0, 2, 4.0)], [0, 1, 1], cannot=[(0, 2)])
    assert out[0, 1] == pytest.approx(4.0, abs=0.02)


def test_whoever_was_there_at_once_with_both_pieces_is_claimed_by_both():
    """0 is seen all the time; the other camera shows 1, later 2. Nothing tells that those are one person but 0."""
    pairs, camera = [(0, 1, 4.0), (0, 2, 4.0)], [0, 1, 1]
    assert _weigh(pairs, camera, at_once=[(0, 1), (0, 2)])[0, 1] == pytest.approx(4.0, abs=0.02)
    assert _weigh(pairs, camera, at_once=[(0, 1)])[0, 1] == _weigh(pairs, camera)[0, 1], "2 came at another time"
    assert _weigh(pairs, camera, at_once=[])[0, 1] == _weigh(pairs, camera)[0, 1]


def test_at_once_two_people_still_exclude_one_another():
    pairs, camera = [(0, 1, 20.0), (0, 2, 20.0)], [0, 1, 1]
    out = _weigh(pairs, camera, cannot=[(1, 2)], at_once=[(0, 1), (0, 2)])
    assert out[0, 1] == pytest.approx(10.0, abs=0.02), "one side of the pair has a rival as good, the other none"
    assert np.array_equal(out, out.T)
