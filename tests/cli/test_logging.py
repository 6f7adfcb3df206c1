from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from commands.logging import PACKAGES, configure, escape


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


def test_escape_keeps_ordinary_text() -> None:
    assert escape("Flur-Süd 日本 100% {x} %s\t|") == "Flur-Süd 日本 100% {x} %s\t|"
    assert "\n" not in escape("a\nb\n")
