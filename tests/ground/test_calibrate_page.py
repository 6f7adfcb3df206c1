"""The page of `run.py calibrate --page` in a real browser: clicks and keys in, a file that calibrates out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from commands.calibrate_fit import read_cameras
from commands.calibrate_page import page
from pipeline.ground.floor import to_floor
from synthetic.camera import PinholeCamera
from tests.browser import CONTROL, DELETE, TAB, Browser, browser, needs_browser, until

pytestmark = needs_browser

SIZE = (640, 360)
CAMERA = PinholeCamera.looking((0.5, -1.0, 3.0), (4.0, 4.0, 0.8), SIZE, 75.0)
CORNERS = [(2.5, 2.5), (5.0, 2.0), (1.5, 4.5), (6.0, 5.0)]


def seen(floor: tuple[float, float]) -> tuple[float, float]:
    """Where a floor point (m) is in the frame, px."""
    (x, y), _ = CAMERA.project(np.array([[*floor, 0.0]]))[0][0], 0
    return float(x), float(y)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Path]]:
    downloads = tmp_path_factory.mktemp("downloads")
    with browser(downloads) as opened:
        yield opened, downloads


@pytest.fixture
def opened(window: tuple[Browser, Path], tmp_path: Path) -> Browser:
    path = tmp_path / "hall.html"
    path.write_text(page("hall", np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)))
    window[0].open(path)
    until(lambda: window[0].run("return frame.complete"))
    return window[0]


def click(page: Browser, pixel: tuple[float, float]) -> None:
    """A click on a pixel of the frame, wherever the page shows it."""
    width, height = page.run("const r = $('image').getBoundingClientRect(); return [r.width, r.height]")
    page.click("#image", (pixel[0] * width / SIZE[0], pixel[1] * height / SIZE[1]))


def tell(page: Browser, floor: tuple[float, float]) -> None:
    """Keys right after a click: the field of x has the focus by itself."""
    page.press(*str(floor[0]), TAB, *str(floor[1]))


def said(page: Browser) -> str:
    return str(page.run("return $('said').textContent"))


def can_save(page: Browser) -> bool:
    return not page.run("return $('save').disabled")


def test_four_clicks_become_the_calibration(opened: Browser, window: tuple[Browser, Path]) -> None:
    for number, corner in enumerate(CORNERS):
        assert said(opened) == f"{number} of at least 4 points have a floor position."
        assert not can_save(opened)
        click(opened, seen(corner))
        tell(opened, corner)
    assert said(opened).startswith("0.0 px, 0.00 m")
    opened.click("#save")
    saved = window[1] / "hall.json"
    until(saved.is_file)
    assert "run.py calibrate DOWNLOADS/hall.json" in opened.run("return $('note').textContent")
    found = read_cameras([str(saved)])["hall"]
    assert [list(pair.floor) for pair in found.points] == [list(corner) for corner in CORNERS]
    others = [(3.0, 3.0), (2.0, 2.5), (5.0, 4.0)]
    on_floor = to_floor(np.array([seen(floor) for floor in others]), found.calibration, SIZE)
    np.testing.assert_allclose(on_floor, others, atol=0.06)  # a click lies on a whole pixel of the screen


def test_what_makes_no_floor_is_said_and_cannot_be_saved(opened: Browser) -> None:
    line = [(3.0, 2.0), (4.0, 2.0), (5.0, 2.0), (6.0, 5.0)]
    for corner in line:
        click(opened, seen(corner))
        tell(opened, corner)
    assert "Points 1, 2, 3 lie on one line (picture)" in said(opened)
    assert not can_save(opened)
    click(opened, seen((1.5, 4.5)))
    tell(opened, (6.0, 5.0))
    assert "Points 4 and 5 are at one place (floor)" in said(opened)
    assert not can_save(opened)


def test_swapped_floor_points_put_the_horizon_between(opened: Browser) -> None:
    for corner, told in zip(CORNERS, [CORNERS[1], CORNERS[0], CORNERS[2], CORNERS[3]], strict=True):
        click(opened, seen(corner))
        tell(opened, told)
    assert "horizon" in said(opened)
    assert not can_save(opened)


def test_each_step_can_be_taken_back(opened: Browser) -> None:
    def points() -> list[list[float | None]]:
        return json.loads(opened.run("return JSON.stringify(points.map(p => [p.fx, p.fy]))"))  # type: ignore[no-any-return]

    assert opened.run("return $('undo').disabled")
    click(opened, seen(CORNERS[0]))
    tell(opened, CORNERS[0])
    click(opened, (300, 200))
    assert points() == [list(CORNERS[0]), [None, None]]
    opened.press_with(CONTROL, "z")  # the focus is in the empty field of the point that goes
    assert points() == [list(CORNERS[0])]
    click(opened, seen(CORNERS[0]))  # takes hold of it
    opened.press(DELETE)
    assert points() == []
    opened.click("#undo")
    assert points() == [list(CORNERS[0])]


def test_a_field_keeps_the_focus_while_one_types_in_it(opened: Browser) -> None:
    """Choosing a point by its field drew the table anew: the field was gone after one key."""
    for corner in CORNERS[:2]:
        click(opened, seen(corner))
        tell(opened, corner)
    opened.click("#rows tr:first-child input")
    opened.press(*"12,75")
    assert opened.run("return points[0].fx") == 12.75
    opened.press(*"m")
    assert opened.run("return document.activeElement.getAttribute('aria-invalid')") == "true"
    assert "1 of at least 4" in said(opened)


def test_points_can_be_set_by_keys_alone(opened: Browser) -> None:
    opened.click("#middle")
    opened.press("\ue014", "\ue014", "\ue015")  # right, right, down
    assert opened.run("return [points[0].x, points[0].y]") == pytest.approx([320.2, 180.1])


@pytest.mark.parametrize("width", [360, 1024, 1920])
def test_nothing_lies_beyond_the_window(opened: Browser, tmp_path: Path, width: int) -> None:
    opened.open(tmp_path / "hall.html", width)
    opened.run("points = [[1111.5, 1000.5, 100.25, -50.125]].map(([x, y, fx, fy]) => ({x, y, fx, fy})); draw()")
    assert opened.run("return document.documentElement.scrollWidth <= innerWidth")


def test_pixels_that_are_not_square_are_shown_as_they_are(opened: Browser, tmp_path: Path) -> None:
    path = tmp_path / "wide.html"
    path.write_text(page("wide", np.zeros((576, 720, 3), np.uint8), 16 / 11))
    opened.open(path)
    until(lambda: opened.run("return frame.complete"))
    width, height = opened.run("const r = $('image').getBoundingClientRect(); return [r.width, r.height]")
    assert width / height == pytest.approx(720 / 576 * 16 / 11, rel=0.01)


def test_a_file_without_points_is_refused_on_the_page(opened: Browser, tmp_path: Path) -> None:
    for content, message in (
        ("[]", "holds no points"),
        ('{"points": [{"image": [1, 2], "floor": ["a", 3]}]}', "holds no points"),
        ('{"points": [], "size_wh": [10, 10]}', "of a frame of 10 x 10"),
    ):
        path = tmp_path / "other.json"
        path.write_text(content)
        opened.type("#load", str(path))
        until(lambda message=message: message in opened.run("return $('note').textContent"))
