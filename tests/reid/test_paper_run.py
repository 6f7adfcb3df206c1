"""A dress rehearsal of the paper's run: its settings as shipped but for the trunk and sizes, on a folder of the form of
Market-1501, from the command line to the score."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from commands import train_reid
from run import main
from runtime.torchvision_ops import ensure_torchvision_ops

CONFIG = Path(__file__).parents[2] / "configs" / "mgn_market1501.yaml"


def test_the_shipped_settings_are_the_paper_s() -> None:
    """Wang et al. 2018, section 4.1, and the article: P 16 x K 4, SGD 0.9, 5e-4, 80 epochs, 0.01 to 0.0001."""
    config = train_reid.load_train_config(CONFIG)
    assert (config.trunk, config.reduced, config.input_size_wh) == ("resnet50", 256, (128, 384))
    assert (config.identities, config.crops, config.epochs, config.precision) == (16, 4, 80, "f32")
    rate = config.optimiser
    assert (rate.name, rate.momentum, rate.weight_decay, rate.learning_rate) == ("sgd", 0.9, 5e-4, 0.01)
    assert (rate.schedule, rate.drops, rate.warm_up_steps, rate.ema, rate.clip_norm) == ("steps", (0.5, 0.75), 0, 0, 0)
    loss = config.loss
    assert (loss.identity, loss.triplet, loss.margin, loss.label_smoothing, loss.positives) == (8, 3, 1.2, 0, "hardest")
    changed = config.augment.model_dump()
    assert changed.pop("flip")
    assert not any(
        value for name, value in changed.items() if name.endswith("probability") or name in ("scale", "shift")
    )
    assert not config.neck and config.teacher is None


def test_it_runs_from_the_data_set_to_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_reid, "CACHE", tmp_path / "cache")
    market = tmp_path / "Market-1501-v15.09.15"
    rng = np.random.default_rng(0)
    for folder, people, cameras in (("bounding_box_train", (2, 7, 10), (1, 2)), ("query", (1, 5), (1,)),
                                    ("bounding_box_test", (-1, 0, 1, 5), (1, 2))):  # fmt: skip
        (market / folder).mkdir(parents=True)
        for person in people:
            colour = np.random.default_rng(person + 5).integers(40, 220, 3)
            for camera in cameras:
                crop = np.clip(colour + rng.normal(0, 10, (64, 32, 3)), 0, 255).astype(np.uint8)
                name = f"{person:04d}_c{camera}s1_000{camera}51_00.jpg" if person >= 0 else f"-1_c{camera}s1_1_00.jpg"
                cv2.imwrite(str(market / folder / name), crop)
    ensure_torchvision_ops()
    import torchvision  # noqa: PLC0415 - only now can it be imported

    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    settings = yaml.safe_load(CONFIG.read_text())
    settings |= {"trunk": "resnet18", "imagenet": str(tmp_path / "resnet18.pth"), "input_size_wh": [32, 96]}
    settings |= {"identities": 3, "crops": 2, "epochs": 2, "reduced": 16}
    (tmp_path / "paper.yaml").write_text(json.dumps(settings))
    words = ["train-reid", "--config", tmp_path / "paper.yaml", "--data", market, "--output", tmp_path / "out"]
    assert main([*map(str, words), "--device", "cpu", "--threads", "1"]) == 0
    told = capsys.readouterr()
    assert "crops/s on cpu" in told.out
    assert "not quite" in told.err and "instead of 12936" in told.err
    logging.getLogger().handlers.clear()
    words = ["evaluate-reid", "--data", market, "--weights", tmp_path / "out" / "weights.safetensors", "--rerank"]
    assert main([*map(str, words), "--json", "--set", "runtime.device=cpu", "--set", "runtime.threads=1"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["queries"], scores["skipped"]) == (2, 0)
    assert 0 <= scores["reranked"]["map"] <= 1
