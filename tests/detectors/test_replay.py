"""Replayed boxes: by camera and frame, and a fault told with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detectors import build_detector
from detectors.replay import ReplayDetector, read_mot
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Detector, Frame

MakeFrame = Callable[..., Frame]


def replay(folder: Path, **settings: object) -> Detector:
    config = DetectorConfig.model_validate({"name": "replay", "replay_dir": str(folder), **settings})
    return build_detector(config, RuntimeConfig())


def test_frames_are_1_based_in_the_file_and_boxes_come_by_camera(tmp_path: Path, frame: MakeFrame) -> None:
    (tmp_path / "lobby.txt").write_text("1,-1,10,20,5,6,0.9,-1,-1,-1\n3,-1,1,2,3,4,0.5,-1,-1,-1\n1,7,0,0,8,8,0.7\n")
    (tmp_path / "hall").mkdir()
    (tmp_path / "hall" / "det.txt").write_text("2,-1,5,5,10,10,1\n")
    frames = [frame(camera="lobby", index=0), frame(camera="hall", index=1), frame(camera="lobby", index=1)]
    first, hall, nothing = replay(tmp_path).detect(frames)
    assert first.xyxy.tolist() == [[10, 20, 15, 26], [0, 0, 8, 8]]
    assert first.confidence.tolist() == pytest.approx([0.9, 0.7])
    assert hall.xyxy.tolist() == [[5, 5, 15, 15]]
    assert len(nothing) == 0
    assert replay(tmp_path).detect([frame(camera="lobby", index=2)])[0].xyxy.tolist() == [[1, 2, 4, 6]]


def test_overlapping_boxes_stay_as_they_are(tmp_path: Path, frame: MakeFrame) -> None:
    """To compare trackers on published boxes, the boxes must be those: no suppression on top."""
    (tmp_path / "cam.txt").write_text("1,-1,10,10,20,20,0.9\n1,-1,10,10,20,20,0.8\n1,-1,10,10,20,10,0.7\n")
    assert len(replay(tmp_path).detect([frame()])[0]) == 3


def test_confidence_and_image_border_count(tmp_path: Path, frame: MakeFrame) -> None:
    (tmp_path / "cam.txt").write_text("1,-1,-10,-10,30,30,0.9\n1,-1,5,5,9,9,0.1\n1,-1,5,5,9,9\n1,-1,5,5,9,9,-1\n")
    found = replay(tmp_path, confidence=0.4).detect([frame(width=16, height=12)])[0]
    assert found.xyxy.tolist() == [[0, 0, 16, 12], [5, 5, 14, 12], [5, 5, 14, 12]]
    assert found.confidence.tolist() == pytest.approx([0.9, 1, 1])


def test_what_evaluation_reads_is_read_alike(tmp_path: Path, frame: MakeFrame) -> None:
    """Blanks for commas, a byte order mark, boxes of no size (as trackers write them at the border)."""
    (tmp_path / "cam.txt").write_bytes(b"\xef\xbb\xbf2 -1 1 2 3 4 0.5\r\n1 -1 5 5 9 9 0.9\r\n1 -1 5 5 0 9 0.8\r\n")
    first, second = replay(tmp_path).detect([frame(index=0), frame(index=1)])
    assert (first.xyxy.tolist(), second.xyxy.tolist()) == ([[5, 5, 14, 14]], [[1, 2, 4, 6]])
    (tmp_path / "cam.txt").write_bytes(b"")
    assert len(replay(tmp_path).detect([frame()])[0]) == 0
    (tmp_path / "cam.txt").write_bytes(b"\x00\xff\xfe\x80")
    with pytest.raises(UsageError, match="not a text file"):
        replay(tmp_path).detect([frame()])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,-1,10,20,5", "5 columns"),
        ("one,-1,10,20,5,6,1", "not a number"),
        ("0,-1,10,20,5,6,1", "counts frames from 1"),
        ("1.5,-1,10,20,5,6,1", "whole numbers"),
        ("1,-1,10,20,-5,6,1", "negative width"),
        ("1,-1,nan,20,5,6,1", "nan or infinite"),
        ("1;-1;10;20;5;6;1", "1 columns"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "cam.txt"
    path.write_text(f"1,-1,1,1,5,5,1\n\n{line}\n")
    with pytest.raises(UsageError, match=reason) as error:
        read_mot(path)
    assert f"{path}:3: " in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_missing_is_named(tmp_path: Path, frame: MakeFrame) -> None:
    with pytest.raises(UsageError, match=r"set detector\.replay_dir"):
        build_detector(DetectorConfig(name="replay"), RuntimeConfig())
    with pytest.raises(UsageError, match="no such folder"):
        replay(tmp_path / "gone")
    with pytest.raises(UsageError, match="no boxes for camera cam"):
        replay(tmp_path).detect([frame()])


def test_all_missing_files_are_named_before_any_frame(tmp_path: Path) -> None:
    (tmp_path / "hall.txt").write_text("1,-1,1,2,3,4,1\n")
    detector = replay(tmp_path)
    assert isinstance(detector, ReplayDetector)
    with pytest.raises(UsageError, match=r"no boxes for camera yard, door; add yard\.txt, door\.txt"):
        detector.load(["yard", "hall", "door"])
    (tmp_path / "yard.txt").write_text("1,-1,1,2,3\n")
    with pytest.raises(UsageError, match=r"yard\.txt:1: 5 columns"):
        detector.load(["hall", "yard"])


def test_the_published_boxes_of_sort_are_read_whole() -> None:
    path = Path(__file__).parents[2].parent / "shared/data/pets09_s2l1/det_sort_faster_rcnn.txt"
    if not path.is_file():
        pytest.skip("needs ../shared/data/pets09_s2l1")
    rows = read_mot(path)
    assert sum(len(boxes) for boxes, _ in rows.values()) == len(path.read_text().split())
    assert min(rows) == 0
    np.testing.assert_allclose(rows[0][0][0], [649.441, 231.502, 693.858, 317.632], atol=1e-3)
