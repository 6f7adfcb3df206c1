"""The traps of YAML, the messages, the overrides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.config_loading import MAX_BYTES, dump_config, load_config
from pipeline.errors import UsageError

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str | bytes) -> Path:
        path = tmp_path / "site.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return _write


def refusal(path: Path | None, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message, "a fault is one line"
    assert caught.value.exit_code == 2
    return message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("trakcer: {name: sort}", ["site.yaml:1", "trakcer is not a setting", "nearest: tracker"]),
        ("\ntracker:\n  nmae: sort", ["site.yaml:3", "nearest: tracker.name"]),
        ("nms_iou: 0.3", ["nearest: detector.nms_iou"]),
        ("detector: {confidence: 2}", ["detector.confidence is 2", "a number from 0 to 1", "default 0.1"]),
        ("detector: {confidence: -1}", ["is -1", "from 0 to 1"]),
        ("detector: {confidence: .nan}", ["is NaN", "from 0 to 1"]),
        ("detector: {confidence: 1e999}", ["is Infinity", "from 0 to 1"]),
        ("cameras: {a: {time_offset_s: -.inf}}", ["cameras.a.time_offset_s is -Infinity", "a number"]),
        ("detector: {confidence: '0.3'}", ["the text '0.3'", "a number"]),
        ("detector: {confidence: true}", ["is true", "a number"]),
        ("detector: {batch_frames: 2.5}", ["is 2.5", "a whole number from 1 to 64"]),
        ("output: {blur: faces}", ["one of none, heads, persons"]),
        ("runtime: {device: tpu}", ["matching ^(auto|cpu|cuda"]),
        ("tracker: 3", ["tracker is 3", "a section"]),
        ("cameras: {a: {watch: [[[0, 0], [1, 1]]]}}", ["cameras.a.watch", "at least 3 corners"]),
        ("cameras: {a: {watch: [[[0, 0], [1, 0], [3, 1]]]}}", ["cameras.a.watch[0][2][0] is 3", "from 0 to 1"]),
        ("detector: {confidence: x, nms_iou: y}", ["1 more: detector.nms_iou"]),
        ("[1, 2]", ["section: {key: value}"]),
    ],
)
def test_wrong_key_or_value_is_named_with_what_is_wanted(write: Write, text: str, wanted: list[str]) -> None:
    message = refusal(write(text))
    for words in wanted:
        assert words in message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("output: {overlays: no}", "the text 'no', wants true or false"),
        ("output: {overlays: on}", "the text 'on', wants true or false"),
        ("cameras: {a: {time_offset_s: 12:30}}", "the text '12:30', wants a number"),
        ("detector: {image_size_px: 010}", "the text '010', wants a whole number"),
        ("detector: {max_detections: 1_000}", "the text '1_000', wants a whole number"),
        ("clock: common\nclock: unknown", "site.yaml:2: the key 'clock' stands twice (first in line 1)"),
        ("a: !!python/object/apply:os.system ['touch x']", "tags are not read"),
        ("a: !x 3", "tags are not read"),
        ("a: &b [1]\nc: *b", "anchors and aliases"),
        ("a: 1\n---\nb: 2", "a second document"),
        ("detector:\n\tname: yolo", "site.yaml:2: "),
        ("a: [", "site.yaml:1: "),
        ("a: \x00", "not allowed"),
        ("[" * 300_000, "nested deeper"),
        ("? [a]\n: 1", "a key must be plain text"),
    ],
)
def test_yaml_traps_are_refused_not_guessed(write: Write, text: str, wanted: str) -> None:
    assert wanted in refusal(write(text))


def test_python_tag_runs_nothing(write: Write, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    refusal(write(f"a: !!python/object/apply:os.system ['touch {canary}']"))
    assert not canary.exists()


def test_small_exponent_is_a_number(write: Write) -> None:
    """PyYAML reads 1e-3 as text: a learning rate of 1e-3 then fails, or is compared as a string."""
    assert load_config(write("detector: {confidence: 1e-3}")).detector.confidence == 0.001
    assert load_config(None, ["detector.confidence=1e-3"]).detector.confidence == 0.001


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "tracker:\n  # name: sort\n"])
def test_empty_files_and_sections_are_the_defaults(write: Write, text: str) -> None:
    assert load_config(write(text)) == Config() == load_config()


def test_bom_and_crlf(write: Write) -> None:
    config = load_config(write(b"\xef\xbb\xbfdetector:\r\n  confidence: 1\r\n  name: torchvision\r\n"))
    assert (config.detector.confidence, config.detector.name) == (1.0, "torchvision")


def test_other_encodings_are_refused(write: Write) -> None:
    assert "UTF-8" in refusal(write("detector: {model: tür}".encode("latin-1")))
    assert "UTF-8" in refusal(write("clock: common".encode("utf-16")))


def test_version_of_another_release_is_refused(write: Write) -> None:
    assert load_config(write("schema_version: 1.0")) == Config()
    assert load_config(write("schema_version: '1.0'")) == Config()
    assert "this version reads '1.0'" in refusal(write("schema_version: 2"))
    assert "this version reads '1.0'" in refusal(write("schema_version: 0.9"))


def test_size_cap_missing_file_and_folder(write: Write, tmp_path: Path) -> None:
    assert "at most" in refusal(write(b"#" * (MAX_BYTES + 1)))
    assert "No such file" in refusal(tmp_path / "none.yaml")
    assert "regular file" in refusal(tmp_path)


def test_overrides_win_over_the_file_and_reach_cameras(write: Write) -> None:
    path = write("detector: {confidence: 0.5, nms_iou: 0.4}\ncameras: {lobby: {time_offset_s: 1}}")
    config = load_config(
        path,
        [
            "detector.confidence=0.6",
            "cameras.lobby.time_offset_s=3",
            "cameras.hall.v2.time_offset_s=-4",
            "detector.model=a=b",
        ],
    )
    assert (config.detector.confidence, config.detector.nms_iou, config.detector.model) == (0.6, 0.4, "a=b")
    assert config.cameras["lobby"].time_offset_s == 3.0
    assert config.cameras["hall.v2"].time_offset_s == -4.0


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("trakcer.name=sort", "nearest: tracker"),
        ("detector.confidence=3", "--set detector.confidence=3: detector.confidence is 3"),
        ("tracker", "wants section.key=value"),
        ("=3", "wants section.key=value"),
        ("tracker.name=!!python/name:os.system", "tags are not read"),
        ("detector.model=", "is empty, wants text"),
    ],
)
def test_wrong_overrides_are_named(override: str, wanted: str) -> None:
    assert wanted in refusal(None, override)


def test_control_characters_do_not_reach_the_message(write: Write) -> None:
    assert "\x1b" not in refusal(write('"\\e[31mred": 1'))
    assert "\x1b" not in refusal(write('output: {blur: "\\e[31mred"}'))


@pytest.mark.parametrize(
    "model", ["no", "1e-3", "12:30", "010", "007", "true", "", "~", "a\nb # c: 'd' \"ü\"", "=x", "- a"]
)
def test_resolved_configuration_reads_back_equal(write: Write, model: str) -> None:
    config = Config.model_validate_json(
        '{"cameras": {"010": {"start_time": "2026-03-01T09:30:00Z", "watch": [[[0, 0], [1, 0], [1, 1e-5]]]}, "no": {}}}'
    )
    config = config.model_copy(update={"detector": config.detector.model_copy(update={"model": model})})
    text = dump_config(config)
    assert load_config(write(text)) == config
    assert dump_config(load_config(write(text))) == text


@pytest.mark.parametrize("name", ["default", "fast", "accurate"])
def test_shipped_configurations_load_and_hold_only_what_differs(name: str) -> None:
    path = Path(__file__).parents[2] / "configs" / f"{name}.yaml"
    config = load_config(path)
    named = config.model_dump(exclude_unset=True)
    different = config.model_dump(exclude_defaults=True)
    for section, values in named.items():
        if section != "schema_version":
            assert values == different.get(section, {}), f"{name}.yaml repeats a default in {section}"
    assert name == "default" or different
