"""The words of `run.py explain`."""

from __future__ import annotations

import pytest

from commands.explain_words import share_in_words


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.79, "most pairs of two cameras are one person"),
        (0.5, "about half of the pairs of two cameras are one person"),
        (0.21, "about 1 in 5 pairs of two cameras is one person"),
        (0.0002, "about 1 in 5,000 pairs of two cameras is one person"),
    ],
)
def test_the_share_of_pairs_that_are_one_person(share: float, said: str) -> None:
    """Where nearly all pairs are one person it said half of them."""
    assert share_in_words(share, "of two cameras") == said
