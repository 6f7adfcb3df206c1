"""The paint of a body: cloth with patterns and folds, skin with a face, straps of bags."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipeline.types import Bool, Float64
from synthetic.appearance import Colour, Look
from synthetic.mesh import Paint

Kind = Literal["top", "bottom", "leg", "sleeve", "head"]
_SHARE_OF_FOLDS = 0.11


def plain(colour: Colour, seed: int, look: Look, sole: float = 0.0) -> Paint:
    """One colour with folds; below height `sole` m darker."""

    def paint(angle: Float64, z: Float64) -> Float64:
        result = _folds(np.array(colour), angle, z, look.grain_seed + seed)
        result[z < sole] *= 0.45
        return result

    return paint


def cloth(look: Look, height: float, *, kind: Kind, hem: float) -> Paint:
    """The paint of a part. `hem`: height in m where the cloth ends (what is below a top is the trousers; what is below
    a sleeve or a trouser leg is skin)."""

    def paint(angle: Float64, z: Float64) -> Float64:
        if kind == "head":
            return _face(look, height, angle, z)
        if kind == "leg":
            result = _spread(look.bottom_colour, len(z))
            result = _folds_of(result, angle, z, look.grain_seed + 1)
            result[z < hem] = np.array(look.skin) * 0.92
            return result
        if kind == "bottom":
            return _folds_of(_spread(look.bottom_colour, len(z)), angle, z, look.grain_seed + 2)
        result = _pattern(look, height, angle, z)
        if kind == "top":
            _details(result, look, height, angle, z)
        result = _folds_of(result, angle, z, look.grain_seed + (3 if kind == "top" else 4))
        if kind == "sleeve":
            result[z < hem] = np.array(look.skin) * 0.95
        else:
            below = z < hem
            result[below] = _folds_of(_spread(look.bottom_colour, int(below.sum())), angle[below], z[below], 5)
            result[np.abs(z - hem) < 0.012] *= 0.6  # the edge of a shirt, or a belt
            result = _straps(result, look, height, angle, z)
        return result

    return paint


def _spread(colour: Colour, count: int) -> Float64:
    return np.tile(np.array(colour), (count, 1))


def _folds(colour: Float64, angle: Float64, z: Float64, seed: int) -> Float64:
    return _folds_of(np.tile(colour, (len(z), 1)), angle, z, seed)


def _folds_of(colour: Float64, angle: Float64, z: Float64, seed: int) -> Float64:
    """Light and dark of folds: slanted waves of three lengths."""
    rng = np.random.default_rng(seed)
    shade = np.zeros(len(z))
    for waves in (11.0, 23.0, 41.0):
        turns = rng.integers(1, 4)
        shade += np.sin(waves * z * rng.uniform(0.8, 1.4) + turns * angle + rng.uniform(0, 6.3)) / 3
    shade += rng.normal(0, 0.25, len(z))
    result: Float64 = np.clip(colour * (1 + _SHARE_OF_FOLDS * shade)[:, None], 0.01, 1.0)
    return result


def _pattern(look: Look, height: float, angle: Float64, z: Float64) -> Float64:
    result = _spread(look.top_colour, len(z))
    second = np.array(look.top_second)
    mask: Bool
    if look.top_pattern == "hoops":
        mask = (z / 0.11) % 1 < 0.45
    elif look.top_pattern == "pinstripes":
        mask = (angle / 0.42) % 1 < 0.35
    elif look.top_pattern == "checks":
        mask = ((z / 0.12) % 1 < 0.5) ^ ((angle / 0.62) % 1 < 0.5)
    elif look.top_pattern == "block":
        mask = z < 0.685 * height
    elif look.top_pattern == "print":
        mask = (np.abs(angle) < 0.75) & (np.abs(z - 0.71 * height) < 0.10)
    elif look.top_pattern == "dots":
        mask = ((z / 0.10) % 1 < 0.45) & ((angle / 0.6 + 0.5 * np.floor(z / 0.10)) % 1 < 0.45)
    else:
        mask = np.zeros(len(z), np.bool_)
    result[mask] = second
    return result


def _details(colour: Float64, look: Look, height: float, angle: Float64, z: Float64) -> None:
    """What tells a jacket from a shirt: it is open over the shirt below; a collar; a neckline."""
    if look.top in ("jacket", "coat"):
        lean = 0.16 + 0.35 * np.clip((z - 0.70 * height) / (0.13 * height), 0, 1)
        colour[(np.abs(angle) < lean) & (z > 0.56 * height)] = np.array(look.top_second)
    elif look.top == "shirt":
        colour[np.abs(angle) < 0.05] *= 0.7
        colour[z > 0.833 * height] = np.clip(np.array(look.top_colour) * 1.25 + 0.05, 0, 1)
    elif look.top in ("tshirt", "vest", "dress"):
        deep = 0.80 if look.top == "vest" else 0.815
        colour[(z > deep * height) & (np.abs(angle) < 0.8)] = np.array(look.skin) * 0.95
    elif look.top == "hoodie":
        colour[(np.abs(angle) < 0.7) & (np.abs(z - 0.60 * height) < 0.035 * height)] *= 0.72


def _straps(colour: Float64, look: Look, height: float, angle: Float64, z: Float64) -> Float64:
    share = z / height
    band: Bool = np.zeros(len(z), np.bool_)
    if look.bag == "backpack":
        band = (share > 0.66) & (np.abs(np.abs(angle) - 0.75) < 0.16) & (np.abs(angle) < 1.3)
    elif look.bag == "shoulder":
        # From the right shoulder to the left hip, in front and behind.
        across = np.sin(angle) * 0.10
        band = np.abs(across - (0.10 - (share - 0.54) * 0.70)) < 0.016
        band &= share > 0.55
    colour[band] = np.array(look.bag_colour) * 0.8
    return colour


def _face(look: Look, height: float, angle: Float64, z: Float64) -> Float64:
    share, turned = z / height, np.abs(angle)
    result = _spread(look.skin, len(z)) * (1 + 0.03 * np.sin(9 * angle + 70 * z))[:, None]
    hair = np.array(look.hair_colour)
    if look.hair != "bald":
        line = 0.972 - 0.045 * np.clip((turned - 0.6) / 0.9, 0, 1) - 0.05 * np.clip((turned - 1.5) / 0.6, 0, 1)
        covered = (share > line) | ((turned > 1.9) & (share > 0.885))
        result[covered] = hair
    eyes = (np.abs(share - 0.937) < 0.006) & (np.abs(turned - 0.38) < 0.17)
    brows = (np.abs(share - 0.948) < 0.004) & (np.abs(turned - 0.40) < 0.22)
    mouth = (np.abs(share - 0.893) < 0.005) & (turned < 0.28)
    result[brows] = 0.5 * result[brows] + 0.5 * hair * 0.8
    result[eyes] = np.array(look.skin) * 0.28
    result[mouth] = np.array(look.skin) * (0.55, 0.55, 0.78)
    result[(share > 0.915) & (share < 0.945) & (np.abs(turned - 1.55) < 0.14)] *= 0.82  # ears
    return result
