from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.logging import PACKAGES, RunLog, configure, escape


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, {name: logging.getLogger(name).level for name in PACKAGES})
    yield
    root.handlers[:], levels = before[0], before[2]
    root.setLevel(before[1])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)


def test_logs_go_to_stderr_as_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(0)
    logging.getLogger("pipeline.video.reader").info("camera %s", "hall\nERROR forged\x1b[31m")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith(" INFO camera hall\\nERROR forged\\x1b[31m\n")


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [
        (-1, ["ours warning"]),
        (0, ["ours info", "ours warning"]),
        (1, ["ours debug", "ours info", "ours warning"]),
        (2, ["ours debug", "ours info", "ours warning", "theirs debug"]),
    ],
)
def test_verbosity(verbosity: int, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    configure(verbosity)
    ours, theirs = logging.getLogger("reid.train"), logging.getLogger("some_library")
    ours.debug("ours debug")
    ours.info("ours info")
    ours.warning("ours warning")
    theirs.debug("theirs debug")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == expected


def test_the_file_has_all_lines_from_the_beginning_whatever_stderr_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(-1)
    log = logging.getLogger("commands.track_run")
    with RunLog() as run_log:
        log.info("early %s", "a\nb")
        run_log.open(tmp_path / "run.log")
        log.warning("late")
    with pytest.raises(OSError, match="gone"), RunLog() as run_log:
        run_log.open(tmp_path / "run.log")
        raise OSError("gone")
    log.warning("after")
    lines = [line.split(" ", 2)[2] for line in (tmp_path / "run.log").read_text().splitlines()]
    assert lines == ["INFO early a\\nb", "WARNING late", "ERROR ended by OSError: gone"]
    assert [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()] == ["WARNING late", "WARNING after"]


def test_a_log_that_cannot_be_written_costs_only_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(0)
    log = logging.getLogger("commands.track_run")
    (tmp_path / "secret").write_text("as it was")
    (tmp_path / "run.log").symlink_to(tmp_path / "secret")
    for path in (tmp_path / "run.log", Path("/dev/full")):
        with RunLog() as run_log:
            run_log.open(path)
            log.info("goes on")
    assert (tmp_path / "secret").read_text() == "as it was"
    err = capsys.readouterr().err
    assert err.count("goes on") == 2
    assert err.count("no log is written there") == 1
    assert "Traceback" not in err


def test_escape_keeps_ordinary_text() -> None:
    assert escape("Flur-Süd 日本 100% {x} %s\t|") == "Flur-Süd 日本 100% {x} %s\t|"
    assert "\n" not in escape("a\nb\n")
