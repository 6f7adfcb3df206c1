"""`kill -9` and `--resume`: the journal of detections, and results that are the same bytes."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability_kills import kill_and_resume
from benchmarks.reliability_scene import Scene
from detectors import build_detector
from pipeline.config import Config
from pipeline.errors import ResourceError, UsageError
from pipeline.outputs import journal as journal_module
from pipeline.outputs.fingerprint import Fingerprint
from pipeline.outputs.journal import DetectionJournal, JournaledDetector, refuse_foreign_journal
from pipeline.types import Detections, Frame
from pipeline.video.reader import VideoReader
from reid import build_embedder

Run = Callable[..., subprocess.CompletedProcess[str]]

MADE_WITH = Fingerprint("settings", "video", "weights")
FRAMES = 12


class Finder:
    """Boxes that follow from the frame's index; counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.asked += [frame.index for frame in frames]
        return [boxes_of(frame.index) for frame in frames]


def boxes_of(index: int) -> Detections:
    rng = np.random.default_rng(index)
    count = index % 4
    return Detections(rng.normal(100, 40, (count, 4)).astype(np.float32), rng.random(count), dropped=index % 3)


def frame(index: int, camera_id: str = "lobby") -> Frame:
    return Frame(camera_id, index, index / 7, np.zeros((2, 2, 3), np.uint8))


def run(store: Path, first: int, last: int, *, resume: bool, batch: int = 3) -> tuple[list[int], list[Detections]]:
    """Detect frames first..last-1 in batches; the indices that the detector was asked for, and all answers."""
    finder = Finder()
    answers: list[Detections] = []
    with JournaledDetector(finder, lambda c: DetectionJournal(store, c, MADE_WITH, resume=resume)) as detector:
        for start in range(first, last, batch):
            answers += detector.detect([frame(k) for k in range(start, min(start + batch, last))])
    return finder.asked, answers


def same(ours: Sequence[Detections], theirs: Sequence[Detections]) -> bool:
    return len(ours) == len(theirs) and all(
        np.array_equal(a.xyxy, b.xyxy) and np.array_equal(a.confidence, b.confidence) and a.dropped == b.dropped
        for a, b in zip(ours, theirs, strict=True)
    )


def test_what_was_found_is_given_back_bit_for_bit_and_not_found_again(tmp_path: Path) -> None:
    asked, first = run(tmp_path, 0, 7, resume=False)
    assert asked == list(range(7))
    asked, again = run(tmp_path, 0, FRAMES, resume=True, batch=2)
    assert asked == list(range(7, FRAMES))
    assert same(again, [boxes_of(k) for k in range(FRAMES)])
    assert same(first, again[:7])
    assert run(tmp_path, 0, FRAMES, resume=True)[0] == [], "the second half is in it too"
    assert run(tmp_path, 0, FRAMES, resume=False)[0] == list(range(FRAMES)), "without --resume it begins anew"


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    run(tmp_path, 0, 3, resume=False)
    assert (tmp_path / "lobby.journal").stat().st_mode & 0o077 == 0


def test_a_journal_that_was_cut_anywhere_gives_its_whole_records_and_goes_on(tmp_path: Path) -> None:
    run(tmp_path, 0, FRAMES, resume=False)
    path = tmp_path / "lobby.journal"
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        asked, answers = run(tmp_path, 0, FRAMES, resume=True)
        assert same(answers, [boxes_of(k) for k in range(FRAMES)]), size
        assert asked == list(range(FRAMES - len(asked), FRAMES)), "the rest, in order"
        assert path.read_bytes() == whole, "and it is whole again"


def test_a_flipped_bit_anywhere_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, 0, FRAMES, resume=False)
    path = tmp_path / "lobby.journal"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    with caplog.at_level(logging.WARNING):
        for place in rng.integers(0, len(whole), 60):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            caplog.clear()
            asked, answers = run(tmp_path, 0, FRAMES, resume=True)
            assert same(answers, [boxes_of(k) for k in range(FRAMES)]), place
            assert asked, place
            assert "detected anew" in caplog.text


def test_a_length_out_of_a_damaged_record_asks_for_no_gigabytes(tmp_path: Path) -> None:
    run(tmp_path, 0, 2, resume=False)
    path = tmp_path / "lobby.journal"
    start = journal_module._RECORD.pack(0, 2**31, 0, 2, 2 / 7)
    path.write_bytes(path.read_bytes() + zlib.crc32(start[4:]).to_bytes(4, "little") + start[4:])
    assert run(tmp_path, 0, 4, resume=True)[0] == [2, 3]


def test_frames_that_do_not_fit_end_the_recall(tmp_path: Path) -> None:
    """Another decoder gave other frames: nothing of the old ones is laid over them."""
    run(tmp_path, 0, FRAMES, resume=False)
    asked, answers = run(tmp_path, 1, 5, resume=True)
    assert asked == [1, 2, 3, 4]
    assert same(answers, [boxes_of(k) for k in range(1, 5)])


