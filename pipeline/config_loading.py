"""YAML and `--set a.b=c` -> Config; a fault is one line: file, line, key, value, what is wanted, nearest known key."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import yaml_strict
from pipeline.config import Config
from pipeline.config_words import KeyPath, describe, lookup, nearest
from pipeline.errors import UsageError

MAX_BYTES = 1_000_000
"""Larger configurations are refused unread; ours are under 10 kB."""

_SECTIONS = frozenset(Config.model_fields) - {"schema_version", "clock", "calibration"}


def load_config(path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """The settings of `path` (None: the defaults) with `overrides` (`"tracker.max_lost_s=2"`) laid over them.

    Raises UsageError with one line for the first fault, and the keys of the others.
    """
    document = _read(path) if path is not None else yaml_strict.Document({}, {}, {})
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        raise UsageError(f"{path}: wants settings as `section: {{key: value}}`, got {_shown(data)}")
    # A section whose lines are all commented out reads as empty: the defaults.
    data = {key: value for key, value in data.items() if value is not None or key not in _SECTIONS}
    if "schema_version" in data:  # 1.0 unquoted is a number to YAML
        data["schema_version"] = document.text.get(("schema_version",), data["schema_version"])
    origins: dict[KeyPath, str] = {}
    for override in overrides:
        key_path = _apply(data, override)
        origins[key_path] = f"--set {override}"
    try:
        return Config.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise UsageError(_message(error, path, document.lines, origins)) from None


def dump_config(config: Config) -> str:
    """Every value of `config` as YAML in the order of the models; `load_config` gives an equal Config back."""
    return (
        f"# Every value that was used; feed it back with --config.\n{yaml_strict.dump(config.model_dump(mode='json'))}"
    )


def _read(path: Path) -> yaml_strict.Document:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path}: not a regular file; --config wants a YAML file")
        if status.st_size > MAX_BYTES:
            raise UsageError(f"{path}: {status.st_size} bytes; a configuration may have at most {MAX_BYTES}")
        text = path.read_bytes().decode("utf-8-sig")
        return yaml_strict.parse(text)
    except OSError as error:
        raise UsageError(f"{path}: cannot read the configuration ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    except yaml_strict.StrictYamlError as error:
        raise UsageError(f"{path}{_line_suffix(error.line)}: {error}") from None


def _apply(data: dict[str, Any], override: str) -> KeyPath:
    """Lay one `--set` over `data` in place; returns the path that was set."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UsageError(f"--set {override}: wants section.key=value, e.g. --set tracker.name=sort")
    try:
        value = yaml_strict.parse(text).data
    except yaml_strict.StrictYamlError as error:
        raise UsageError(f"--set {override}: {error}") from None
    parts = key.split(".")
    if parts[0] == "cameras" and len(parts) > 2:
        parts = ["cameras", ".".join(parts[1:-1]), parts[-1]]  # a camera id may hold dots
    if parts == ["schema_version"]:
        value = text.strip()
    node = data
    for part in parts[:-1]:
        child = node.get(part)
        if not isinstance(child, dict):
            child = node[part] = {}
        node = child
    node[parts[-1]] = value
    return tuple(parts)


def _message(error: ValidationError, path: Path | None, lines: Mapping[Any, int], origins: Mapping[Any, str]) -> str:
    schema = Config.model_json_schema()
    faults = error.errors(include_url=False)
    first = faults[0]
    location: KeyPath = tuple(first["loc"])
    where = _origin(location, path, lines, origins)
    others = sorted({_dotted(tuple(fault["loc"])) for fault in faults[1:]} - {_dotted(location)})
    tail = f" (and {len(others)} more: {', '.join(others[:5])})" if others else ""
    return f"{where}: {_fault(dict(first), location, schema)}{tail}"


def _fault(fault: Mapping[str, Any], location: KeyPath, schema: Mapping[str, Any]) -> str:
    key = _dotted(location)
    if fault["type"] == "extra_forbidden":
        return f"{key} is not a setting{nearest(location, schema)}"
    if location == ("schema_version",):
        return f"schema_version is {_shown(fault['input'])}, this version reads '1.0'; bring the file up to date"
    if fault["type"] == "value_error":
        return f"{key} is {_shown(fault['input'])}: {fault['ctx']['error']}"
    field = lookup(location, schema)
    simple = field.get("type") != "object" and "default" in field
    default = f" (default {_shown(field['default'])})" if simple else ""
    if fault["type"] == "missing":
        return f"{key} is missing; wants {describe(field, schema)}"
    return f"{key} is {_shown(fault['input'])}, wants {describe(field, schema)}{default}"


def _origin(location: KeyPath, path: Path | None, lines: Mapping[Any, int], origins: Mapping[Any, str]) -> str:
    for length in range(len(location), 0, -1):
        if location[:length] in origins:
            return origins[location[:length]]
    line = next((lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in lines), 0)
    return f"{path}{_line_suffix(line)}" if path is not None else "configuration"


def _line_suffix(line: int) -> str:
    return f":{line}" if line else ""


def _dotted(location: KeyPath) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return _clean(text.removeprefix("."))


def _clean(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "?", text)[:120]


def _shown(value: Any) -> str:
    """A value as it would stand in YAML, cut to 60 characters."""
    if value is None:
        return "empty"
    if isinstance(value, str):
        return f"the text {_clean(value)[:60]!r}"
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
