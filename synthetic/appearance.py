"""What a person looks like: build, hair, clothes with colours and patterns, hats and bags; drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Colour = tuple[float, float, float]
"""BGR 0..1, as a camera would show it."""
Pattern = Literal["plain", "hoops", "pinstripes", "checks", "block", "print", "dots"]
Top = Literal["tshirt", "shirt", "jacket", "coat", "hoodie", "dress", "vest"]
Bottom = Literal["trousers", "shorts", "skirt"]
Hair = Literal["short", "long", "bald", "bun"]
Hat = Literal["none", "cap", "beanie"]
Bag = Literal["none", "backpack", "shoulder", "handbag"]

_CLOTH: dict[str, Colour] = {
    "black": (0.07, 0.065, 0.07), "charcoal": (0.20, 0.19, 0.185), "grey": (0.48, 0.47, 0.46),
    "white": (0.88, 0.88, 0.87), "navy": (0.30, 0.15, 0.10), "blue": (0.68, 0.36, 0.13), "sky": (0.86, 0.70, 0.48),
    "red": (0.15, 0.12, 0.70), "wine": (0.16, 0.08, 0.34), "orange": (0.12, 0.45, 0.90), "yellow": (0.20, 0.76, 0.90),
    "green": (0.25, 0.45, 0.14), "olive": (0.16, 0.31, 0.32), "lime": (0.28, 0.78, 0.58), "teal": (0.50, 0.48, 0.08),
    "purple": (0.50, 0.16, 0.38), "pink": (0.66, 0.48, 0.88), "brown": (0.13, 0.22, 0.36), "beige": (0.55, 0.68, 0.76),
    "khaki": (0.36, 0.52, 0.60),
}  # fmt: skip
_TOPS = tuple(_CLOTH)
_BOTTOMS = ("black", "charcoal", "navy", "blue", "grey", "beige", "khaki", "brown", "olive", "white", "wine")
_SKIN: tuple[Colour, ...] = (
    (0.62, 0.72, 0.90), (0.52, 0.64, 0.85), (0.42, 0.55, 0.77), (0.32, 0.44, 0.66), (0.20, 0.30, 0.47),
    (0.13, 0.20, 0.33),
)  # fmt: skip
_HAIR: tuple[Colour, ...] = (
    (0.06, 0.06, 0.07), (0.09, 0.12, 0.18), (0.13, 0.22, 0.36), (0.28, 0.48, 0.66), (0.62, 0.62, 0.62),
    (0.10, 0.20, 0.48),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """One person's appearance and way of walking. Lengths in m; shares are of an average body."""

    height: float
    girth: float
    shoulders: float
    hips: float
    skin: Colour
    hair: Hair
    hair_colour: Colour
    top: Top
    top_pattern: Pattern
    top_colour: Colour
    top_second: Colour
    bottom: Bottom
    bottom_colour: Colour
    shoes: Colour
    hat: Hat
    hat_colour: Colour
    bag: Bag
    bag_colour: Colour
    stride: float = 1.0
    """Length of a step, share of the usual one at the same speed."""
    arm_swing: float = 1.0
    lean: float = 0.03
    """Forward lean of the trunk, rad."""
    grain_seed: int = 0
    """Of the folds and the tint of the cloth."""


