from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.constraints import build_constraints, common_overlap
from pipeline.types import Tracklet


@pytest.fixture
def barred(scene):
    def pairs(tracklets, where):
        c = build_constraints(tracklets, where, duplicate_overlap=0.6, well_apart_overlap=0.2, slack_s=1.0)
        assert np.array_equal(c.cannot, c.cannot.T)
        assert not c.cannot.diagonal().any()
        return {tuple(p) for p in np.argwhere(np.triu(c.cannot)).tolist()}, {tuple(p) for p in c.apart.tolist()}

    return pairs


def test_alive_together_and_apart_are_two_people(tracklet, scene, barred):
    together = [tracklet(track=1, lane=0), tracklet(track=2, lane=1), tracklet(track=3, start=40, lane=0)]
    assert barred(together, scene("A")) == ({(0, 1)}, {(0, 1)})


@pytest.mark.parametrize("inner", [[0, 0, 60, 160], [5, 60, 55, 160], [10, 0, 70, 160]])
def test_nested_or_coincident_boxes_may_be_one_person(tracklet, scene, barred, inner):
    pair = [tracklet(track=1, box=[0, 0, 60, 160]), tracklet(track=2, box=inner)]
    assert barred(pair, scene("A")) == (set(), set())


def test_touching_people_are_two_but_no_evidence(tracklet, scene, barred):
    pair = [tracklet(track=1, box=[0, 0, 60, 160]), tracklet(track=2, box=[36, 0, 96, 160])]
    assert barred(pair, scene("A")) == ({(0, 1)}, set())


def test_interpolated_boxes_prove_nothing(tracklet, scene, barred):
    a = tracklet(track=1, lane=0)
    guess = tracklet(track=2, lane=1)
    guess = Tracklet(
        guess.key, guess.frame_index, guess.time_s, guess.xyxy, guess.confidence, np.zeros(len(guess), np.bool_)
    )
    assert common_overlap(a, guess) is None
    assert barred([a, guess], scene("A")) == (set(), set())


def test_clock_unknown_draws_nothing_from_time_between_cameras(tracklet, scene, barred):
    """Corridor: both files start at 0, share no clock, and the same man is in both at '3 s'."""
    pair = [tracklet("A"), tracklet("B")]
    assert barred(pair, scene("A", "B")) == (set(), set())


@pytest.mark.parametrize("clock", ["common", "aligned"])
def test_nobody_is_in_two_places_at_once(tracklet, scene, barred, clock):
    pair = [tracklet("A"), tracklet("B")]
    assert barred(pair, scene("A", "B", clock=clock))[0] == {(0, 1)}
    assert barred(pair, scene("A", "B", clock=clock, overlapping=[("B", "A")]))[0] == set()
    later = [tracklet("A", length=20), tracklet("B", start=12)]  # 0.7 s in both: within the slack
    assert barred(later, scene("A", "B", clock=clock))[0] == set()


@pytest.mark.parametrize(
    ("visits", "two_people"),
    [
        (((0, 601), (300, 10)), True),  # 0.9 s amid 60 s elsewhere
        (((0, 601), (300, 1)), True),  # a single box
        (((0, 601), (595, 300)), False),  # hand-over, 0.5 s in both
        (((0, 601), (585, 300)), True),  # 1.5 s in both
        (((0, 601), (595, 4)), False),  # 0.3 s within the last 0.5 s: with a slow clock he came after
        (((300, 10), (300, 10)), False),  # 0.9 s at the same time: with clocks 0.9 s apart, one after the other
        (((300, 12), (300, 12)), True),  # 1.1 s at the same time
        (((0, 20), (100, 20)), False),
    ],
)
def test_the_slack_of_clocks_holds_at_hand_overs_only(tracklet, scene, barred, visits, two_people):
    """Slack is what a clock may be shifted by, not what is taken off the time in both: 0.9 s amid 60 s were allowed."""
    (a, a_length), (b, b_length) = visits
    pair = [tracklet("A", start=a, length=a_length), tracklet("B", start=b, length=b_length)]
    wanted = {(0, 1)} if two_people else set()
    assert barred(pair, scene("A", "B", clock="common"))[0] == wanted
    swapped = [tracklet("A", start=b, length=b_length), tracklet("B", start=a, length=a_length)]
    assert barred(swapped, scene("A", "B", clock="common"))[0] == wanted


def test_all_pairs_equal_a_slow_oracle(tracklet, scene, barred):
    rng = np.random.default_rng(0)
    many = [
        tracklet("AB"[n % 2], n, int(rng.integers(60)), length=int(rng.integers(1, 30)), lane=int(rng.integers(4)))
        for n in range(40)
    ]
    cannot, _ = barred(many, scene("A", "B"))
    slow = set()
    for i, a in enumerate(many):
        for j in range(i + 1, len(many)):
            b = many[j]
            common = set(a.frame_index.tolist()) & set(b.frame_index.tolist())
            if a.camera_id != b.camera_id or not common or a.xyxy[0, 0] == b.xyxy[0, 0]:
                continue
            (a_first, a_last), (b_first, b_last) = ((t.frame_index[0], t.frame_index[-1]) for t in (a, b))
            in_turn = (a_first < b_first and a_last < b_last) or (b_first < a_first and b_last < a_last)
            span = max(common) - min(common)
            if not (in_turn and span <= 10 and 4 * span <= min(len(a), len(b)) - 1):
                slow.add((i, j))
    assert cannot == slow


@pytest.mark.parametrize(
    ("start", "length", "two"),
    [
        (55, 60, False),  # begins 0.5 s before the other ends: perhaps the tracker began anew
        (40, 60, True),  # 2 s side by side
        (20, 6, True),  # comes and goes amid the other
        (57, 8, True),  # 0.2 s, but of 0.7 s in all
        (0, 5, True),  # begins together
    ],
)
def test_a_track_that_takes_over_where_another_ends_may_be_the_same_person(
    tracklet, scene, barred, *, start, length, two
):
    """A visit seen by six views fell into two people for the half second that one view's old track, gone astray, was
    still there beside the new one."""
    pair = [tracklet(track=1, length=60), tracklet(track=2, start=start, length=length, lane=1)]
    assert barred(pair, scene("A")) == (({(0, 1)}, {(0, 1)}) if two else (set(), set()))
