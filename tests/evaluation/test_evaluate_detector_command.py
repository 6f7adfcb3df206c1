"""`run.py evaluate-detector` on a small real video and real image files; the detector replays boxes we know."""

import json
import tarfile

import cv2
import numpy as np
import pytest

import run as front_door
from pipeline.video import VideoWriter

SIZE = (160, 120)
KEYS = {"ap50", "ap50_95", "recall_at_p90", "ms_per_frame"}


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "lobby.mp4"
    with VideoWriter(path, SIZE, 10.0) as writer:
        for index in range(8):
            image = np.full((SIZE[1], SIZE[0], 3), 20 * index, np.uint8)
            writer.write(image, index / 10)
    return path


@pytest.fixture
def replay(tmp_path, write_mot):
    """Boxes for the replay detector, by the camera id the command gives."""

    def arguments(camera, rows):
        write_mot(tmp_path / "boxes" / f"{camera}.txt", rows)
        return ["--set", "detector.name=replay", "--set", f"detector.replay_dir={tmp_path / 'boxes'}"]

    return arguments


def evaluate(*arguments):
    try:
        return front_door.main(["evaluate-detector", *map(str, arguments)])
    except SystemExit as end:
        return end.code


def people(frames, left=10.0, confidence=1.0):
    return [[frame, 1, left, 10, 20, 60, confidence] for frame in frames]


def test_a_video_is_scored(video, replay, tmp_path, write_mot, capsys):
    """Found in 6 of 8 frames, and nobody else: the precision is 1 up to a recall of 3/4."""
    write_mot(tmp_path / "gt.txt", people(range(1, 9)))
    setting = replay("video", people(range(1, 7), confidence=0.3))
    assert evaluate("--video", video, "--truth", tmp_path / "gt.txt", "--json", *setting) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores.keys() == KEYS
    assert scores["ap50"] == scores["ap50_95"] == pytest.approx(76 / 101)
    assert scores["recall_at_p90"] == pytest.approx(6 / 8)
    assert scores["ms_per_frame"] > 0


def test_every_takes_every_nth_frame_of_the_right_truth(video, replay, tmp_path, write_mot, capsys):
    """Frames 0, 3, 6 are frames 1, 4, 7 of the text."""
    write_mot(tmp_path / "gt.txt", people((1, 4, 7)))
    setting = replay("video", people((1, 4, 7)))
    assert evaluate("--video", video, "--truth", tmp_path / "gt.txt", "--every", 3, "--json", *setting) == 0
    assert json.loads(capsys.readouterr().out)["ap50"] == pytest.approx(1.0)


def test_truth_is_cut_to_the_image_and_confidence_0_is_ignored(video, replay, tmp_path, write_mot, capsys):
    half_outside = [[1, 1, -20.0, 10, 40, 60, 1]]
    not_considered = [[frame, 7, 100.0, 10, 40, 60, 0] for frame in range(1, 9)]
    write_mot(tmp_path / "gt.txt", half_outside + not_considered)
    found = [[1, 1, 0.0, 10, 20, 60, 0.5]] + [[frame, 1, 105.0, 15, 20, 40, 0.9] for frame in range(1, 9)]
    setting = replay("video", found)
    assert evaluate("--video", video, "--truth", tmp_path / "gt.txt", "--json", *setting) == 0
    assert json.loads(capsys.readouterr().out)["ap50_95"] == pytest.approx(1.0)


