from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.training import dataset
from detectors.training.teacher import fill_with, merge
from pipeline.errors import UsageError
from pipeline.types import Detections


def test_packed_images_are_the_images_of_the_source(make_source, tmp_path, person_box):
    sources = {"a": make_source("a", 3), "b": make_source("b", 2, folder=True, size_wh=(64, 128))}
    packed = dataset.pack(sources, tmp_path / "packed")
    assert packed.source == ("a", "a", "a", "b", "b")
    assert packed.name[3:] == ("g00000_00000", "g00001_00001")
    original = cv2.imread(str(sources["b"] / "g00001_00001.png"))
    assert np.array_equal(packed.image(4), original)
    for index in range(5):
        assert packed.boxes(index) == pytest.approx(person_box(packed.image(index))[None], abs=1e-3)


def test_packing_again_reads_nothing_unless_a_source_changed(make_source, tmp_path):
    path = make_source("a", 2, folder=True)
    dataset.pack({"a": path}, tmp_path / "packed")
    written = (tmp_path / "packed" / "pixels.bin").stat().st_mtime_ns
    dataset.pack({"a": path}, tmp_path / "packed")
    assert (tmp_path / "packed" / "pixels.bin").stat().st_mtime_ns == written
    (path / "g00001_00001.txt").write_text("")
    assert len(dataset.pack({"a": path}, tmp_path / "packed").boxes(1)) == 0


def test_images_are_stored_no_larger_than_the_network_sees_them(make_source, tmp_path, person_box):
    packed = dataset.pack({"a": make_source("a", 1, size_wh=(1280, 720))}, tmp_path / "packed")
    assert packed.image(0).shape == (360, 640, 3)
    assert packed.boxes(0) == pytest.approx(person_box(packed.image(0))[None], abs=1.5)


def test_copies_of_a_held_out_image_are_never_trained_on(make_source, tmp_path):
    packed = dataset.pack({"a": make_source("a", 60, copies=3)}, tmp_path / "packed")
    held, trained = (packed.rows(validation=side, fraction=0.3) for side in (True, False))
    groups = [{packed.group[row] for row in rows} for rows in (held, trained)]
    assert not groups[0] & groups[1]
    assert sorted([*held, *trained]) == list(range(180))
    assert 0.15 * 180 < len(held) < 0.45 * 180


def test_the_split_of_a_source_does_not_depend_on_the_others(make_source, tmp_path):
    sources = {"a": make_source("a", 40), "b": make_source("b", 40)}
    both = dataset.pack(sources, tmp_path / "both")
    alone = dataset.pack({"b": sources["b"]}, tmp_path / "alone")
    names = [{packed.name[r] for r in packed.rows(True, 0.3) if packed.source[r] == "b"} for packed in (both, alone)]
    assert names[0] == names[1]
    assert names[0]


def test_held_out_images_are_written_for_other_detectors(make_source, tmp_path):
    path = make_source("a", 40)
    packed = dataset.pack({"a": path}, tmp_path / "packed")
    dataset.write_held_out({"a": path}, 0.3, tmp_path / "held")
    written = {file.stem for file in (tmp_path / "held" / "a").glob("*.png")}
    assert written == {packed.name[row] for row in packed.rows(True, 0.3)}
    assert {file.stem for file in (tmp_path / "held" / "a").glob("*.txt")} == written


@pytest.mark.parametrize("line", ["0 0.5 0.5 0.1", "0 a 0.5 0.1 0.1", "0 nan 0.5 0.1 0.1"])
def test_a_broken_label_line_is_named(line):
    with pytest.raises(UsageError, match=r"x\.txt:2"):
        dataset.parse_yolo(f"0 0.5 0.5 0.1 0.1\n{line}\n", 100, 100, "x.txt")


def test_other_classes_and_boxes_outside_are_no_persons():
    text = "1 0.5 0.5 0.1 0.1\n0 1.5 0.5 0.1 0.1\n0 0.95 0.5 0.2 0.4\n"
    assert dataset.parse_yolo(text, 100, 50, "x.txt") == pytest.approx(np.array([[85, 15, 100, 35]]))


def test_an_image_without_labels_is_a_fault(make_source, tmp_path):
    path = make_source("a", 1, folder=True)
    (path / "g00000_00000.txt").unlink()
    with pytest.raises(UsageError, match=r"empty \.txt"):
        dataset.pack({"a": path}, tmp_path / "packed")
    with pytest.raises(UsageError, match=r"neither.*b\.tar"):
        dataset.find_source(tmp_path, "b")


def test_the_teacher_adds_sure_boxes_and_hides_doubtful_places():
    image = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    given = np.array([[10, 10, 30, 60]], np.float32)
    found = Detections(
        np.array([[11, 10, 31, 61], [50, 20, 70, 80], [80, 10, 95, 50], [12, 15, 28, 50]], np.float32),
        np.array([0.9, 0.8, 0.2, 0.2], np.float32),
    )

    class Teacher:
        def detect(self, frames):
            assert np.array_equal(frames[0].image, image)
            return [found]

    filled = fill_with(Teacher())(dataset.LabelledImage("a", "n", "g", image, given))
    assert filled.xyxy.tolist() == [[11, 10, 31, 61], [50, 20, 70, 80]]  # the given label gave way to the sure box
    assert filled.image[10:50, 80:95].std(axis=(0, 1)).max() == 0  # doubtful and on nobody
    untouched = np.ones((100, 100), bool)
    untouched[10:50, 80:95] = False
    assert np.array_equal(filled.image[untouched], image[untouched])  # the doubtful box within a person stays


def test_a_teacher_without_findings_changes_nothing():
    image = np.zeros((10, 10, 3), np.uint8)
    item = dataset.LabelledImage("a", "n", "g", image, np.zeros((0, 4), np.float32))
    none = Detections.empty()
    merged = merge(item, none.xyxy, none.confidence)
    assert merged.xyxy.shape == (0, 4)
    assert np.array_equal(merged.image, image)


def test_partly_labelled_sources_are_completed_when_packed(make_source, tmp_path):
    def complete(item):
        return merge(item, np.array([[0, 0, 8, 20]], np.float32), np.array([0.9], np.float32))

    sources = {"a": make_source("a", 1), "b": make_source("b", 1)}
    packed = dataset.pack(sources, tmp_path / "packed", {"b": complete})
    assert [len(packed.boxes(0)), len(packed.boxes(1))] == [1, 2]
    stamp = json.loads(Path(tmp_path / "packed" / "index.json").read_text())["stamp"]
    assert [stamp["sources"][name][2] for name in ("a", "b")] == [False, True]
