"""What README, docs and model cards point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page for folder in (".", "docs", "detectors/weights", "reid/weights") for page in (ROOT / folder).glob("*.md")
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MODULE = re.compile(r"python -m ((?:benchmarks|tools)\.\w+)([^\n`)]*)")
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")
CONFIG = re.compile(r"(?<![\w/.-])configs/[\w/]+\.yaml")


def test_there_are_pages():
    assert {"README.md", "reid.md", "passerby_person_n.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_modules_and_configurations_are_there(page):
    text = page.read_text(encoding="utf-8")
    wanted = [page.parent / link for link in LINK.findall(text) if "://" not in link]
    wanted += [ROOT / f"{module.replace('.', '/')}.py" for module, _ in MODULE.findall(text)]
    wanted += [ROOT / name for name in CONFIG.findall(text)]
    assert [str(path) for path in wanted if not path.exists()] == []
    assert "@@" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_benchmarks_take_the_options_that_pages_give_them(page):
    lines = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    for module, words in MODULE.findall(lines):
        source = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        if "parse_known_args" not in source:  # else it hands options on to run.py
            assert [flag for flag in FLAG.findall(words) if f'"{flag}"' not in source] == [], module
