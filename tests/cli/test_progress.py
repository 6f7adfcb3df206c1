"""Lines on the log about how far a run is."""

from __future__ import annotations

import logging

import pytest

from commands import progress


def test_no_line_before_the_first_frame(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """While the rooms were drawn a line said `rendering: ` and nothing more."""
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO), progress.FrameProgress("rendering", {"a": 60, "b": None}) as tell:
        tell("a", 0)
        assert caplog.messages == []
        tell("a", 5)
        tell("b", 7)
    assert caplog.messages == ["rendering: a 5 of 60", "rendering: a 5 of 60, b 7"]
