"""Crops become people on backgrounds, with the boxes where they were put."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.training.dataset import LabelledImage, read_source
from tools import pasted_source
from tools.pasted_source import compose, cut_out

GREY, RED, BLUE, SKIN = (128, 128, 128), (30, 30, 200), (180, 60, 20), (140, 170, 220)


def drawn_person() -> np.ndarray:
    """A crop `(160, 64, 3)`: head, red top, blue legs, on an even wall."""
    crop = np.full((160, 64, 3), GREY, np.uint8)
    cv2.circle(crop, (32, 18), 11, SKIN, -1)
    cv2.rectangle(crop, (17, 30), (47, 85), RED, -1)
    cv2.rectangle(crop, (19, 86), (30, 154), BLUE, -1)
    cv2.rectangle(crop, (34, 86), (45, 154), BLUE, -1)
    noise = np.random.default_rng(0).normal(0, 6, crop.shape)
    return (crop + noise).clip(0, 255).astype(np.uint8)


def wall(value: int = 240) -> LabelledImage:
    return LabelledImage("walls", "", "g00007", np.full((240, 320, 3), value, np.uint8), np.zeros((0, 4), np.float32))


def test_the_person_is_cut_out_and_the_wall_is_not():
    person = cut_out(drawn_person())
    assert person is not None
    colours, opacity = person[..., :3].astype(int), person[..., 3]
    body = (np.abs(colours - RED).sum(2) < 70) | (np.abs(colours - BLUE).sum(2) < 70)
    assert opacity[body].mean() > 220
    plain = np.abs(colours - GREY).sum(2) < 50
    assert opacity[plain].mean() < 90
    assert person.shape[0] > 0.85 * 160


def test_an_empty_crop_has_nobody():
    assert cut_out(np.full((128, 64, 3), 90, np.uint8)) is None


def test_boxes_lie_where_people_were_put():
    person = cut_out(drawn_person())
    assert person is not None
    alone = labels = 0
    for seed in range(40):
        item = compose(wall(), [person], np.random.default_rng(seed))
        rows, columns = item.image.shape[:2]
        assert (item.xyxy >= 0).all() and (item.xyxy <= (columns, rows, columns, rows)).all()
        changed = np.abs(item.image.astype(int) - 240).sum(2) > 60
        labels += len(item.xyxy)
        for x0, y0, x1, y1 in np.round(item.xyxy).astype(int):
            assert changed[y0:y1, x0:x1].mean() > 0.15
        if len(item.xyxy) == 1:
            x0, y0, x1, y1 = np.round(item.xyxy[0]).astype(int)
            around = changed[max(y0 - 3, 0) : y1 + 3, max(x0 - 6, 0) : x1 + 6]
            assert around.sum() > 0.9 * changed.sum()
            alone += 1
    assert alone >= 3 and labels > 60


def test_whoever_is_hidden_has_no_label(monkeypatch):
    """Who is covered for nineteen parts in twenty by those before is not in the labels; the nearest always is."""
    person = cut_out(drawn_person())
    assert person is not None
    drawn: list[tuple[np.ndarray, tuple[int, int], int]] = []
    draw = pasted_source.paste

    def spy(picture, body, foot_xy, height, rng):
        cover = draw(picture, body, foot_xy, height, rng)
        drawn.append((cover, foot_xy, height))
        return cover

    monkeypatch.setattr(pasted_source, "paste", spy)
    hidden = 0
    for seed in range(200):
        drawn.clear()
        item = compose(wall(), [person], np.random.default_rng(seed))
        feet = {(round(float(x0 + x1) / 2), round(float(y1))) for x0, _, x1, y1 in item.xyxy}
        free = np.ones(item.image.shape[:2], np.float32)
        for cover, foot, _height in reversed(drawn):
            if cover.sum() > 50 and (cover * free).sum() < 0.05 * cover.sum():
                hidden += 1
                assert foot not in feet
            free *= 1 - cover
    assert hidden >= 3


def test_the_tool_writes_a_source_that_training_reads(tmp_path, monkeypatch):
    crops, walls, out = tmp_path / "crops", tmp_path / "walls", tmp_path / "pasted"
    crops.mkdir()
    walls.mkdir()
    cv2.imwrite(str(crops / "0001_c1_0.png"), drawn_person())
    for number in range(2):
        cv2.imwrite(str(walls / f"g0000{number}_00000.png"), wall(200 + 20 * number).image)
        (walls / f"g0000{number}_00000.txt").write_text("")
    command = ["x", "--crops", str(crops), "--backgrounds", str(walls), "--pictures", "6", "--output", str(out)]
    monkeypatch.setattr(sys, "argv", command)
    pasted_source.main()
    items = list(read_source(out))
    assert [item.name for item in items] == [f"g0000{n % 2}_{n:05d}" for n in (0, 2, 4, 1, 3, 5)]
    assert sum(len(item.xyxy) for item in items) > 5
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    pasted_source.main()
    assert first == {path.name: path.read_bytes() for path in out.iterdir()}


def test_without_people_it_says_so(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "crops").mkdir()
    cv2.imwrite(str(tmp_path / "crops" / "0001_c1_0.png"), np.full((128, 64, 3), 90, np.uint8))
    (tmp_path / "walls").mkdir()
    command = ["x", "--crops", str(tmp_path / "crops"), "--backgrounds", str(tmp_path / "walls")]
    monkeypatch.setattr(sys, "argv", [*command, "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        pasted_source.main()
    assert ended.value.code == 2
    assert "no person could be cut out" in capsys.readouterr().err
