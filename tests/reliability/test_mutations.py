"""Seeded mutations of small clips: the reader neither dies nor hangs nor leaks, and says what it lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.reliability_mutations import Outcome, fuzz, growth_mb, make_clips

MUTATIONS = 300


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def outcome(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return fuzz(tmp_path_factory.mktemp("mutations"), range(MUTATIONS), clips)


def test_no_mutation_is_a_crash_a_hang_or_a_leak(outcome: Outcome) -> None:
    assert outcome.faults == []
    assert outcome.read == MUTATIONS
    assert outcome.slowest_s < 5
    assert growth_mb(outcome.rss) < 5


def test_the_mutations_do_damage_of_many_kinds(outcome: Outcome) -> None:
    """Else the test above says little."""
    assert outcome.statuses["partial"] > MUTATIONS // 3
    assert {"complete", "truncated_no_index", "not_a_video", "failed"} <= set(outcome.statuses)


def test_hardly_a_loss_goes_unseen(outcome: Outcome) -> None:
    """Damage that leaves a shorter file which is right in itself cannot be seen; all else is told."""
    assert len(outcome.silent) <= MUTATIONS // 50


def test_a_stream_that_appears_in_mid_file_ends_nothing(clips: list[Path], tmp_path: Path) -> None:
    """Seed 10293: PyAV raises IndexError at the end of such a transport stream."""
    assert fuzz(tmp_path, [10293], clips).faults == []
