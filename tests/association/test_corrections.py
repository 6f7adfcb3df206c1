"""Corrections: found again after a re-run, laid over tracklets, and the later one stands."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.corrected import LATER, correct
from pipeline.association.corrections import Correction, TrackletRef, of_these_videos
from pipeline.association.known import Closed
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings, Tracklet


@pytest.fixture
def laid(tracklet, scene):  # type: ignore[no-untyped-def]
    """Three tracklets one after the other in A, one in B; lays corrections over them."""
    tracklets = [tracklet("A", n, start=30 * n) for n in (1, 2, 3)] + [tracklet("B", 1, start=10)]

    def run(*corrections: Correction):  # type: ignore[no-untyped-def]
        keys = tuple(t.key for t in tracklets for _ in range(4))
        frames = np.array([f for t in tracklets for f in t.frame_index[[0, 6, 13, 19]]])
        embeddings = Embeddings(keys, frames, np.eye(16, 8, dtype=np.float32) + 1, np.ones(16))
        return correct(tracklets, embeddings, corrections, scene("A", "B"), AssociationConfig())

    run.ref = {f"{t.key[0]}{t.key[1]}": TrackletRef.of(t) for t in tracklets}
    return run


def say(number: int, kind: str, *refs: TrackletRef, others=(), frame=None) -> Correction:  # type: ignore[no-untyped-def]
    return Correction(number, kind, f"said {number}", refs, tuple(others), frame)  # type: ignore[arg-type]


def keys(*names: str) -> frozenset[tuple[str, int]]:
    return frozenset((name[0], int(name[1:])) for name in names)


def test_nothing_said_is_nothing_known(laid) -> None:  # type: ignore[no-untyped-def]
    corrected = laid()
    assert [t.key for t in corrected.tracklets] == [("A", 1), ("A", 2), ("A", 3), ("B", 1)]
    assert corrected.known.together == corrected.known.apart == corrected.known.closed == ()


def test_a_cut_makes_two_tracklets_of_one_and_their_crops_go_along(laid) -> None:  # type: ignore[no-untyped-def]
    corrected = laid(say(1, "cut", laid.ref["A2"], frame=70))
    parts = {t.key: (int(t.frame_index[0]), int(t.frame_index[-1])) for t in corrected.tracklets}
    assert parts["A", 2] == (60, 69)
    assert parts["A", 4] == (70, 79)
    assert corrected.known.apart == ((("A", 2), ("A", 4)),)
    crops = dict(zip(corrected.embeddings.frame_index.tolist(), corrected.embeddings.keys, strict=True))
    assert [crops[f] for f in (60, 66, 73, 79)] == [("A", 2), ("A", 2), ("A", 4), ("A", 4)]
    again = laid(
        say(1, "cut", laid.ref["A2"], frame=70), say(2, "cut", TrackletRef.of(corrected.tracklets[3]), frame=75)
    )
    assert [t.key for t in again.tracklets if t.camera_id == "A"] == [("A", n) for n in (1, 2, 3, 4, 5)]
    assert laid(say(1, "cut", laid.ref["A2"], frame=500)).refused[1].startswith("its tracklet is not found")


def test_a_part_ends_where_somebody_was_seen(tracklet, scene) -> None:  # type: ignore[no-untyped-def]
    whole = tracklet("A", 1)
    seen = np.ones(20, np.bool_)
    seen[8:12] = False
    gappy = Tracklet(whole.key, whole.frame_index, whole.time_s, whole.xyxy, whole.confidence, seen)
    nobody = Embeddings((), np.zeros(0, np.int64), np.zeros((0, 8), np.float32), np.zeros(0))
    cut = say(1, "cut", TrackletRef.of(gappy), frame=10)
    corrected = correct([gappy], nobody, [cut], scene("A"), AssociationConfig())
    assert [(t.frame_index[0], t.frame_index[-1]) for t in corrected.tracklets] == [(0, 7), (12, 19)]


def test_who_is_cut_or_taken_out_leaves_the_people_he_was_put_into_before(laid) -> None:  # type: ignore[no-untyped-def]
    ref = laid.ref
    merge = say(1, "merge", ref["A1"], ref["A2"], ref["B1"])
    cut = laid(merge, say(2, "cut", ref["A2"], frame=70))
    assert cut.known.together == (keys("A1", "B1"),)
    assert cut.refused == {}
    out = laid(merge, say(2, "apart", ref["B1"], others=[ref["A1"], ref["A2"]]))
    assert out.known.together == (keys("A1", "A2"),)
    assert out.known.apart == ((("B", 1), ("A", 1)), (("B", 1), ("A", 2)))
    gone = laid(say(1, "merge", ref["A1"], ref["B1"]), say(2, "apart", ref["B1"], others=[ref["A1"]]))
    assert gone.known.together == ()
    assert gone.refused == {1: LATER}


def test_who_is_put_together_is_no_longer_kept_apart(laid) -> None:  # type: ignore[no-untyped-def]
    ref = laid.ref
    corrected = laid(say(1, "apart", ref["B1"], others=[ref["A1"]]), say(2, "merge", ref["A1"], ref["B1"]))
    assert (corrected.known.together, corrected.known.apart) == ((keys("A1", "B1"),), ())
    assert corrected.refused == {1: LATER}


def test_a_lock_is_closed_but_for_what_was_said_since(laid) -> None:  # type: ignore[no-untyped-def]
    ref = laid.ref
    lock = say(2, "lock", ref["A1"], ref["B1"])
    assert laid(lock).known.closed == (Closed(keys("A1", "B1")),)
    earlier = laid(say(1, "merge", ref["A1"], ref["A3"]), lock)
    assert earlier.known.together == (keys("A1", "B1"),)
    later = laid(lock, say(3, "merge", ref["B1"], ref["A3"]))
    assert later.known.closed == (Closed(keys("A1", "B1", "A3")),)
    cut = laid(lock, say(3, "cut", ref["A1"], frame=40))
    assert cut.known.closed == (Closed(keys("B1"), may_join=keys("A1", "A4")),), "either part may still be the person"


def test_two_people_beside_each_other_are_two_whatever_is_said(tracklet, scene) -> None:  # type: ignore[no-untyped-def]
    one, two, far = tracklet("A", 1), tracklet("A", 2, lane=2), tracklet("A", 3, start=90)
    nobody = Embeddings((), np.zeros(0, np.int64), np.zeros((0, 8), np.float32), np.zeros(0))
    refs = [TrackletRef.of(t) for t in (one, two, far)]
    said = [say(1, "merge", refs[0], refs[2]), say(2, "merge", refs[1], refs[2])]
    corrected = correct([one, two, far], nobody, said, scene("A"), AssociationConfig())
    assert "A#1 and A#2 were seen at once (0.0 to 1.9 s) beside" in corrected.refused[1], "the later one stands"
    assert corrected.known.together == (keys("A2", "A3"),)


def test_a_person_in_two_cameras_at_once_is_taken_and_remarked(tracklet, scene) -> None:  # type: ignore[no-untyped-def]
    one, two = tracklet("A", 1), tracklet("B", 1)
    nobody = Embeddings((), np.zeros(0, np.int64), np.zeros((0, 8), np.float32), np.zeros(0))
    said = [say(1, "merge", TrackletRef.of(one), TrackletRef.of(two))]
    corrected = correct([one, two], nobody, said, scene("A", "B", clock="common"), AssociationConfig())
    assert corrected.known.together == (keys("A1", "B1"),)
    assert "A#1 and B#1 were seen at once (0.0 to 1.9 s) in two cameras" in corrected.remarks[1]
    assert correct([one, two], nobody, said, scene("A", "B"), AssociationConfig()).remarks == {}


def test_a_tracklet_is_found_by_its_place_when_a_run_was_made_anew(tracklet) -> None:  # type: ignore[no-untyped-def]
    ref = TrackletRef.of(tracklet("A", 7, start=20, lane=1))
    same = tracklet("A", 7, start=20, lane=1)
    assert ref.find([tracklet("A", 3, start=20, lane=1), same]) == (same,)
    other_id = tracklet("A", 3, start=21, lane=1)
    assert ref.find([other_id, tracklet("A", 7, start=20, lane=2), tracklet("B", 7, start=20, lane=1)]) == (other_id,)
    halves = [tracklet("A", 1, start=20, length=9, lane=1), tracklet("A", 2, start=30, length=10, lane=1)]
    assert ref.find(halves) == tuple(halves)
    longer = tracklet("A", 1, start=0, length=100, lane=1)
    assert ref.find([longer]) == (), "mostly somebody else's"
    assert ref.find([longer], frame=30) == (longer,)


def test_corrections_hold_for_the_videos_they_were_said_of(tracklet) -> None:  # type: ignore[no-untyped-def]
    ref = TrackletRef.of(tracklet("A", 1))
    said = (Correction(1, "lock", "--lock 1", (ref,), videos={"A": "x"}),)
    assert of_these_videos(said, {"A": "x"}) == (said, {})
    assert of_these_videos(said, {"A": "y"}) == ((), {1: "camera A has another video now"})
    assert of_these_videos(said, {"B": "x"}) == ((), {1: "camera A is not in this run"})
