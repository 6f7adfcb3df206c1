"""A small, strict YAML reader: what is written is what is read.

YAML 1.1 reads `no` as false, `12:30` as 750, `010` as 8 and `1e-3` as text, and the last of two equal keys wins. Here
only `true`/`false` are booleans, numbers are plain decimals (with or without exponent), all else is text; keys are
text as written; duplicate keys, tags, anchors, several documents and deep nesting are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

MAX_DEPTH = 24
"""Levels of nesting; a configuration needs 6 (cameras, id, polygons, polygon, corner, coordinate)."""

Path = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)")
_CONSTANTS = {"true": True, "false": False, "null": None, "~": None, "": None}


class StrictYamlError(ValueError):
    """Not readable as strict YAML; `line` is 1-based, 0 where unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and the 1-based line of each path in it."""

    data: Any
    lines: dict[Path, int]
    text: dict[Path, str]
    """The characters of each scalar as written."""


def scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        # int() refuses more than 4300 digits with a ValueError of its own words.
        return int(text) if len(text) < 20 else float(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def parse(text: str) -> Document:
    """Read one YAML document. Raises StrictYamlError."""
    reader = _Reader(text)
    try:
        return reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise StrictYamlError(error.problem or error.context or "not YAML", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise StrictYamlError(" ".join(str(error).split())) from None


class _Reader:
    def __init__(self, text: str) -> None:
        self._events: Iterator[Event] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        self.lines: dict[Path, int] = {}
        self.text: dict[Path, str] = {}

    def document(self) -> Document:
        data: Any = None
        documents = 0
        for event in self._events:
            if isinstance(event, (StreamStartEvent, DocumentEndEvent, StreamEndEvent)):
                continue
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise StrictYamlError("a second document (---) in one file", _line(event))
                continue
            data = self._value(event, ())
        return Document(data, self.lines, self.text)

    def _value(self, event: Event, path: Path) -> Any:
        line = _line(event)
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise StrictYamlError("anchors and aliases (& and *) are not read; write the value out", line)
        if tag := getattr(event, "tag", None):
            raise StrictYamlError(f"tags are not read ({str(tag)[:60]}); write plain values", line)
        if len(path) > MAX_DEPTH:
            raise StrictYamlError(f"nested deeper than {MAX_DEPTH} levels", line)
        self.lines[path] = line
        if isinstance(event, ScalarEvent):
            self.text[path] = event.value
            return scalar(event.value) if event.style is None else event.value
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        raise StrictYamlError(f"unexpected {type(event).__name__}", line)  # pragma: no cover - parser's own grammar

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            line = _line(event)
            if not isinstance(event, ScalarEvent) or event.tag or event.anchor:
                raise StrictYamlError("a key must be plain text", line)
            key = event.value
            if key in items:
                first = self.lines[(*path, key)]
                raise StrictYamlError(f"the key {key!r} stands twice (first in line {first})", line)
            items[key] = self._value(next(self._events), (*path, key))
            self.lines[(*path, key)] = line
        return items


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark else 0


class _Dumper(yaml.SafeDumper):
    """Quotes every text that is not clearly text, so that any YAML reader gives it back as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")


_Dumper.add_representer(str, _represent_text)


def dump(data: Any) -> str:
    """Plain data as YAML that `parse` gives back equal; the order is kept."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return text
