"""A checkpoint by name: fetched once from where it is published, here a server of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from detectors import build_detector
from detectors.download import fetch, is_published_name
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError


class Quiet(SimpleHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def release(tmp_path: Path) -> Iterator[str]:
    """A server on this machine that publishes one file."""
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "yolo11n.pt").write_bytes(b"weights")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "release")) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_only_bare_published_names_are_ever_fetched() -> None:
    assert all(map(is_published_name, ("yolo11m.pt", "yolov8n.pt", "yolo26x.pt", "yolov5su.pt")))
    refused = ("../yolo11m.pt", "dir/yolo11m.pt", "yolo11m.pth", "mine.pt", "yolo11m-seg.pt", "http://a/yolo11m.pt", "")
    assert not any(map(is_published_name, refused))


def test_fetched_once_and_whole(release: str, tmp_path: Path) -> None:
    path = fetch("yolo11n.pt", tmp_path / "cache", release=release)
    assert path.read_bytes() == b"weights"
    assert fetch("yolo11n.pt", tmp_path / "cache", release="http://127.0.0.1:9") == path, "it is there: no second fetch"
    with pytest.raises(UsageError, match=r"yolo11m\.pt.*cannot be reached.*bundled"):
        fetch("yolo11m.pt", tmp_path / "cache", release=release)
    assert sorted(file.name for file in (tmp_path / "cache").iterdir()) == ["yolo11n.pt"]


def test_offline_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PASSERBY_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match="--offline forbids"):
        build_detector(DetectorConfig(model="yolo11m.pt"), RuntimeConfig(device="cpu", offline=True))
    assert not (tmp_path / "cache").exists()
