"""What a run is built of: found to be missing before anything runs, and known by its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.track_parts import build_networks
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.errors import UsageError


def replayed(folder: Path, *entries: str) -> Config:
    return load_config(None, ["detector.name=replay", f"detector.replay_dir={folder}", "runtime.threads=1", *entries])


def test_all_missing_boxes_are_told_before_a_network_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "hall.txt").write_text("1,-1,1,2,3,4,1\n")
    config = replayed(tmp_path, "embedder.model=nowhere.safetensors")
    with pytest.raises(UsageError, match=r"add yard\.txt, door\.txt"):
        build_networks(config, ["hall", "yard", "door"])
    with pytest.raises(UsageError, match="nowhere"):
        build_networks(config, ["hall"])
