"""The user's word in association: who is one person, who is two, who is complete."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.known import NOTHING, Closed, Known, chains
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings


@pytest.fixture
def solve(world, crowd, scene, prior, grouping):  # type: ignore[no-untyped-def]
    """Six people in two cameras, as A#n and B#n, under what is known; the groups, and the trajectories."""
    tracklets, embeddings = world(crowd(both=6))

    def run(known, embeddings=embeddings):  # type: ignore[no-untyped-def]
        solver = AverageLinkageAssociator(AssociationConfig(), prior)
        found = solver.solve(tracklets, embeddings, scene("A", "B"), known).trajectories
        return grouping(found), found

    run.embeddings = embeddings
    return run


def group(*names: str) -> frozenset[tuple[str, int]]:
    return frozenset((name[0], int(name[1:])) for name in names)


def test_chains_join_each_group_once() -> None:
    assert chains(np.array([2, 0, 2, 1, 2, 0])) == [(1, 5), (0, 2), (2, 4)]
    assert chains(np.zeros(0, np.int64)) == []


def test_nothing_known_changes_nothing(solve) -> None:  # type: ignore[no-untyped-def]
    groups, _ = solve(NOTHING)
    assert groups == {group(f"A{n}", f"B{n}") for n in range(1, 7)}
    assert solve(Known((group("A1", "X9"),), ((("X", 9), ("A", 2)),)))[0] == groups, "who is not there says nothing"


def test_together_joins_what_looks_different_and_takes_the_rest_along(solve) -> None:  # type: ignore[no-untyped-def]
    groups, found = solve(Known(together=(group("A1", "A6"),)))
    assert any(group("A1", "A6") <= g for g in groups)
    links = [link for t in found for link in t.links if link.by_user]
    assert [{link.from_key, link.to_key} for link in links] == [{("A", 1), ("A", 6)}]
    assert links[0].log_odds < 0, "told as it is"


def test_apart_parts_what_looks_alike(solve) -> None:  # type: ignore[no-untyped-def]
    groups, _ = solve(Known(apart=((("A", 2), ("B", 2)),)))
    assert groups == {group(f"A{n}", f"B{n}") for n in (1, 3, 4, 5, 6)} | {group("A2"), group("B2")}


def test_what_is_apart_from_one_of_a_group_is_apart_from_all_of_it(solve) -> None:  # type: ignore[no-untyped-def]
    groups, _ = solve(Known(together=(group("A1", "A6"),), apart=((("A", 6), ("B", 1)),)))
    assert not any(group("A1", "B1") <= g for g in groups)


def test_nobody_joins_a_closed_group(solve) -> None:  # type: ignore[no-untyped-def]
    groups, _ = solve(Known(closed=(Closed(group("A3")),)))
    assert group("A3") in groups
    assert group("B3") in groups
    groups, _ = solve(Known(together=(group("A3", "B4"),), closed=(Closed(group("A3", "B4")),)))
    assert {group("A3", "B4"), group("A4"), group("B3")} <= groups
    groups, _ = solve(Known(closed=(Closed(group("A3"), may_join=group("B3")),)))
    assert group("A3", "B3") in groups


def test_tracklets_without_embedding_go_where_the_user_says(solve) -> None:  # type: ignore[no-untyped-def]
    whole = solve.embeddings
    rows = [r for r, key in enumerate(whole.keys) if key not in {("A", 1), ("A", 5), ("B", 6)}]
    poor = Embeddings(
        tuple(whole.keys[r] for r in rows), whole.frame_index[rows], whole.vector[rows], whole.quality[rows]
    )
    assert {group("A1"), group("A5"), group("B6")} <= solve(NOTHING, poor)[0]
    groups, found = solve(Known(together=(group("A5", "B2"), group("A5", "B6"))), poor)
    assert group("A5", "B6", "A2", "B2") in groups, "the rest of B2's person comes along"
    for trajectory in found:
        assert len(trajectory.links) == len(trajectory.tracklets) - 1
    barred, _ = solve(Known(together=(group("A1", "B2"),)), poor)
    assert group("A1", "B2") in barred, "A2 was seen beside A1, so it leaves B2 whom it looks like"


def test_a_user_stands_above_an_inferred_veto(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    world, crowd, scene, prior, grouping, monkeypatch
) -> None:
    from pipeline.association import pair_sources  # noqa: PLC0415
    from pipeline.association.pair_evidence import PairEvidence  # noqa: PLC0415

    tracklets, embeddings = world(crowd(both=2))
    veto = PairEvidence("time", lambda left, right: np.full(len(left), -np.inf))
    monkeypatch.setattr(pair_sources, "SOURCES", (lambda *_: veto,))
    solver = AverageLinkageAssociator(AssociationConfig(), prior)
    known = Known(together=(group("A1", "B1"),))
    found = solver.solve(tracklets, embeddings, scene("A", "B"), known).trajectories
    assert grouping(found) == {group("A1", "B1"), group("A2"), group("B2")}