@pytest.mark.parametrize("part", ["config", "video", "weights"])
def test_a_journal_of_other_inputs_is_refused_and_left_alone(tmp_path: Path, part: str) -> None:
    run(tmp_path, 0, 3, resume=False)
    before = (tmp_path / "lobby.journal").read_bytes()
    values = {"config": "settings", "video": "video", "weights": "weights"} | {part: "other"}
    word = {"config": "configuration"}.get(part, part)
    with pytest.raises(UsageError, match=f"made with another {word}"):
        refuse_foreign_journal(tmp_path, "lobby", Fingerprint(**values))
    refuse_foreign_journal(tmp_path, "lobby", MADE_WITH)
    refuse_foreign_journal(tmp_path, "unknown", MADE_WITH)
    assert (tmp_path / "lobby.journal").read_bytes() == before


def test_a_journal_under_the_wrong_name_is_not_used(tmp_path: Path) -> None:
    run(tmp_path, 0, 3, resume=False)
    (tmp_path / "lobby.journal").rename(tmp_path / "hall.journal")
    journal = DetectionJournal(tmp_path, "hall", MADE_WITH, resume=True)
    assert journal.recall(frame(0, "hall")) is None
    journal.close()


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "lobby.journal").symlink_to(tmp_path / "victim")
    with pytest.raises(UsageError, match="symbolic link"):
        DetectionJournal(tmp_path, "lobby", MADE_WITH, resume=False)
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_disk_that_fills_in_mid_record_is_told_and_costs_that_record_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = os.write, [700]

    def full(descriptor: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(descriptor, bytes(data)[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(ResourceError, match="disk is full"):
        run(tmp_path, 0, FRAMES, resume=False)
    monkeypatch.undo()
    asked, answers = run(tmp_path, 0, FRAMES, resume=True)
    assert 0 < len(asked) < FRAMES
    assert same(answers, [boxes_of(k) for k in range(FRAMES)])


def test_a_finished_camera_leaves_no_journal(tmp_path: Path) -> None:
    detector = JournaledDetector(Finder(), lambda c: DetectionJournal(tmp_path, c, MADE_WITH, resume=False))
    detector.detect([frame(0), frame(0, "hall")])
    detector.end("lobby", remove=True)
    detector.end("hall", remove=False)
    assert [path.name for path in tmp_path.iterdir()] == ["hall.journal"]


def test_a_network_finds_the_same_whatever_stands_beside_a_frame(scene: Scene) -> None:
    """What the journal rests on: a resumed run forms other batches, of frames and of crops."""
    config = Config()
    with VideoReader("cam0", [scene.videos[0]]) as reader:
        frames = [picture for picture in reader if picture.index % 20 == 3][:7]
    detector = build_detector(config.detector, config.runtime)
    alone = [detector.detect([picture])[0] for picture in frames]
    assert same([*detector.detect(frames[:4]), *detector.detect(frames[4:])], alone)
    embedder = build_embedder(config.embedder, config.runtime)
    crops = [np.ascontiguousarray(picture.image[30:150, 10 * k : 10 * k + 60]) for k, picture in enumerate(frames)]
    one_by_one = np.concatenate([embedder.embed([crop]) for crop in crops])
    assert np.array_equal(embedder.embed(crops), one_by_one)


def test_twenty_kills_at_random_moments_change_no_byte_of_the_result(scene: Scene, tmp_path: Path) -> None:
    outcome = kill_and_resume(scene, tmp_path, kills=20, seed=7)
    assert outcome.faults == []
    assert outcome.kills == 20
    assert outcome.finished >= 4
    assert outcome.met["tracking"] >= 5, "the kills are to meet the work, not only the start"


def test_a_camera_that_is_added_later_leaves_the_numbers_as_they_are(
    scene: Scene, reference: Path, track: Run, tmp_path: Path
) -> None:
    """The second camera first, then both. Together, and for the first time, some would have other numbers."""

    def numbers(output: Path) -> dict[int, int]:
        """Person by track of the second camera."""
        document = json.loads((output / "trajectories.json").read_text())
        return {
            tracklet["track_id"]: person["person_id"]
            for person in document["trajectories"]
            for tracklet in person["tracklets"]
            if tracklet["camera_id"] == "cam1"
        }

    output = tmp_path / "run"
    alone = replace(scene, videos=scene.videos[1:])
    assert track(alone, output, "--no-render").returncode == 0
    before = numbers(output)
    assert len(before) == 4
    assert track(scene, output, "--no-render", "--resume").returncode == 0
    assert numbers(output) == before
    assert numbers(reference) != before, "the scene shows nothing: the numbers would be the same anyway"
