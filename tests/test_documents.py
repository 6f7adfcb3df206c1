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
MODULE = re.compile(r"python -m ((?:benchmarks|tools)\.\w+)")
CONFIG = re.compile(r"(?<![\w/.-])configs/[\w/]+\.yaml")


def test_there_are_pages():
    assert {"README.md", "reid.md", "passerby_person_n.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_modules_and_configurations_are_there(page):
    text = page.read_text(encoding="utf-8")
    wanted = [page.parent / link for link in LINK.findall(text) if "://" not in link]
    wanted += [ROOT / f"{module.replace('.', '/')}.py" for module in MODULE.findall(text)]
    wanted += [ROOT / name for name in CONFIG.findall(text)]
    assert [str(path) for path in wanted if not path.exists()] == []
    assert "@@" not in text