def random_look(rng: np.random.Generator) -> Look:
    """One person in everyday clothes."""

    def pick(names: tuple[str, ...]) -> Colour:
        base = np.array(_CLOTH[names[rng.integers(len(names))]])
        blue, green, red = np.clip(base * rng.uniform(0.85, 1.15) + rng.normal(0, 0.02, 3), 0.03, 0.95)
        return float(blue), float(green), float(red)

    slight = rng.random() < 0.5
    top: Top = rng.choice(
        ["tshirt", "shirt", "jacket", "coat", "hoodie", "dress", "vest"],
        p=[0.24, 0.20, 0.19, 0.10, 0.12, 0.10 if slight else 0.0, 0.05 if slight else 0.15],
    )
    bottom: Bottom = rng.choice(["trousers", "shorts", "skirt"], p=[0.66, 0.12, 0.22] if slight else [0.82, 0.18, 0.0])
    return Look(
        height=float(np.clip(rng.normal(1.66 if slight else 1.77, 0.065), 1.5, 1.97)),
        girth=float(np.clip(rng.normal(1.0, 0.13), 0.82, 1.38)),
        shoulders=float(rng.normal(0.94 if slight else 1.04, 0.03)),
        hips=float(rng.normal(1.06 if slight else 0.97, 0.03)),
        skin=_SKIN[rng.integers(len(_SKIN))],
        hair=rng.choice(["short", "long", "bun", "bald"], p=[0.25, 0.5, 0.25, 0.0] if slight else [0.8, 0.06, 0, 0.14]),
        hair_colour=_HAIR[rng.integers(len(_HAIR))],
        top=top,
        top_pattern=rng.choice(
            ["plain", "hoops", "pinstripes", "checks", "block", "print", "dots"],
            p=[0.46, 0.12, 0.06, 0.10, 0.12, 0.09, 0.05],
        ),
        top_colour=pick(_TOPS),
        top_second=pick(_TOPS),
        bottom=bottom,
        bottom_colour=pick(_BOTTOMS if rng.random() < 0.8 else _TOPS),
        shoes=pick(("black", "white", "brown", "grey", "red", "navy")),
        hat=rng.choice(["none", "cap", "beanie"], p=[0.78, 0.13, 0.09]),
        hat_colour=pick(_TOPS),
        bag=rng.choice(["none", "backpack", "shoulder", "handbag"], p=[0.52, 0.22, 0.14, 0.12]),
        bag_colour=pick(_TOPS),
        stride=float(rng.normal(1.0, 0.05)),
        arm_swing=float(rng.uniform(0.6, 1.3)),
        lean=float(rng.normal(0.035, 0.02)),
        grain_seed=int(rng.integers(2**31)),
    )


def difference(a: Look, b: Look) -> float:
    """How easily two people are told apart by their clothes: RGB distances of top and bottom, with kind and bag."""
    top = float(np.abs(np.subtract(a.top_colour, b.top_colour)).sum())
    bottom = float(np.abs(np.subtract(a.bottom_colour, b.bottom_colour)).sum())
    kind = 0.15 * (a.top != b.top) + 0.15 * (a.bottom != b.bottom) + 0.15 * (a.top_pattern != b.top_pattern)
    return 1.3 * top + 0.9 * bottom + kind + 0.1 * (a.bag != b.bag)


def draw_looks(count: int, rng: np.random.Generator, *, uniforms: float = 0.0, distinct: bool = True) -> list[Look]:
    """`count` people. `distinct`: each is the most different of some draws; else as chance dresses them.

    `uniforms` (0..1): share of people in one uniform, told apart by build, hair and bag only.
    """
    looks: list[Look] = []
    for _ in range(count):
        draws = [random_look(rng) for _ in range(12 if distinct else 1)]
        looks.append(max(draws, key=lambda draw: min((difference(draw, other) for other in looks), default=0.0)))
    uniform = replace(
        random_look(rng), top="shirt", top_pattern="plain", top_colour=_CLOTH["navy"], bottom="trousers",
        bottom_colour=_CLOTH["charcoal"], shoes=_CLOTH["black"],
    )  # fmt: skip
    for index in range(round(uniforms * count)):
        own = looks[index]
        looks[index] = replace(
            uniform, height=own.height, girth=own.girth, shoulders=own.shoulders, hips=own.hips, skin=own.skin,
            hair=own.hair, hair_colour=own.hair_colour, hat="none", bag=own.bag, bag_colour=own.bag_colour,
            stride=own.stride, arm_swing=own.arm_swing, lean=own.lean, grain_seed=own.grain_seed,
        )  # fmt: skip
    return looks
