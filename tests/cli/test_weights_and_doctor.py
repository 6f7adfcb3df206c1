from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from commands import doctor, weights
from pipeline.weights import WeightCard, save_card, sha256_of


@pytest.fixture
def weight_file(tmp_path: Path) -> Path:
    path = tmp_path / "detectors" / "weights" / "tiny.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"w": np.ones(3, np.float32)}, path)
    card = WeightCard(
        "tiny", path.name, sha256_of(path), "yolo11n", (640, 640), "AGPL-3.0", ("a", "b"), {}, {"set/ap50": 0.5}
    )
    save_card(card, path)
    return path


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    level = logging.getLogger("runtime").level
    yield
    logging.getLogger("runtime").setLevel(level)


def listing(capsys: pytest.CaptureFixture[str], *paths: Path, as_json: bool = False) -> tuple[int, str]:
    code = weights.run(argparse.Namespace(files=list(paths), json=as_json))
    return code, capsys.readouterr().out


def test_good_weights_are_listed_with_what_they_are(weight_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = listing(capsys, weight_file)
    assert code == 0
    for words in ("ok", "tiny", "yolo11n", "640x640", "AGPL-3.0", "trained on a, b", "set/ap50 0.5"):
        assert words in text
    code, text = listing(capsys, weight_file, as_json=True)
    (entry,) = json.loads(text)
    assert (code, entry["ok"], entry["card"]["name"], entry["fault"]) == (0, True, "tiny", None)


@pytest.mark.parametrize("damage", ["bytes", "gone", "card"])
def test_damaged_or_missing_weights_exit_2(weight_file: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    if damage == "bytes":
        weight_file.write_bytes(weight_file.read_bytes() + b"x")
    elif damage == "gone":
        weight_file.unlink()
    else:
        weight_file.with_suffix(".json").write_text("{")
    root = weight_file.parents[2]
    assert weights.bundled(root) == [weight_file], "a card without its file is missed, not overlooked"
    code, text = listing(capsys, *weights.bundled(root))
    assert code == 2
    assert text.startswith("fail  ")
    assert str(weight_file.with_suffix("")) in text


def test_doctor_finds_a_sound_set_up_sound(
    weight_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.weights, "bundled", lambda: [weight_file])
    code = doctor.run(argparse.Namespace(runs=tmp_path / "runs", json=True))
    findings = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert set(findings) == {"python", "packages", "opencv", "video", "device", "weights", "disk"}
    levels = {name: finding["level"] for name, finding in findings.items() if name not in ("disk", "packages")}
    assert set(levels.values()) == {"ok"}, findings
    assert code == 0
    assert not (tmp_path / "runs").exists(), "a check-up leaves nothing behind"


def test_doctor_names_the_remedy_and_exits_2(
    weight_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weight_file.write_bytes(b"")

    def broken() -> Iterator[doctor.Finding]:
        raise RuntimeError("driver gone")
        yield

    monkeypatch.setattr(doctor.weights, "bundled", lambda: [weight_file])
    monkeypatch.setattr(doctor, "_device", broken)
    code = doctor.run(argparse.Namespace(runs=tmp_path / "runs", json=False))
    lines = capsys.readouterr().out.splitlines()
    assert code == 2
    assert [line for line in lines if line.startswith("fail") and "RuntimeError: driver gone" in line and "->" in line]
    assert [line for line in lines if line.startswith("fail") and "sha256 mismatch" in line]
    assert [line for line in lines if line.startswith("ok    disk")], "one broken check stops no other"
