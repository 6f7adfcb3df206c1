"""benchmarks/association_ablation_runs.py on a run whose truth is what the run itself said, and on one that differs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.association_ablation_runs import STEPS, table


def rows_by_step(run: Path, truth: Path) -> dict[str, list[str]]:
    """IDF1, HOTA, link precision, link recall, people."""
    split = [line.strip("| ").split(" | ") for line in table("small", run, truth)]
    return {cells[1]: cells[2:] for cells in split}


@pytest.fixture
def said(tracked: Path, tmp_path: Path) -> Path:
    """A truth that agrees with the run: its own rows."""
    truth = tmp_path / "truth"
    truth.mkdir()
    for file in (tracked / "mot").glob("*.txt"):
        shutil.copy(file, truth / file.name)
    return truth


def test_everything_is_the_run_itself(tracked: Path, said: Path) -> None:
    rows = rows_by_step(tracked, said)
    assert list(rows) == [*(step for step, _, _ in STEPS), "ceiling"]
    assert rows["everything"][:4] == rows["ceiling"][:4] == ["100.0"] * 4


def test_a_wrong_link_shows_in_the_scores_but_not_in_the_ceiling(tracked: Path, said: Path) -> None:
    """In the truth everybody of cam1 is somebody whom cam0 has not seen."""
    file = said / "cam1.txt"
    lines = [line.split(",") for line in file.read_text().splitlines()]
    file.write_text("".join(",".join([frame, str(int(who) + 100), *rest]) + "\n" for frame, who, *rest in lines))
    rows = rows_by_step(tracked, said)
    assert float(rows["everything"][0]) < 100 and float(rows["everything"][2]) < 100
    assert rows["ceiling"][0] == "100.0"
