"""A weight file is data: nothing in it runs, nothing is installed, nothing is written outside the cache."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from detectors import build_detector
from detectors.safety import import_ultralytics, load_checkpoint
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError

ROOT = Path(__file__).parents[2]
CPU = RuntimeConfig(device="cpu")


class Poison:
    """Unpickles to `os.system(touch canary)`."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.canary}'",)


def poisoned(path: Path, canary: Path) -> Path:
    torch.save({"model": Poison(canary), "epoch": 1}, path)
    return path


def test_the_poison_works_where_nothing_stops_it(tmp_path: Path) -> None:
    """Else the tests below could not fail."""
    path = poisoned(tmp_path / "evil.pt", tmp_path / "canary")
    torch.load(path, weights_only=False)
    assert (tmp_path / "canary").exists()


def test_a_poisoned_pt_is_refused_and_nothing_of_it_runs(tmp_path: Path) -> None:
    path = poisoned(tmp_path / "evil.pt", tmp_path / "canary")
    with pytest.raises(UsageError, match="refused") as error:
        build_detector(DetectorConfig(model=str(path)), CPU)
    assert not (tmp_path / "canary").exists()
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bare_poisoned_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    path.write_bytes(pickle.dumps(Poison(tmp_path / "canary")))
    with pytest.raises(UsageError, match="refused"):
        load_checkpoint(path)
    assert not (tmp_path / "canary").exists()


def test_a_poisoned_torchvision_state_is_refused(tmp_path: Path) -> None:
    path = poisoned(tmp_path / "evil.pth", tmp_path / "canary")
    config = DetectorConfig(name="torchvision", model="ssdlite320_mobilenet_v3_large", weights=str(path))
    with pytest.raises(UsageError, match="refused"):
        build_detector(config, CPU)
    assert not (tmp_path / "canary").exists()


def test_the_environment_of_the_caller_does_not_open_the_door(tmp_path: Path) -> None:
    """Hostile or merely different: the switches are ours whatever the shell says, also for a program that has
    imported ultralytics before."""
    path = poisoned(tmp_path / "evil.pt", tmp_path / "canary")
    code = (
        "import sys; from pathlib import Path\n"
        "from runtime.torchvision_ops import ensure_torchvision_ops as e; e(); import ultralytics.nn.tasks\n"
        "from detectors.safety import load_checkpoint\n"
        "try:\n    load_checkpoint(Path(sys.argv[1]))\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
    )
    environment = dict(os.environ) | {
        "ULTRALYTICS_SAFE_LOAD": "0",
        "YOLO_AUTOINSTALL": "1",
        "YOLO_OFFLINE": "1",
        "YOLO_CONFIG_DIR": str(tmp_path / "settings"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().splitlines()[-1] == "UsageError", done.stderr[-500:]
    assert not (tmp_path / "canary").exists()


def test_ultralytics_writes_into_the_cache_alone_and_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    code = (
        "import os, cv2; cv2.setNumThreads(3)\n"
        "from detectors.safety import import_ultralytics; import_ultralytics()\n"
        "from ultralytics import SETTINGS\n"
        "from ultralytics.utils import ONLINE, AUTOINSTALL\n"
        "print(SETTINGS['sync'], ONLINE, AUTOINSTALL, cv2.getNumThreads(), os.environ.get('OMP_NUM_THREADS'))\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PASSERBY_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().splitlines()[-1] == "False False False 3 None", done.stderr[-500:]
    assert list(home.iterdir()) == []
    assert (tmp_path / "cache" / "ultralytics" / "Ultralytics" / "settings.json").is_file()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_a_damaged_pt_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="refused") as error:
        load_checkpoint(path)
    assert "\n" not in str(error.value)


def test_a_cut_pt_is_one_line(tmp_path: Path, yolo_model: Callable[..., Any]) -> None:
    path = tmp_path / "cut.pt"
    torch.save({"model": yolo_model()}, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UsageError, match="refused"):
        load_checkpoint(path)


def test_a_module_that_must_be_installed_is_not(tmp_path: Path) -> None:
    """ultralytics pip-installs the package that a checkpoint names."""
    path = tmp_path / "wants.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("wants/data.pkl", b"\x80\x02cno_such_package_at_all\nThing\nq\x00.")
        archive.writestr("wants/version", b"3\n")
    with pytest.raises(UsageError, match="refused"):
        load_checkpoint(path)
    assert os.environ["YOLO_AUTOINSTALL"] == "0"


def test_weights_of_another_task_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pose.pt"
    torch.save({"model": import_ultralytics().PoseModel("yolo11n-pose.yaml", verbose=False)}, path)
    with pytest.raises(UsageError, match="holds a PoseModel; a DetectionModel is needed"):
        load_checkpoint(path)
