"""A weight file as data: where it is, what it was made of, and whether it is the file it says it is.

Beside `<name>.safetensors` lie `<name>.json` (read here) and `<name>.md` (the model card for people).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError


@dataclass(frozen=True, slots=True)
class WeightCard:
    """What a weight file is. `input_size_wh` px; `metrics` as `{"set/metric": value}` with the command in the .md."""

    name: str
    file: str
    sha256: str
    architecture: str
    input_size_wh: tuple[int, int]
    licence: str
    training_data: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    """What the builder of the network needs, e.g. `{"trunk": "light", "classes": 1}`."""
    metrics: dict[str, float] = field(default_factory=dict)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load_card(weights: Path) -> WeightCard:
    """The card beside `weights`. Raises UsageError when it is missing or does not fit the type."""
    path = weights.with_suffix(".json")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        raw["input_size_wh"] = tuple(raw["input_size_wh"])
        raw["training_data"] = tuple(raw["training_data"])
        return WeightCard(**raw)
    except FileNotFoundError:
        raise UsageError(f"{path}: no weight card beside {weights.name}; it comes with the weights") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a weight card ({error}); restore the one that came with the file") from None


def is_card(path: Path) -> bool:
    """Whether a JSON file looks like a card; others' models may have other JSON beside them."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(raw, dict) and {"architecture", "sha256", "training_data"} <= set(raw)


def save_card(card: WeightCard, weights: Path) -> None:
    """Write `card` beside `weights` as JSON."""
    text = json.dumps(asdict(card), indent=2, sort_keys=False, allow_nan=False)
    weights.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def verify(weights: Path) -> WeightCard:
    """The card of `weights` after its SHA-256 was checked; nothing is loaded.

    Of an OpenVINO export the .bin beside it, too. Raises UsageError when a file is missing or differs from its card.
    """
    if not weights.is_file():
        raise UsageError(f"{weights}: no such weight file; `run.py weights` lists those that are here")
    card = load_card(weights)
    _compare(weights, card.sha256)
    if "bin_sha256" in card.settings:  # OpenVINO keeps the numbers beside the .xml
        _compare(weights.with_suffix(".bin"), str(card.settings["bin_sha256"]))
    return card


def _compare(path: Path, expected: str) -> None:
    if not path.is_file():
        raise UsageError(f"{path}: is missing; restore it from the release")
    actual = sha256_of(path)
    if actual != expected:
        raise UsageError(
            f"{path}: sha256 mismatch (card {expected[:12]}, file {actual[:12]}): damaged or replaced; "
            "restore it from the release"
        )