def test_the_table_tells_heights_apart(video, replay, tmp_path, write_mot, capsys):
    write_mot(tmp_path / "gt.txt", [*people(range(1, 9)), [1, 2, 100.0, 10, 10, 30, 1]])
    assert evaluate("--video", video, "--truth", tmp_path / "gt.txt", *replay("video", people(range(1, 9)))) == 0
    lines = {line.split("  ")[0].strip(): line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines["50 100px"][-4:] == ["100.00", "100.00", "100.00", "8"]
    assert lines["below 50px"][-4:] == ["0.00", "0.00", "0.00", "1"]
    assert lines["from 100px"][-4:] == ["-", "-", "-", "0"]


def test_truth_beyond_the_video_is_told(video, replay, tmp_path, write_mot, capsys):
    write_mot(tmp_path / "gt.txt", people(range(1, 12)))
    setting = replay("video", people(range(1, 9)))
    assert evaluate("--video", video, "--truth", tmp_path / "gt.txt", "--json", *setting) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["ap50"] == pytest.approx(1.0)
    assert "3 boxes lie beyond the video's 8 frames" in err


@pytest.fixture
def images(tmp_path):
    """Three images: one person, none, two (one of them a class that is not person)."""
    folder = tmp_path / "data"
    folder.mkdir()
    labels = ["0 0.5 0.5 0.25 0.5\n", "", "0 0.25 0.5 0.25 0.5\n2 0.75 0.5 0.25 0.5\n"]
    for number, text in enumerate(labels):
        cv2.imwrite(str(folder / f"g{number}_0.png"), np.full((SIZE[1], SIZE[0], 3), 60 * number, np.uint8))
        (folder / f"g{number}_0.txt").write_text(text)
    return folder


FOUND = [[1, 1, 60, 30, 40, 60, 0.9], [3, 1, 20, 30, 40, 60, 0.8], [3, 2, 100, 30, 40, 60, 0.7]]


@pytest.mark.parametrize("form", ["folder", "tar", "split folders", "folder of tars"])
def test_labelled_images_are_scored(form, images, replay, tmp_path, capsys):
    path = images
    if form in ("tar", "folder of tars"):
        (tmp_path / "tars").mkdir()
        path = tmp_path / "tars" / "data.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(images, "data")
        path = path.parent if form == "folder of tars" else path
    if form == "split folders":
        for name, pattern in (("images", "*.png"), ("labels", "*.txt")):
            (tmp_path / "split" / name / "val").mkdir(parents=True)
            for file in list(images.glob(pattern)):
                file.rename(tmp_path / "split" / name / "val" / file.name)
        path = tmp_path / "split"
    assert evaluate("--data", path, "--json", *replay("images", FOUND)) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["ap50"], scores["recall_at_p90"]) == pytest.approx((1.0, 1.0))


def test_every_skips_images(images, replay, capsys):
    assert evaluate("--data", images, "--every", 2, *replay("images", FOUND)) == 0
    assert "2 images" in capsys.readouterr().out


def test_the_table_says_at_which_confidence_it_was_timed(images, replay, capsys):
    assert evaluate("--data", images, *replay("images", FOUND)) == 0
    assert "ms an image (boxes from confidence 0.001;" in capsys.readouterr().out
    assert evaluate("--data", images, *replay("images", FOUND), "--set", "detector.confidence=0.1") == 0
    assert "ms an image (boxes from confidence 0.1;" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["my #1 model.pt", "no: such.pt", "1e-3"])
def test_a_model_is_no_yaml(name, images, capsys):
    assert evaluate("--data", images, "--detector", name) == 2
    assert f"detector.model {name}: no such file" in capsys.readouterr().err


def test_faults_are_one_line(*, images, video, replay, tmp_path, write_mot, capsys):
    setting = replay("video", people([1]))
    write_mot(tmp_path / "gt.txt", people([1]))
    write_mot(tmp_path / "nobody.txt", people([1], confidence=0))
    (tmp_path / "broken.mp4").write_bytes(b"no video at all" * 100)
    cases = [
        (2, ("--video", video), "--video needs --truth"),
        (2, ("--data", images, "--truth", tmp_path / "gt.txt"), "goes with --video"),
        (2, ("--data", tmp_path / "absent"), "no such file or folder"),
        (2, ("--data", tmp_path / "gt.txt"), "cannot be read as a tar"),
        (2, ("--data", images, "--every", "0"), "--every 0"),
        (2, ("--video", video, "--truth", tmp_path / "nobody.txt"), "holds no person"),
        (2, ("--video", video, "--truth", tmp_path / "absent.txt"), "No such file"),
        (4, ("--video", tmp_path / "broken.mp4", "--truth", tmp_path / "gt.txt"), "broken.mp4"),
    ]
    for code, arguments, told in cases:
        capsys.readouterr()
        assert evaluate(*arguments, *setting) == code, arguments
        out, err = capsys.readouterr()
        assert out == ""
        assert told in err.splitlines()[-1]
        assert "Traceback" not in err


def test_unlabelled_and_broken_images_are_named(images, replay, capsys):
    (images / "g1_0.txt").unlink()
    assert evaluate("--data", images, *replay("images", FOUND)) == 2
    assert "g1_0.png: no labels" in capsys.readouterr().err
    (images / "g1_0.txt").touch()
    (images / "g2_0.png").write_bytes(b"")
    assert evaluate("--data", images, *replay("images", FOUND)) == 2
    assert "g2_0.png: not an image" in capsys.readouterr().err
