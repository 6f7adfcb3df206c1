"""`run.py synthesize`: a whole set on disk, read back by the parts that will use it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import run
from evaluation.mot_text import read_mot
from evaluation.multi_camera import evaluate_tracking
from pipeline import geometry
from pipeline.config_loading import load_config
from pipeline.video.probe import probe
from pipeline.video.reader import VideoReader
from reid.datasets import parse_name

ARGUMENTS = ["--people", "4", "--cameras", "3", "--hours", "0.0008", "--size", "480x270", "--fps", "5", "--seed", "3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "set"
    assert run.main(["synthesize", "--out", str(root), "-q", *ARGUMENTS]) == 0
    return root


def test_videos_and_truth_belong_together(made: Path) -> None:
    rows = 0
    for number in (1, 2, 3):
        info = probe(made / "videos" / f"cam{number}.mp4", 10**6)
        assert info.size_wh == (480, 270) and info.fps == pytest.approx(5.0)
        with VideoReader("x", (made / "videos" / f"cam{number}.mp4",)) as frames:
            assert len(list(frames)) == 14
        truth = read_mot(made / "truth" / f"cam{number}.txt", truth=True)
        assert set(truth.identity.tolist()) <= {1, 2, 3, 4}
        assert truth.frame.max(initial=1) <= 14
        assert (truth.xyxy >= 0).all() and (truth.xyxy <= (480, 270, 480, 270)).all()
        rows += len(truth)
    assert rows > 20


def test_truth_scored_against_itself_is_perfect(made: Path) -> None:
    truth = {path.stem: read_mot(path, truth=True) for path in (made / "truth").glob("*.txt")}
    assert evaluate_tracking(truth, truth).total.identity.idf1 == 1.0


def test_the_written_calibration_brings_feet_to_the_floor(made: Path) -> None:
    config = load_config(made / "cameras.yaml")
    assert config.clock == "common"
    assert config.cameras["cam1"].overlaps == ("cam2",)
    checked = 0
    for path in (made / "people").glob("*.csv"):
        matrix = np.array(config.cameras[path.stem].image_to_ground)
        for row in csv.DictReader(path.read_text().splitlines()):
            if float(row["visibility"]) > 0.97:
                feet = np.array([[(float(row["x1"]) + float(row["x2"])) / 2, float(row["y2"])]])
                place = geometry.project(feet, matrix)[0]
                assert np.linalg.norm(place - (float(row["floor_x"]), float(row["floor_y"]))) < 0.75
                checked += 1
    assert checked > 10
    calibration = json.loads((made / "calibration" / "cam2.json").read_text())
    K, R, t = (np.array(calibration[name]) for name in "KRt")
    ground = np.linalg.inv(K @ np.column_stack([R[:, 0], R[:, 1], t]))
    np.testing.assert_allclose(ground / ground[2, 2], calibration["image_to_ground"], rtol=1e-9, atol=1e-12)


def test_crops_are_named_for_training(made: Path) -> None:
    names = [parse_name(path.name) for path in (made / "crops").iterdir()]
    assert names and {camera for _, camera in names} <= {1, 2, 3}
    assert {identity for identity, _ in names} <= {1, 2, 3, 4}


def test_the_same_arguments_give_the_same_set(made: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert run.main(["synthesize", "--out", str(again), "-q", "--processes", "1", *ARGUMENTS]) == 0
    files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((made / name).read_bytes() == (again / name).read_bytes() for name in files)


def test_a_folder_with_other_things_is_left_alone(made: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    assert run.main(["synthesize", "--out", str(tmp_path), *ARGUMENTS]) == 2
    assert "no synthetic set" in capsys.readouterr().err
    assert run.main(["synthesize", "--out", str(made), *ARGUMENTS]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


@pytest.mark.parametrize("wrong", [["--hours", "nan"], ["--people", "0"], ["--size", "20x20"], ["--seed", "-1"]])
def test_wrong_numbers_are_usage_errors(wrong: list[str], tmp_path: Path, capsys) -> None:
    assert run.main(["synthesize", "--out", str(tmp_path / "x"), *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1
