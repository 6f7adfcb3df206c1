import numpy as np
import pytest

from evaluation.mot_text import MotRows, read_mot
from pipeline.errors import UsageError
from pipeline.outputs.mot import write_tracklets
from pipeline.types import Tracklet


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "lobby.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "1,7,10,20,30,40,0.5,-1,-1,-1\n2,8,11,21,31,41,0.25\n",
        "1 7 10 20 30 40 0.5 -1 -1 -1\n2 8 11 21 31 41 0.25",
        b"\xef\xbb\xbf1, 7, 10, 20, 30, 40, 0.5\r\n\r\n2.0,8.0,11,21,31,41,2.5e-1\r\n",
    ],
)
def test_reads_what_is_found_in_the_wild(content, file):
    rows = read_mot(file(content))
    assert rows.frame.tolist() == [1, 2]
    assert rows.identity.tolist() == [7, 8]
    assert rows.xyxy.tolist() == [[10, 20, 40, 60], [11, 21, 42, 62]]
    assert rows.confidence.tolist() == [0.5, 0.25]


def test_a_row_without_confidence_counts(file):
    assert len(read_mot(file("1,7,10,20,30,40\n"), truth=True)) == 1


def test_truth_of_confidence_0_is_not_considered_but_predictions_of_it_are(file):
    path = file("1,7,10,20,30,40,0\n1,8,10,20,30,40,1\n")
    assert read_mot(path, truth=True).identity.tolist() == [8]
    assert read_mot(path).identity.tolist() == [7, 8]


def test_an_empty_file_is_nobody(file):
    assert len(read_mot(file(""))) == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1,7,10,20,30", "5 columns"),
        ("1,7,10,20,x,40", "not a number"),
        ("frame,id,left,top,width,height", "not a number"),
        ("1,7,nan,20,30,40", "nan or infinite"),
        ("1,7,10,20,30,inf", "nan or infinite"),
        ("1,7,10,20,30,40,nan", "nan or infinite"),
        ("0,7,10,20,30,40", "counts frames from 1"),
        ("1.5,7,10,20,30,40", "whole numbers"),
        ("1,1e300,10,20,30,40", "whole numbers"),
        ("1,7,10,20,-30,40", "negative width"),
        ("1,3,9,9,9,9", "id 3 stands twice in frame 1 .first on line 1."),
    ],
)
def test_a_bad_row_is_told_by_file_and_line(line, told, file):
    path = file(f"1,3,1,2,3,4\n\n{line}\n")
    with pytest.raises(UsageError, match=told) as error:
        read_mot(path)
    assert str(error.value).startswith(f"{path}:3: ")
    assert "\n" not in str(error.value)


def test_detections_given_as_tracks_are_recognised(file):
    with pytest.raises(UsageError, match="detections without ids"):
        read_mot(file("1,-1,1,2,3,4\n1,-1,5,2,3,4\n"))


def test_first_of_duplicates_can_be_kept_in_predictions_never_in_truth(file):
    path = file("1,3,1,2,3,4\n1,3,9,9,9,9\n")
    assert read_mot(path, duplicates="first").xyxy.tolist() == [[1, 2, 4, 6]]
    with pytest.raises(UsageError, match="twice"):
        read_mot(path, truth=True, duplicates="first")


def test_what_is_no_text_or_no_file_is_told(file, tmp_path):
    with pytest.raises(UsageError, match="not a text file"):
        read_mot(file(b"\x00\xff\xfe\x80"))
    with pytest.raises(UsageError, match="No such file"):
        read_mot(tmp_path / "absent.txt")


def test_what_a_run_writes_is_read_back(tmp_path):
    rng = np.random.default_rng(1)
    left_top = np.round(rng.uniform(1, 900, (50, 2)), 2)
    xyxy = np.concatenate([left_top, left_top + np.round(rng.uniform(1, 90, (50, 2)), 2)], axis=1)
    confidence = np.round(rng.random(50), 4)
    tracklet = Tracklet(("lobby", 7), np.arange(50), np.arange(50) / 10, xyxy, confidence, np.ones(50, bool))
    write_tracklets(tmp_path / "lobby.txt", "lobby", [tracklet])
    again = read_mot(tmp_path / "lobby.txt")
    assert again.frame.tolist() == list(range(1, 51))
    assert set(again.identity.tolist()) == {7}
    np.testing.assert_allclose(again.xyxy, xyxy, atol=0.011)
    np.testing.assert_allclose(again.confidence, confidence, atol=1e-4)


def test_rows_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="6 or more"):
        MotRows.of(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="xyxy"):
        MotRows(np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros((1, 4)), np.zeros(2))
