"""An MGN to and from its weight file: safetensors in half precision beside a card with its hash."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pipeline.errors import UsageError
from pipeline.weights import WeightCard, save_card, sha256_of
from reid.architecture import ArchitectureConfig
from reid.backbones import TrunkName
from reid.discriminant import DiscriminantMap
from reid.mgn import Mgn


def save_mgn(model: Mgn, path: Path, card: WeightCard) -> WeightCard:
    """Write `model` (float16) and `card` with the file's name and hash filled in; the card as written."""
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(state, part)
    part.chmod(0o644)  # weights are for everybody; safetensors writes them for the owner alone
    part.replace(path)
    card = replace(card, file=path.name, sha256=sha256_of(path))
    save_card(card, path)
    return card


def load_mgn(path: Path, card: WeightCard) -> Mgn:
    """The network of `path`, in eval mode, float32; call `pipeline.weights.verify` first, it gives the card.

    Raises UsageError when the card names no network of ours or the file does not fit it.
    """
    try:
        trunk, reduced = cast(TrunkName, card.settings["trunk"]), int(card.settings["reduced"])
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"{path}: its card has no settings trunk and reduced; these are not weights of an MGN"
        ) from None
    try:
        architecture = ArchitectureConfig.model_validate_json(json.dumps(card.settings.get("architecture", {})))
    except ValidationError as error:
        raise UsageError(f"{path}: its card names no network of ours ({error.errors()[0]['msg']})") from None
    model = Mgn(trunk, reduced, architecture=architecture)
    mapped = card.settings.get("discriminant")
    if mapped is not None:
        if not isinstance(mapped, int) or mapped < 1:
            raise UsageError(
                f"{path}: settings.discriminant of its card must be a number of dimensions, got {mapped!r}"
            )
        model.discriminant = DiscriminantMap(model.dimension, mapped)
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path}: not a safetensors file ({error}); restore it from the release") from None
    wanted = model.state_dict()
    wrong = sorted(set(wanted) ^ set(state)) or sorted(k for k in wanted if wanted[k].shape != state[k].shape)
    if wrong:
        raise UsageError(
            f"{path}: {len(wrong)} tensors do not fit {trunk} x {reduced} ({', '.join(wrong[:3])}); "
            "the weights are of another architecture"
        )
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    if not all(bool(torch.isfinite(value).all()) for value in model.state_dict().values()):
        raise UsageError(f"{path}: holds values that are not finite; train or export it again")
    return model.eval()
