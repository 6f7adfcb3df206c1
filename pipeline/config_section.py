"""What all settings share: the base of the sections, the kinds of numbers, and how a part is chosen by its name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import UsageError

Part = TypeVar("Part")
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Polygon = tuple[tuple[Fraction, Fraction], ...]


class Section(BaseModel):
    """Base of all sections: strict about names, types and finite numbers, and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def choose(kind: str, name: str, known: Mapping[str, Part]) -> Part:
    """The part called `name`. Raises UsageError that names the nearest of `known`; `kind` is the section's name."""
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    nearest = f"nearest: {close[0]}" if close else f"known: {', '.join(known)}"
    raise UsageError(f"{kind}.name is {name!r}, which is no {kind}; {nearest}")
