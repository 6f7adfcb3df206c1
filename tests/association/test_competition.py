from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.competition import weigh_rivals

SHARES = {"share_within": 0.01, "share_cross": 0.01}


def _weigh(pairs, camera, cannot=()):
    n = len(camera)
    log_odds = np.full((n, n), -12.0, np.float32)
    bar = np.zeros((n, n), np.bool_)
    for i, j, value in pairs:
        log_odds[i, j] = log_odds[j, i] = value
    for i, j in cannot:
        bar[i, j] = bar[j, i] = True
    return weigh_rivals(log_odds, bar, np.array(camera), **SHARES)


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
