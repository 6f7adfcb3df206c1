"""Online: every tracklet has a person at once, changes are told, and the cost of one does not grow."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.online import Bounds, OnlineAssociator, arrivals
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings


def play(online, comings):  # type: ignore[no-untyped-def]
    return [event for a in comings for event in online.observe(a.tracklet, a.embeddings, a.time_s)]


def come(tracklets, embeddings):  # type: ignore[no-untyped-def]
    return arrivals(tracklets, embeddings, min_observations=4, min_track_s=0.5)


def test_a_recording_comes_as_it_would_have_come(world, crowd) -> None:  # type: ignore[no-untyped-def]
    tracklets, embeddings = world(crowd(3))
    comings = come(tracklets, embeddings)
    assert [a.time_s for a in comings] == sorted(a.time_s for a in comings)
    for tracklet in tracklets:
        first, last = (a for a in comings if a.tracklet.key == tracklet.key)
        assert (first.whole, last.whole) == (False, True)
        assert len(first.tracklet) == 6, "0.5 s at 10 frames a second"
        assert first.time_s - tracklet.start_s == pytest.approx(0.5)
        assert 1 <= len(first.embeddings) < 4
        assert (len(last.tracklet), len(last.embeddings)) == (len(tracklet), 4)
        assert first.embeddings.frame_index.max() <= first.tracklet.frame_index[-1]


def test_each_tracklet_has_a_person_when_it_comes_and_in_the_end_the_same_as_afterwards(  # type: ignore[no-untyped-def]
    world, crowd, scene, prior, grouping
) -> None:
    tracklets, embeddings = world(crowd(8, 4))
    online = OnlineAssociator(scene("A", "B"), AssociationConfig(), prior)
    for arrival in come(tracklets, embeddings):
        events = online.observe(arrival.tracklet, arrival.embeddings, arrival.time_s)
        assert arrival.tracklet.key in online.people
        if not arrival.whole:
            assert (events[0].key, events[0].before) == (arrival.tracklet.key, None)
        for event in events:
            assert online.people[event.key] == event.person_id != event.before
    groups: dict[int, set[tuple[str, int]]] = {}
    for key, person in online.people.items():
        groups.setdefault(person, set()).add(key)
    offline = AverageLinkageAssociator(AssociationConfig(), prior).associate(tracklets, embeddings, scene("A", "B"))
    assert {frozenset(keys) for keys in groups.values()} == grouping(offline)


def test_events_add_up_to_the_answer(world, crowd, scene, prior) -> None:  # type: ignore[no-untyped-def]
    tracklets, embeddings = world(crowd(8, 4), alike=1.0)
    online = OnlineAssociator(scene("A", "B"), AssociationConfig(), prior)
    told: dict[tuple[str, int], int] = {}
    for event in play(online, come(tracklets, embeddings)):
        assert told.get(event.key) == event.before
        told[event.key] = event.person_id
    assert told == online.people


def test_what_is_settled_does_not_change_and_work_is_bounded(world, visit, scene, prior) -> None:  # type: ignore[no-untyped-def]
    """Four people walk through ten times each; with the bounds of a person two tracklets are kept."""
    visits = [visit(k % 4, "AB"[k % 2], k + 1, start=30 * k) for k in range(40)]
    tracklets, embeddings = world(visits)
    bounds = Bounds(tracklets=12, per_person=2, revise_s=5.0)
    online = OnlineAssociator(scene("A", "B"), AssociationConfig(), prior, bounds)
    ended = {t.key: t.end_s for t in tracklets}
    for arrival in come(tracklets, embeddings):
        for event in online.observe(arrival.tracklet, arrival.embeddings, arrival.time_s):
            assert event.before is None or ended[event.key] >= event.time_s - bounds.revise_s
        assert len(online._work) <= bounds.tracklets
    found = np.array([online.people["AB"[k % 2], k + 1] for k in range(40)])
    assert all(len(set(found[k::4])) == 1 for k in range(4)), "known by what is kept of them"
    assert len(set(found)) == 4


def test_who_dropped_out_keeps_the_number_and_nobody_else_gets_it(world, visit, scene, prior) -> None:  # type: ignore[no-untyped-def]
    visits = [visit(k, "A", k + 1, start=100 * k) for k in range(8)]
    tracklets, embeddings = world(visits)
    online = OnlineAssociator(scene("A"), AssociationConfig(), prior, Bounds(2, 1, 1.0))
    play(online, come(tracklets, embeddings))
    assert sorted(online.people.values()) == list(range(1, 9))
    assert online.observe(tracklets[0], come(tracklets[:1], embeddings)[-1].embeddings, 999.0) == ()


def test_a_tracklet_without_crops_is_somebody(tracklet, scene, prior) -> None:  # type: ignore[no-untyped-def]
    online = OnlineAssociator(scene("A"), AssociationConfig(), prior)
    nobody = Embeddings((), np.zeros(0, np.int64), np.zeros((0, 64), np.float32), np.zeros(0))
    (event,) = online.observe(tracklet("A", 3), nobody, 2.0)
    assert (event.key, event.person_id, event.before) == (("A", 3), 1, None)


def test_rows_of_another_tracklet_are_refused(world, crowd, scene, prior) -> None:  # type: ignore[no-untyped-def]
    tracklets, embeddings = world(crowd(2))
    with pytest.raises(ValueError, match="beside tracklet"):
        OnlineAssociator(scene("A", "B"), AssociationConfig(), prior).observe(tracklets[0], embeddings, 1.0)
    with pytest.raises(ValueError, match="bounds"):
        Bounds(tracklets=1)
