"""The album's page in a real browser: every picture loads, groups are whole, nothing runs out of a narrow window."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands.album_pages import as_json, page
from commands.album_people import Person
from commands.album_photos import Appearance
from tests.browser import Browser, browser, needs_browser, until

pytestmark = needs_browser
NAMES = ['<b>trip & more/e\'s "1" #50%?.jpg', "a-name-without-any-place-to-break-" + "x" * 120 + ".jpg", "c.jpg"]
GROUPS = [[0, 1, 2], [0, 1], [2]]
"""Photos of each person."""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("downloads")) as opened:
        yield opened


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """An album of three people in three photos, one link of which is doubtful."""
    folder, output = tmp_path / "photos", tmp_path / "album"
    (output / "crops").mkdir(parents=True)
    photos = [folder / name for name in NAMES]
    for photo in photos:
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(cv2.imencode(".jpg", np.full((90, 120, 3), 90, np.uint8))[1].tobytes())
    people = []
    for number, group in enumerate(GROUPS, start=1):
        seen = []
        for photo in group:
            crop = output / "crops" / f"{photo + 1:06d}-{number:02d}.jpg"
            crop.write_bytes(cv2.imencode(".jpg", np.full((120, 40, 3), 60 * number, np.uint8))[1].tobytes())
            seen.append(Appearance(photo, np.array([0, 0, 40, 90], np.float32), 0.9, 0.8, crop))
        people.append(Person(number, tuple(seen), tuple(0.3 if n == 2 else 0.9 for n in range(len(seen)))))
    result = as_json(people, photos, {folder / "broken.jpg": "not an <image>"}, folder)
    (output / "album.html").write_text(page(result, photos, folder, output))
    (output / "album.json").write_text(json.dumps(result))
    return output


def loaded(window: Browser) -> list[int]:
    """Widths of the pictures as decoded; lazy ones are fetched first."""
    window.run("for (const image of document.images) image.loading = 'eager'")
    until(lambda: window.run("return [...document.images].every(image => image.complete)"))
    widths: list[int] = window.run("return [...document.images].map(image => image.naturalWidth)")
    return widths


def test_each_group_is_there_with_all_its_pictures(album: Path, window: Browser) -> None:
    window.open(album / "album.html")
    assert loaded(window) == [40] * 6
    groups = window.run(
        "return [...document.querySelectorAll('section ul')].map(g => g.querySelectorAll('img').length)"
    )
    assert groups == [3, 2, 1]
    assert window.run("return document.querySelector('h1').textContent") == "3 people in 3 photos"
    alts = window.run("return [...document.images].map(image => image.alt)")
    assert alts[0] == f"person 1 in {NAMES[0]}"
    assert "only 30 % sure" in window.run("return document.querySelector('.unsure').innerText")
    assert "1 photo could not be read" in window.run("return document.querySelector('p').innerText")


def test_a_picture_leads_to_its_photo(album: Path, window: Browser) -> None:
    """The first photo's name holds all that means something in an address or a page."""
    window.open(album / "album.html")
    window.click("section a")
    until(lambda: window.run("return document.images.length === 1 && document.images[0].naturalWidth === 120"))


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_runs_out_of_the_window_and_people_keep_their_shape(album: Path, window: Browser, width: int) -> None:
    window.open(album / "album.html", width)
    loaded(window)
    assert window.run("return document.documentElement.scrollWidth <= innerWidth")
    assert window.run("return getComputedStyle(document.images[0]).objectFit") == "contain"
    cells = window.run(
        "return [...document.querySelectorAll('ul')[0].children].map(li => li.getBoundingClientRect().top)"
    )
    assert (cells[0] == cells[1]) and (width == 320 or cells[0] == cells[2])
