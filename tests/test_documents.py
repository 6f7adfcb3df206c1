"""What README, docs and model cards point at is there."""

from __future__ import annotations

import json
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
SCORE = r"(?:IDF1|HOTA|MOTA|DetA|AssA|Rank-1|mAP|mINP|AP50(?::95)?|pair F1)"
FRACTION = r"(?<![\w.])[01]?\.\d{2,}"
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_command_needs_what_lies_on_one_machine_only(page):
    assert re.findall(r"(?<![\w.~/-])/(?:tmp|home|root|work)/\S+", page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_headings_find_them(page):
    for link, heading in re.findall(r"\]\(([^)#\s]*\.md)#([^)]+)\)", page.read_text(encoding="utf-8")):
        titles = re.findall(r"^#+ (.+)$", (page.parent / link).read_text(encoding="utf-8"), re.MULTILINE)
        slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
        assert heading in slugs, f"{link}#{heading}"


def scores_as_fractions(text: str) -> list[str]:
    """Scores that are not in percent (docs/evaluation.md): after the name of one, and in a column under it."""
    found = re.findall(rf"{SCORE} (?:of |from |is |was )?{FRACTION}", text)
    under: set[int] = set()
    for line in text.splitlines():
        cells = line.strip("| ").split(" | ") if line.startswith("|") else []
        here = {place for place, cell in enumerate(cells) if re.search(SCORE, cell) and "printed" not in cell}
        under = here or under if cells else set()
        found += [cells[place] for place in under - here if place < len(cells) and re.search(FRACTION, cells[place])]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scores_are_in_percent(page):
    assert scores_as_fractions(page.read_text(encoding="utf-8")) == []


def test_a_score_that_is_a_fraction_would_be_seen():
    table = "| set | IDF1 | false links |\n|---|---|---|\n| a | 0.915 | 0.05 |\n| b | 91.5 | .05 |"
    assert scores_as_fractions(f"{table}\n\nIDF1 .92, then mAP of 0.8241; Rank-1 83.9 at 0.5") == [
        "IDF1 .92",
        "mAP of 0.8241",
        "0.915",
    ]


@pytest.mark.parametrize(
    ("name", "called", "column"),
    [
        ("passerby_mgn_light", "bundled passerby_mgn_light", 1),
        ("passerby_mgn_osnet", "passerby_mgn_osnet (`--weights bundled-osnet`)", 2),
    ],
)
def test_the_scores_of_a_bundled_mgn_are_those_of_its_card(name, called, column):
    """The page beside the weights, docs/reid.md and README, against the card that is shipped with them."""
    folder = ROOT / "reid/weights"
    scores = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["metrics"]
    wanted = {name: f"{100 * value:.1f}" for name, value in scores.items()}
    cuhk03, single = (
        f"{wanted['cuhk03_held_out_100/rank1']} / {wanted['cuhk03_held_out_100/map']}",
        (wanted["cuhk03_held_out_100/single_shot_rank1"]),
    )
    viper, prid = (f"{wanted[f'{name}/rank1']} / {wanted[f'{name}/map']}" for name in ("viper", "prid2011"))
    page, reid, readme = (
        path.read_text(encoding="utf-8") for path in (folder / f"{name}.md", ROOT / "docs/reid.md", ROOT / "README.md")
    )
    assert re.search(rf"\| this model, [^|]*\| {cuhk03}, {single} \| {viper} \| {prid} \|", page)
    assert f"| {called} | {cuhk03} | {single} | {viper} | {prid} |" in reid
    rows = {cells[0]: cells for line in readme.splitlines() if (cells := line.strip("| ").split(" | "))}
    assert rows["CUHK03, 100 people held back"][column] == wanted["cuhk03_held_out_100/rank1"]
    both = f"{wanted['viper/rank1']} / {wanted['prid2011/rank1']}"
    assert rows["VIPeR / PRID2011, never seen"][column] == both
