"""Checkpoints: equal when read back, private, refused when made otherwise, ignored when damaged (100, 101)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Config
from pipeline.errors import UsageError
from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs.fingerprint import Fingerprint, camera_hash, config_hash, file_hash, video_hash, weights_hash
from pipeline.outputs.store import CameraCheckpoint, load_camera, save_camera, stored_cameras
from pipeline.types import Camera, Embeddings, Tracklet

MADE_WITH = Fingerprint("c" * 64, "v" * 64, "w" * 64)


@pytest.fixture
def checkpoint(make_tracklet: Callable[..., Tracklet]) -> CameraCheckpoint:
    vector = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    keys = (("lobby", 1), ("lobby", 1), ("lobby", 7), ("lobby", 7))
    embeddings = Embeddings(keys, np.array([2, 5, 11, 12]), vector, np.linspace(0.2, 0.9, 4).astype(np.float32))
    tracklets = (make_tracklet("lobby", 1, length=5), make_tracklet("lobby", 7, start=9, length=1))
    return CameraCheckpoint("lobby", tracklets, embeddings, {"frames": 60, "causes": ["späte"]})


def test_round_trip_is_exact_and_bytes_are_steady(tmp_path: Path, checkpoint: CameraCheckpoint) -> None:
    save_camera(tmp_path, checkpoint, MADE_WITH)
    first = (tmp_path / "lobby.safetensors").read_bytes()
    back = load_camera(tmp_path, "lobby", MADE_WITH)
    assert back is not None
    assert back.info == checkpoint.info
    for ours, theirs in zip(checkpoint.tracklets, back.tracklets, strict=True):
        assert ours.key == theirs.key
        for name in ("frame_index", "time_s", "xyxy", "confidence", "observed"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
            assert getattr(ours, name).dtype == getattr(theirs, name).dtype
    assert back.embeddings.keys == checkpoint.embeddings.keys
    for name in ("frame_index", "vector", "quality"):
        np.testing.assert_array_equal(getattr(checkpoint.embeddings, name), getattr(back.embeddings, name))
    save_camera(tmp_path, back, MADE_WITH)
    assert (tmp_path / "lobby.safetensors").read_bytes() == first
    assert stored_cameras(tmp_path) == ["lobby"]


def test_a_camera_without_people_is_a_checkpoint_too(tmp_path: Path) -> None:
    nobody = Embeddings((), np.zeros(0, np.int64), np.zeros((0, 8), np.float32), np.zeros(0, np.float32))
    save_camera(tmp_path, CameraCheckpoint("hall", (), nobody), MADE_WITH)
    back = load_camera(tmp_path, "hall", MADE_WITH)
    assert back is not None
    assert (back.tracklets, back.embeddings.vector.shape) == ((), (0, 8))


def test_only_the_owner_can_read(tmp_path: Path, checkpoint: CameraCheckpoint) -> None:
    before = os.umask(0)
    try:
        save_camera(tmp_path, checkpoint, MADE_WITH)
    finally:
        os.umask(before)
    assert (tmp_path / "lobby.safetensors").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"config": "x"}, "configuration"),
        ({"video": "x"}, "video"),
        ({"config": "x", "weights": "x"}, "configuration and weights"),
    ],
)
def test_another_configuration_video_or_weights_is_refused(
    tmp_path: Path, checkpoint: CameraCheckpoint, changed: dict[str, str], words: str
) -> None:
    save_camera(tmp_path, checkpoint, MADE_WITH)
    with pytest.raises(UsageError, match=f"made with another {words}; "):
        load_camera(tmp_path, "lobby", replace(MADE_WITH, **changed))
    assert load_camera(tmp_path, "lobby") is not None, "without a fingerprint nothing is compared"


def test_damage_anywhere_is_noticed_told_and_ignored(
    tmp_path: Path, checkpoint: CameraCheckpoint, caplog: pytest.LogCaptureFixture
) -> None:
    save_camera(tmp_path, checkpoint, MADE_WITH)
    path = tmp_path / "lobby.safetensors"
    good = path.read_bytes()
    generator = np.random.default_rng(1)
    spoilt = [b"", b"x", good[:-1], good[: len(good) // 2], b"\xff" * 100, good + b"x"]
    for position in generator.integers(0, len(good), 40).tolist():
        spoilt.append(good[:position] + bytes([good[position] ^ 0x10]) + good[position + 1 :])
    for data in spoilt:
        caplog.clear()
        path.write_bytes(data)
        assert load_camera(tmp_path, "lobby", MADE_WITH) is None
        assert "the camera is done anew" in caplog.text
    path.write_bytes(good)
    assert load_camera(tmp_path, "lobby", MADE_WITH) is not None


def test_checkpoint_under_the_wrong_name_is_ignored(tmp_path: Path, checkpoint: CameraCheckpoint) -> None:
    save_camera(tmp_path, checkpoint, MADE_WITH)
    (tmp_path / "lobby.safetensors").rename(tmp_path / "hall.safetensors")
    assert load_camera(tmp_path, "hall", MADE_WITH) is None
    assert load_camera(tmp_path, "lobby", MADE_WITH) is None


def test_foreign_tracklets_and_hostile_names_are_errors(tmp_path: Path, checkpoint: CameraCheckpoint) -> None:
    with pytest.raises(ValueError, match="of another camera"):
        save_camera(tmp_path, replace(checkpoint, camera_id="hall"), MADE_WITH)
    with pytest.raises(UsageError, match="camera id"):
        load_camera(tmp_path, "../lobby", MADE_WITH)
    (tmp_path / "lobby.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="symbolic link"):
        save_camera(tmp_path, checkpoint, MADE_WITH)


def test_config_hash_sees_settings_but_not_what_is_drawn() -> None:
    config = Config()
    other = config.model_copy(update={"detector": config.detector.model_copy(update={"confidence": 0.3})})
    drawn = config.model_copy(update={"output": config.output.model_copy(update={"overlays": False})})
    assert config_hash(config) == config_hash(drawn) != config_hash(other)


def test_a_camera_s_hash_sees_what_its_tracklets_depend_on_and_nothing_else() -> None:
    camera = Camera("hall", (Path("a.mp4"),), (640, 480), 25.0)
    config = Config.model_validate({})
    plain = camera_hash(config, camera, {"start": None})
    assert camera_hash(config, camera, {"start": 4.0}) != plain
    assert camera_hash(config, replace(camera, time_offset_s=1.0), {"start": None}) != plain
    for same in ({"association": {"min_evidence": 3}}, {"video": {"cameras_at_once": 1}}, {"clock": "common"}):
        assert camera_hash(Config.model_validate(same), camera, {"start": None}) == plain
    for other in (
        {"tracker": {"max_lost_s": 1.0}},
        {"crops": {"per_tracklet": 2}},
        {"detector": {"confidence": 0.3}},
        {"video": {"deinterlace": "never"}},
    ):
        assert camera_hash(Config.model_validate(other), camera, {"start": None}) != plain


def test_video_hash_sees_content_and_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"a" * 5000)
    b.write_bytes(b"b" * 5000)
    assert video_hash([a, b]) == video_hash([a, b]) != video_hash([b, a])
    assert weights_hash(["x", "y"]) != weights_hash(["y", "x"])
    assert file_hash(a).startswith("sha256:")
    monkeypatch.setattr(fingerprints, "_WHOLE_BYTES", 100)
    monkeypatch.setattr(fingerprints, "_SAMPLE_BYTES", 50)
    seen = {file_hash(a)}
    for position in (0, 4999):
        changed = bytearray(b"a" * 5000)
        changed[position] = 0
        a.write_bytes(changed)
        seen.add(file_hash(a))
    a.write_bytes(b"a" * 5001)
    seen.add(file_hash(a))
    assert len(seen) == 4
    assert all(text.startswith("sampled:") for text in seen)
