"""docs/settings.md says what pipeline/config.py says, and every setting is explained."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import Config
from tools.settings_table import page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_that_of_the_settings():
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_setting_is_on_the_page_with_its_default_and_a_meaning():
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    named = {row[0].strip("| `"): row for row in rows}
    for name, section in Config().model_dump().items():
        if isinstance(section, dict) and name != "cameras":
            assert {f"{name}.{key}" for key in section} <= set(named)
    assert named["detector.confidence"][2] == "`0.1`"
    assert named["runtime.device"][1] == "`auto`, `cpu`, `cuda`, `cuda:N`"
    assert named["crops.spread"][1] == "whole number from 1 to 256"
    assert [name for name, row in named.items() if len(row[3].strip("| ")) < 8] == []
