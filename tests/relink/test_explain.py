"""`run.py explain`: why a person's tracklets stand together."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.reliability_scene import COLOURS, Scene
from commands.explain_sheet import _crop
from pipeline.association.purity import Split
from pipeline.types import Frame


def test_a_link_is_told_by_source_with_its_runner_up(tracked, passerby) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = passerby("explain", tracked, 1, "--json")
    assert code == 0
    told = json.loads(out)
    assert [t["tracklet"] for t in told["tracklets"]] == ["cam0#1", "cam1#4"]
    (link,) = told["links"]
    assert (link["from"], link["to"], link["by_user"]) == ("cam0#1", "cam1#4", False)
    parts = sum(link["evidence"].values()) + link["people"] + link["rivals"]
    assert parts == pytest.approx(link["log_odds"], abs=1e-3)
    assert link["margin"] == pytest.approx(link["log_odds"] - link["runner_up"], abs=1e-3)
    code, out, _ = passerby("explain", tracked, 1)
    assert code == 0
    assert out.startswith("Person 1: 2 tracklets, one person with probability")
    for words in ("cam0#1 and cam1#4: one person", "more likely of one person than of two", "share no known clock"):
        assert words in out
    rival = link["runner_up_tracklet"]
    assert f"runner-up for cam1#4: {rival}, person {link['runner_up_person']}," in out


def test_who_is_alone_and_whom_the_user_joined(work, passerby) -> None:  # type: ignore[no-untyped-def]
    assert "linked to nothing" in passerby("explain", work, 4)[1]
    assert passerby("relink", work, "--merge", 3, 4)[0] == 0
    assert "because a correction says so" in passerby("explain", work, 3)[1]


def test_who_is_alone_is_told_the_best_candidate_and_why_not(work, passerby) -> None:  # type: ignore[no-untyped-def]
    told = json.loads(passerby("explain", work, 4, "--json")[1])["best_candidate"]
    assert (told["tracklet"], told["person"]) == ("cam0#1", 1)
    assert sum(told["evidence"].values()) + told["people"] + told["rivals"] == pytest.approx(told["log_odds"], abs=1e-3)
    assert told["log_odds"] < told["floor"] == 0.0
    code, out, _ = passerby("explain", work, 4)
    assert code == 0
    assert (
        f"Best candidate: cam0#1, person 1: one person with probability below 0.01, log-odds {told['log_odds']:+.1f}"
        in out
    )
    assert "not taken: people are joined above log-odds +0.0" in out
    assert "best_candidate" not in json.loads(passerby("explain", work, 1, "--json")[1])
    assert passerby("relink", work, "--split", "1@cam1#4")[0] == 0
    assert "cam1#4, person 5, looks more alike (appearance +" in passerby("explain", work, 1)[1]
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    (work / "store" / "scene.json").unlink()
    code, out, _ = passerby("explain", work, 4)
    assert code == 0
    assert "Best candidate: none, what the store holds is not usable" in out
    changed = {path for path, content in before.items() if not path.is_file() or path.read_bytes() != content}
    assert changed == {work / "store" / "scene.json"}, "explain writes nothing"


def test_a_cut_of_the_tracker_is_told_on_both_sides(work, passerby) -> None:  # type: ignore[no-untyped-def]
    split = Split(("cam0", 1), ("cam1", 3), 13.6, -4.26)
    (work / "store" / "splits.json").write_text(json.dumps([asdict(split)]))
    for person in (1, 4):
        line = "cam1#3 was cut off cam0#1 at 13.6 s: log-odds -4.3 that both sides are one person"
        assert line in passerby("explain", work, person)[1]
    assert "was cut off" not in passerby("explain", work, 2)[1]
    (work / "store" / "splits.json").write_text("[{}")
    assert passerby("explain", work, 1)[0] == 0


def test_what_is_not_there_is_exit_2_in_one_line(tracked, passerby, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for arguments, word in (
        ((tracked, 9), "there is no person 9; there are 1, 2, 3, 4"),
        ((tmp_path / "nowhere", 1), "no such run directory"),
        ((tmp_path, 1), "is no run directory"),
        ((tracked, 1, "--sheet", tmp_path / "no" / "sheet.html"), "cannot be written"),
    ):
        code, _, err = passerby("explain", *arguments)
        assert (code, err.count("error: ")) == (2, 1)
        assert word in err


def pictures(page: str) -> dict[str, list[np.ndarray]]:
    """The crops on a page by tracklet."""
    found: dict[str, list[np.ndarray]] = {}
    for name, data in re.findall(r'alt="(\S+) at [^"]+" src="data:image/jpeg;base64,([^"]+)"', page):
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        found.setdefault(name, []).append(image)
    return found


def test_a_sheet_shows_the_crops_of_both_sides(work, passerby) -> None:  # type: ignore[no-untyped-def]
    assert not (work / "sheets").exists(), "pictures of people only on request"
    code, _, err = passerby("explain", work, 1, "--sheet")
    assert code == 0
    path = work / "sheets" / "person-1.html"
    assert str(path) in err
    assert path.stat().st_mode & 0o077 == 0
    shown = pictures(path.read_text())
    assert set(shown) == {"cam0#1", "cam1#4"}
    for crops in shown.values():
        assert 2 <= len(crops) <= 5
        for crop in crops:  # the middle of the shirt has the colour of person 1
            height, width = crop.shape[:2]
            shirt = crop[int(0.38 * height), width // 2].astype(float)
            assert np.abs(shirt - COLOURS[1]).max() < 45
    assert passerby("relink", work, "--split", "1@cam1#4")[0] == 0
    assert not path.exists(), "it told of people who are no more"


def test_a_video_that_is_gone_or_another_is_told(work, passerby, small_scene: Scene, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    video = small_scene.videos[1]
    kept = video.read_bytes()
    try:
        for change, word in (
            (video.unlink, "is not there any more"),
            (lambda: video.write_bytes(b"x"), "not the video"),
        ):
            change()
            code, _, err = passerby("explain", work, 1, "--sheet", tmp_path / "sheet.html")
            assert code == 3
            assert f"camera cam1: no pictures, {video}" in err
            assert word in err
            page = (tmp_path / "sheet.html").read_text()
            assert word in page
            assert set(pictures(page)) == {"cam0#1"}
    finally:
        video.write_bytes(kept)


def test_a_box_outside_of_the_image_or_a_sliver_is_shown_as_what_there_is() -> None:
    frame = Frame("cam0", 0, 0.0, np.full((90, 160, 3), 120, np.uint8))
    for xyxy in ((170.0, 10.0, 190.0, 60.0), (-30.0, -30.0, -5.0, -5.0), (0.0, 89.5, 160.0, 90.0), (0, 0, 1, 90)):
        data = np.frombuffer(base64.b64decode(_crop(frame, np.array(xyxy, np.float32))), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert image.shape[0] == 192
        assert image.shape[1] <= 960


@pytest.mark.parametrize("pixel_aspect", [0.5, 1.0, 16 / 11])
def test_people_are_shown_as_wide_as_they_are(pixel_aspect: float) -> None:
    """A crop of an anamorphic video was shown squeezed."""
    frame = Frame("a", 0, 0.0, np.zeros((576, 720, 3), np.uint8), pixel_aspect=pixel_aspect)
    data = np.frombuffer(base64.b64decode(_crop(frame, np.array([100, 100, 200, 300], np.float32))), np.uint8)
    height, width = cv2.imdecode(data, cv2.IMREAD_COLOR).shape[:2]
    assert width / height == pytest.approx(pixel_aspect * 121 / 241, rel=0.02)
