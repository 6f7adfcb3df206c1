"""Evidence beside appearance: summed by name, told by each link, a veto where it says so."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association import pair_sources
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.pair_evidence import PairEvidence, dense
from pipeline.config import AssociationConfig


def _table(name, table):  # type: ignore[no-untyped-def]
    return PairEvidence(name, lambda left, right: table[left, right])


def test_dense_sums_evidence_of_one_name_over_the_chosen_rows() -> None:
    table = np.arange(16.0).reshape(4, 4)
    table += table.T
    parts = dense([_table("time", table), _table("time", table), _table("place", -table)], np.array([0, 2, 3]))
    expected = table[np.ix_([0, 2, 3], [0, 2, 3])]
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_array_equal(parts["time"], 2 * expected)
    np.testing.assert_array_equal(parts["place"], -expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_evidence_that_is_nan_or_certain_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="place"):
        dense([_table("place", np.full((3, 3), bad))], np.arange(3))


def test_a_link_tells_its_parts_and_a_veto_parts_people(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    crowd, world, scene, prior, grouping, monkeypatch
) -> None:
    tracklets, embeddings = world(crowd(both=6))
    ordered = sorted(t.key for t in tracklets)

    def solve(evidence):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(pair_sources, "SOURCES", (lambda *_: evidence, lambda *_: None))
        return AverageLinkageAssociator(AssociationConfig(), prior).solve(tracklets, embeddings, scene("A", "B"))

    plain = solve(None)
    assert len(plain.trajectories) == 6
    table = np.zeros((12, 12))
    one, two = ordered.index(("A", 1)), ordered.index(("B", 1))
    table[one, two] = table[two, one] = 1.5
    links = {(link.from_key, link.to_key): link for t in solve(_table("place", table)).trajectories for link in t.links}
    link = links[("A", 1), ("B", 1)]
    assert link.evidence["place"] == 1.5
    assert link.evidence["time"] == 0.0
    table[one, two] = table[two, one] = -np.inf
    parted = grouping(solve(_table("time", table)).trajectories)
    assert frozenset([("A", 1)]) in parted
    assert frozenset([("B", 1)]) in parted
    assert len(parted) == 7
