"""docs/reliability.md names tests that exist, and every row of the sections it covers."""

from __future__ import annotations

import re

from benchmarks.reliability_scene import ROOT

DOCUMENT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_test_it_names_exists() -> None:
    written = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    existing = set(re.findall(r"^def (test_\w+)", written, re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    assert len(named) > 100
    assert named <= existing, sorted(named - existing)


def test_every_row_is_there() -> None:
    rows: list[int] = []
    table = DOCUMENT[DOCUMENT.index("## The rows") :]
    for numbers in re.findall(r"^\| ([0-9][0-9, ]*) \|", table, re.MULTILINE):
        rows += [int(number) for number in numbers.split(",")]
    assert len(rows) == len(set(rows))
    assert set(rows) >= {*range(1, 113), *range(131, 141)}
