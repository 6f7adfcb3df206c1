"""Settings of a training that takes seconds."""

from __future__ import annotations

import json

from reid.train_config import TrainConfig

SIZE = (16, 48)


def config(**changes: object) -> TrainConfig:
    settings = {
        "trunk": "light",
        "reduced": 8,
        "input_size_wh": SIZE,
        "identities": 3,
        "crops": 2,
        "epochs": 4,
        "augment": {"erase_probability": 0.5, "colour_probability": 0.5, "scale": 0.1},
        "optimiser": {"name": "adamw", "learning_rate": 1e-3, "schedule": "cosine", "ema": 0.9},
        **changes,
    }
    return TrainConfig.model_validate_json(json.dumps(settings))
