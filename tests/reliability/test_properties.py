"""Any text or bytes in a file that is read: an answer, or one UsageError line; never another exception."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commands.stored_run import load_run
from detectors.replay import read_mot as read_boxes
from evaluation.mot_text import read_mot
from pipeline import yaml_strict
from pipeline.association.numbering import Numbers
from pipeline.config import Config
from pipeline.config_loading import dump_config, load_config
from pipeline.errors import UsageError
from pipeline.ground.calibration_file import read_entries
from pipeline.outputs.fingerprint import Fingerprint
from pipeline.outputs.journal import DetectionJournal
from pipeline.outputs.memory import read_corrections, read_numbers
from pipeline.outputs.store import load_camera
from pipeline.outputs.trajectories import read_trajectories
from pipeline.types import Frame

once = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module", autouse=True)
def subnormal_numbers() -> None:
    """A training in this process may have switched them off (`torch.set_flush_denormal`), and hypothesis wants them."""
    torch.set_flush_denormal(False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def answer(read: Callable[[], Any]) -> Any:
    """What `read` gives, or None after checking that its fault is one clean line."""
    try:
        return read()
    except UsageError as error:
        text = str(error)
        assert text
        assert "\n" not in text
        assert len(text) < 2000
        return None


# --- configuration ---

names = [
    f"{section}.{key}"
    for section, field in Config.model_fields.items()
    if hasattr(field.annotation, "model_fields")
    for key in field.annotation.model_fields  # type: ignore[union-attr]
]


@once
@given(text=st.text(max_size=200) | st.binary(max_size=200))
@example(text="a: &a [*a]")
@example(text="tracker: {max_lost_s: .nan}")
@example(text="? {}\n: 1")
@example(text="detector: !!python/object/apply:os.system ['touch canary']")
@example(text="[" * 900)
@example(text="{a: " * 300)
def test_any_configuration_file_is_settings_or_one_line(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    config = answer(lambda: load_config(path))
    assert config is None or isinstance(config, Config)


@once
@given(key=st.sampled_from(names), value=json_values)
@example(key="tracker.max_lost_s", value=2**70 + 1)
@example(key="detector.image_size_px", value=640.0)
@example(key="embedder.flip", value=1)
def test_any_value_of_any_setting_is_accepted_whole_or_refused_by_name(key: str, value: Any) -> None:
    try:
        text = json.dumps(value)
    except ValueError:
        return
    config = answer(lambda: load_config(None, [f"{key}={text}"]))
    if config is not None:
        section, name = key.split(".")
        _check_finite(json.loads(config.model_dump_json()))
        kept = json.loads(config.model_dump_json())[section][name]
        assert _numbers_as_floats(kept) == _numbers_as_floats(value), "as it was given, not as it was guessed"


def _numbers_as_floats(value: Any) -> Any:
    """Whole numbers beyond 2^53 are rounded where the setting is a float."""
    if isinstance(value, list):
        return [_numbers_as_floats(item) for item in value]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _check_finite(value: Any) -> None:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_finite(item)
    assert not isinstance(value, float) or math.isfinite(value)


@once
@given(
    lost=st.floats(0, 1e6, allow_nan=False), confidence=st.floats(0, 1), frames=st.integers(1, 64),
    model=st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30),
)  # fmt: skip
def test_what_is_dumped_is_loaded_as_it_was(
    tmp_path: Path, lost: float, confidence: float, frames: int, model: str
) -> None:
    config = Config.model_validate(
        {
            "tracker": {"max_lost_s": lost},
            "detector": {"confidence": confidence, "batch_frames": frames, "model": model},
        }
    )
    path = tmp_path / "c.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_config(path) == config


# --- MOT text ---

cell = (
    st.integers(-5, 50).map(str)
    | st.floats().map(str)
    | st.sampled_from(["", " ", "1e400", "0x10", "١", "1_0", "nan", "inf", "-0", "1;2", "\x00", "1e-320"])
)
mot_text = st.lists(st.lists(cell, max_size=11).map(",".join), max_size=8).map("\n".join)


@pytest.mark.parametrize("reader", [read_boxes, read_mot, lambda path: read_mot(path, truth=True)])
@once
@given(text=mot_text | st.text(max_size=120))
@example(text="\ufeff1,1,0,0,5,5,1,-1,-1,-1\r\n")
@example(text="1,1,0,0,5,5\n1,1,0,0,5,5")
@example(text="1e18,1,0,0,5,5,1")
@example(text="1,1,1e30,0,5e30,5,1")
@example(text="1,1e30,0,0,5,5,1")
@example(text="1,0,0,0,0,3.5e38")
@example(text="1,0,0,0,0,0,3.5e38")
@example(text="9" * 400 + ",1,0,0,5,5,1")
def test_any_mot_text_is_rows_or_one_line(tmp_path: Path, reader: Callable[[Path], Any], text: str) -> None:
    path = tmp_path / "boxes.txt"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    rows = answer(lambda: reader(path))
    if isinstance(rows, dict):
        assert all(np.isfinite(boxes).all() and np.isfinite(sure).all() for boxes, sure in rows.values())
    elif rows is not None:
        assert np.isfinite(rows.xyxy).all()
        assert np.isfinite(rows.confidence).all()


@once
@given(data=st.binary(max_size=300))
def test_bytes_that_are_no_text_are_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "boxes.txt"
    path.write_bytes(data)
    for reader in (read_boxes, read_mot):
        answer(lambda reader=reader: reader(path))  # type: ignore[misc]


# --- what a run left ---

EMPTY: dict[str, Any] = {"schema_version": "1.0", "clock": "unknown", "cameras": [], "trajectories": []}


@once
@given(document=json_values, place=st.sampled_from([None, *EMPTY]))
@example(
    document=json.loads('[{"tracklets": [{"frame": [1], "xyxy": [[1, 2]], "camera_id": 3}]}]'), place="trajectories"
)
def test_any_trajectories_json_is_people_or_one_line(tmp_path: Path, document: Any, place: str | None) -> None:
    path = tmp_path / "trajectories.json"
    path.write_text(json.dumps(document if place is None else EMPTY | {place: document}), encoding="utf-8")
    answer(lambda: read_trajectories(path))


@once
@given(data=st.binary(max_size=200))
@example(data=b"[" * 100_000)
@example(data=b'{"schema_version": "1.0"' + b'\xff"}')
def test_any_bytes_for_trajectories_json(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "trajectories.json"
    path.write_bytes(data)
    assert answer(lambda: read_trajectories(path)) is None


@once
@given(data=st.binary(max_size=400))
@example(data=(2**60).to_bytes(8, "little") + b"{}")
@example(data=(20).to_bytes(8, "little") + b'{"__metadata__":null}')
def test_any_bytes_in_the_store_are_no_checkpoint_and_no_detections(tmp_path: Path, data: bytes) -> None:
    made_with = Fingerprint("a", "b", "c")
    (tmp_path / "lobby.safetensors").write_bytes(data)
    assert load_camera(tmp_path, "lobby", made_with) is None
    (tmp_path / "lobby.journal").write_bytes(data)
    journal = DetectionJournal(tmp_path, "lobby", made_with, resume=True)
    assert journal.recall(Frame("lobby", 0, 0.0, np.zeros((2, 2, 3), np.uint8))) is None
    journal.close()


CORRECTION: dict[str, Any] = {
    "number": 1,
    "batch": 1,
    "said": "merge 1 2",
    "kind": "merge",
    "tracklets": [{"camera": "a", "track": 1, "frames": [0, 9], "boxes": [[0, 1.0, 2.0, 3.0, 4.0]]}],
    "frame": None,
    "videos": {"a": "hash"},
}


@once
@given(value=json_values, place=st.sampled_from([None, "corrections", *CORRECTION]))
@example(value=math.inf, place="number")
@example(value=[{"camera": "a", "track": math.inf, "frames": [0, 9], "boxes": []}], place="tracklets")
def test_any_corrections_are_taken_or_one_line(tmp_path: Path, value: Any, place: str | None) -> None:
    entry = CORRECTION | ({place: value} if place in CORRECTION else {})
    document: Any = {"schema_version": "1.0", "corrections": value if place == "corrections" else [entry]}
    text = yaml_strict.dump(value if place is None else document)
    (tmp_path / "corrections.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    answer(lambda: read_corrections(tmp_path))


@once
@given(value=json_values, place=st.sampled_from([None, "base", "now"]))
@example(value=[["a", 1, 2, math.inf, 4]], place="now")
@example(value=[["a", 1, 2, 3, 4]], place="base")
def test_any_numbers_are_read_or_begin_anew(tmp_path: Path, value: Any, place: str | None) -> None:
    document: Any = {"schema_version": "1.0", "base": [], "now": []}
    (tmp_path / "people.json").write_text(json.dumps(value if place is None else document | {place: value}))
    numbers = read_numbers(tmp_path)
    assert numbers is None or isinstance(numbers, Numbers)


SCENE: dict[str, Any] = {
    "schema_version": "1.0",
    "folder": "/x",
    "files": [["a", ["a.mp4"]]],
    "headers": {"a": {"size_wh": [4, 4], "fps": 5.0, "start_time": None, "pixel_aspect": 1.0}},
    "tracked": [],
    "cut": {"start": None, "end": None},
    "dimension": 4,
    "distance_prior": None,
}


@once
@given(value=json_values, place=st.sampled_from([None, *SCENE]))
@example(value=math.inf, place="dimension")
@example(value=[["b", ["b.mp4"]]], place="files")
@example(value=["nobody"], place="tracked")
def test_any_stored_scene_is_a_run_or_one_line(tmp_path: Path, value: Any, place: str | None) -> None:
    (tmp_path / "store").mkdir(exist_ok=True)
    (tmp_path / "config.resolved.yaml").write_text(dump_config(Config()), encoding="utf-8")
    (tmp_path / "store" / "scene.json").write_text(json.dumps(value if place is None else SCENE | {place: value}))
    answer(lambda: load_run(tmp_path))


@once
@given(text=json_values.map(yaml_strict.dump) | st.text(max_size=120))
@example(text="a: {K: .nan}")
def test_any_calibration_file_is_entries_or_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    answer(lambda: read_entries(path))
