from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from pipeline.association import competition
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


def test_without_rivals_the_odds_stay_or_grow_as_few_are_without_a_counterpart():
    out = _weigh([(0, 1, 2.0)], [0, 1])
    assert 2.0 <= out[0, 1] < 3.0
    assert np.array_equal(out, out.T)
    everybody = _weigh([(n, n + 30, 2.0) for n in range(30)], [0] * 30 + [1] * 30)
    assert everybody[0, 30] > 4.0, "if all seem to have a counterpart, who else should his be?"


def test_a_look_alike_takes_half():
    """0 in camera A, 1 and 2 in camera B, both as alike to him: each is about as likely as not."""
    out = _weigh([(0, 1, 9.0), (0, 2, 9.0)], [0, 1, 1])
    assert out[0, 1] == pytest.approx(0.0, abs=0.05)
    assert out[0, 1] == out[0, 2]


def test_a_look_alike_who_is_somebody_elses_is_no_rival():
    """0 and 1 in camera A, 2 and 3 in camera B: 3 looks like 0 as much as 2 does, but is far more like 1."""
    out = _weigh([(0, 2, 4.0), (0, 3, 4.0), (1, 3, 9.0)], [0, 0, 1, 1])
    assert out[0, 2] > 3.8
    assert out[0, 3] < -3.0


def test_probabilities_are_those_of_all_matchings(monkeypatch):
    """Oracle: every way of giving each of three tracklets at most one of three others, weighed by its odds."""
    monkeypatch.setattr(competition, "_PASSERS_BY", 1e9)  # a share of 1 without a counterpart: weights are the odds
    rng = np.random.default_rng(0)
    for _ in range(20):
        odds = np.exp(rng.normal(0.0, 2.0, size=(3, 3)))
        total, inside = 0.0, np.zeros((3, 3))
        for choice in product((None, 0, 1, 2), repeat=3):
            taken = [j for j in choice if j is not None]
            if len(taken) == len(set(taken)):
                chosen = [(i, j) for i, j in enumerate(choice) if j is not None]
                weight = float(np.prod([odds[pair] for pair in chosen]))
                total += weight
                for pair in chosen:
                    inside[pair] += weight
        pairs = [(i, 3 + j, float(np.log(odds[i, j]))) for i in range(3) for j in range(3)]
        found = _weigh(pairs, [0, 0, 0, 1, 1, 1])[:3, 3:]
        assert 1.0 / (1.0 + np.exp(-found)) == pytest.approx(inside / total, abs=0.08)


def test_a_far_better_match_keeps_its_odds():
    out = _weigh([(0, 1, 6.0), (0, 2, 0.0)], [0, 1, 1])
    assert out[0, 1] > 5.5
    assert out[0, 2] < -2.5


def test_log_odds_of_any_size_are_weighed_without_a_warning():
    """200 is more than float32 can take to odds; two such rivals share as two of 9 do."""
    out = _weigh([(0, 1, 200.0), (0, 2, 200.0), (3, 4, 200.0), (3, 5, -200.0)], [0, 1, 1, 0, 1, 1])
    assert out[0, 1] == out[0, 2] == pytest.approx(0.0, abs=0.05)
    assert out[3, 4] > 40.0
    assert out[3, 5] < -200.0


def test_pieces_of_one_visit_do_not_compete():
    rivals = _weigh([(0, 1, 4.0), (0, 2, 4.0)], [0, 1, 1])[0, 1]
    pieces = _weigh([(0, 1, 4.0), (0, 2, 4.0), (1, 2, 6.0)], [0, 1, 1])[0, 1]
    assert pieces > rivals + 1.5
    assert pieces > 3.8


def test_who_comes_back_to_two_cameras_is_one_person_however_sure_each_visit_is():
    """0 and 1 in camera A, 2 and 3 in B: 0 with 2 and 1 with 3 are seen at once and sure, and so is who came back."""
    visits = [(0, 2, 20.0), (1, 3, 20.0), (0, 3, 6.0), (1, 2, 6.0)]
    back = [(0, 1, 5.0), (2, 3, 5.0)]
    out = _weigh(visits + back, [0, 0, 1, 1], at_once=[(0, 2), (1, 3)])
    assert out[0, 3] > 3.0 and out[1, 2] > 3.0, "-10 where a rival's odds counted without end"
    assert out[0, 2] > 10.0
    strangers = _weigh(visits, [0, 0, 1, 1], at_once=[(0, 2), (1, 3)])
    assert strangers[0, 3] < -8.0, "two people still exclude one another"


def test_nothing_jumps_as_two_visits_come_to_be_one_person():
    """As above. A step of .05 in the log-odds that 0 and 1, and 2 and 3, are one person who came back moves the others
    by 2.5 at most, over a range of 40: by 38 where pieces began at one limit, and by -1.3 where the first round, by
    chance like none, passed for the last."""
    visits = [(0, 2, 20.0), (1, 3, 20.0), (0, 3, 6.0), (1, 2, 6.0)]
    steps = np.arange(0.0, 8.0, 0.05).tolist()
    found = [_weigh([*visits, (0, 1, b), (2, 3, b)], [0, 0, 1, 1], at_once=[(0, 2), (1, 3)])[0, 3] for b in steps]
    assert found[0] < -8.0 < 3.0 < found[-1]
    assert np.diff(found).min() > -0.05, "the likelier they are one person, the likelier he is both"
    assert np.diff(found).max() < 2.5


def test_who_cannot_be_the_person_is_no_rival():
    out = _weigh([(0, 1, 4.0), (0, 2, 4.0)], [0, 1, 1], cannot=[(0, 2)])
    assert out[0, 1] > 3.98


def test_whoever_was_there_at_once_with_both_pieces_is_claimed_by_both():
    """0 is seen all the time; the other camera shows 1, later 2. Nothing tells that those are one person but 0."""
    pairs, camera = [(0, 1, 4.0), (0, 2, 4.0)], [0, 1, 1]
    assert _weigh(pairs, camera, at_once=[(0, 1), (0, 2)])[0, 1] > 3.98
    assert _weigh(pairs, camera, at_once=[(0, 1)])[0, 1] == _weigh(pairs, camera)[0, 1], "2 came at another time"
    assert _weigh(pairs, camera, at_once=[])[0, 1] == _weigh(pairs, camera)[0, 1]


def test_at_once_two_people_still_exclude_one_another():
    pairs, camera = [(0, 1, 20.0), (0, 2, 20.0)], [0, 1, 1]
    out = _weigh(pairs, camera, cannot=[(1, 2)], at_once=[(0, 1), (0, 2)])
    assert out[0, 1] == pytest.approx(0.0, abs=0.02), "either is as likely"
    assert np.array_equal(out, out.T)
