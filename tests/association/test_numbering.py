"""Numbers of people that stay."""

from __future__ import annotations

from pipeline.association.numbering import renumber
from pipeline.types import Trajectory


def people(tracklet, *groups):  # type: ignore[no-untyped-def]
    """Trajectories numbered 1, 2, ... of `(track, start, length)` in camera A."""
    result = []
    for number, group in enumerate(groups, start=1):
        members = tuple(tracklet("A", track, start, length=length) for track, start, length in group)
        result.append(Trajectory(number, members, 1.0, tuple(1.0 for _ in members)))
    return result


def numbers(trajectories) -> dict[int, set[int]]:  # type: ignore[no-untyped-def]
    return {t.person_id: {k.key[1] for k in t.tracklets} for t in trajectories}


LONG, SHORT, OTHER = (1, 0, 30), (2, 40, 10), (3, 60, 20)


def test_the_first_answer_keeps_its_own_numbers(tracklet) -> None:  # type: ignore[no-untyped-def]
    found, first = renumber(people(tracklet, [LONG], [SHORT]), {}, None)
    assert numbers(found) == {1: {1}, 2: {2}}
    assert first.base == first.now


def test_who_is_merged_has_the_number_of_the_longer_and_the_other_comes_back(tracklet) -> None:  # type: ignore[no-untyped-def]
    _, first = renumber(people(tracklet, [SHORT], [LONG], [OTHER]), {}, None)
    merged, second = renumber(people(tracklet, [LONG, SHORT], [OTHER]), {}, first)
    assert numbers(merged) == {2: {1, 2}, 3: {3}}
    parted, _ = renumber(people(tracklet, [OTHER], [SHORT], [LONG]), {}, second)
    assert numbers(parted) == {1: {2}, 2: {1}, 3: {3}}


def test_who_is_split_off_gets_a_new_number_and_keeps_it(tracklet) -> None:  # type: ignore[no-untyped-def]
    _, first = renumber(people(tracklet, [LONG], [OTHER]), {}, None)
    cut_off = {("A", 9): ("A", 1)}
    split, second = renumber(people(tracklet, [(9, 20, 10)], [(1, 0, 20)], [OTHER]), cut_off, first)
    assert numbers(split) == {1: {1}, 2: {3}, 3: {9}}
    again, _ = renumber(people(tracklet, [OTHER], [(9, 20, 10)], [(1, 0, 20)]), cut_off, second)
    assert numbers(again) == numbers(split)


def test_nobody_takes_the_number_that_somebody_else_has_before_the_users_eyes(tracklet) -> None:  # type: ignore[no-untyped-def]
    """Found in use: person 4, split off 1, became 1 when the rest of 1 was merged with 2."""
    _, first = renumber(people(tracklet, [SHORT, OTHER], [LONG]), {}, None)
    _, second = renumber(people(tracklet, [OTHER], [LONG], [SHORT]), {}, first)
    merged, _ = renumber(people(tracklet, [OTHER, LONG], [SHORT]), {}, second)
    assert numbers(merged) == {2: {1, 3}, 3: {2}}
