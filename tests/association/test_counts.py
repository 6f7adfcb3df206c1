"""benchmarks/association_counts.py on a truth and log-odds whose counts are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.association_counts import covered, log_loss, pieces_of


def test_who_stands_in_whose_box_is_counted_piece_by_piece(tmp_path: Path) -> None:
    """Persons 1 and 2 share most of their boxes for the first 60 frames, then stand apart; 3 is always apart."""
    lines = []
    for frame in range(1, 121):
        lines += [f"{frame},1,100,100,40,100,1", f"{frame},2,{105 if frame < 60 else 300},100,40,100,1"]
        lines.append(f"{frame},3,500,100,40,100,1")
    truth = tmp_path / "gt.txt"
    truth.write_text("\n".join(lines))
    pieces = pieces_of(truth, 25.0)
    assert [len(piece) for _, piece in pieces] == [59, 60, 1] * 3
    assert covered(pieces, 0.6) == (1, 9)


def test_log_odds_that_know_lose_less_than_the_share_alone() -> None:
    same = np.array([True, False, False, False])
    nothing = log_loss(np.zeros(4), same)
    assert nothing == pytest.approx(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)))
    assert log_loss(np.where(same, 3.0, -3.0), same) < nothing / 3
    assert log_loss(np.where(same, -3.0, 3.0), same) > nothing
