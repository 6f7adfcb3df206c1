"""What a key of the configuration wants, in words with its range, told from the JSON Schema of Config."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

KeyPath = tuple[str | int, ...]
Node = Mapping[str, Any]

_WORDS = {"boolean": "true or false", "null": "nothing", "object": "a section of `key: value` lines"}


def _resolve(node: Node, schema: Node) -> Node:
    if "$ref" in node:
        target: Node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        return {**target, **{k: v for k, v in node.items() if k != "$ref"}}
    return node


def lookup(location: KeyPath, schema: Node) -> Node:
    """The schema of the value at `location`; {} where there is none."""
    node: Node = schema
    for part in location:
        node = _resolve(node, schema)
        options = [_resolve(option, schema) for option in node.get("anyOf", [node])]
        node = next((option for option in options if option.get("type") != "null"), {})
        if isinstance(part, int):
            fixed = node.get("prefixItems", ())
            node = fixed[part] if part < len(fixed) else node.get("items") or {}
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        elif isinstance(node.get("additionalProperties"), Mapping):
            node = node["additionalProperties"]
        else:
            return {}
    return _resolve(node, schema)


def describe(node: Node, schema: Node) -> str:
    """What a node of the JSON Schema allows, in words with its range."""
    node = _resolve(node, schema)
    if "anyOf" in node:
        return " or ".join(describe(option, schema) for option in node["anyOf"])
    if "enum" in node or "const" in node:
        values = node.get("enum") or [node["const"]]
        return ("one of " if len(values) > 1 else "") + ", ".join(str(value) for value in values)
    kind = node.get("type")
    if kind in ("number", "integer"):
        return ("a number" if kind == "number" else "a whole number") + _range(node)
    if kind == "array":
        return _list(node, schema)
    if kind == "string":
        return _text(node)
    return _WORDS.get(str(kind), "another value")


def _list(node: Node, schema: Node) -> str:
    fixed = node.get("prefixItems", ())
    item = node.get("items") or next(iter(fixed), None)
    count = f"{len(fixed)} " if fixed else ""
    return f"a list of {count}" + (f"({describe(item, schema)})" if isinstance(item, Mapping) else "values")


def _text(node: Node) -> str:
    if node.get("format") == "date-time":
        return "a date and time such as '2026-03-01T09:30:00Z'"
    return "text" + (f" matching {node['pattern']}" if "pattern" in node else "")


def _range(node: Node) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    words = ((low, "of at least"), (above, "above"), (high, "of at most"), (below, "below"))
    return " and".join(f" {word} {bound:g}" for bound, word in words if bound is not None)


def nearest(location: KeyPath, schema: Mapping[str, Any]) -> str:
    """`; nearest: x.y` among the keys of the same section, else of all sections, else the section's keys."""
    *parents, wrong = location
    here = lookup(tuple(parents), schema).get("properties", {})
    prefix = "".join(f"{part}." for part in parents)
    close = difflib.get_close_matches(str(wrong), here, n=1, cutoff=0.6)
    if close:
        return f"; nearest: {prefix}{close[0]}"
    everywhere = {key.rsplit(".", 1)[-1]: key for key in _all_keys(schema, schema, "")}
    close = difflib.get_close_matches(str(wrong), everywhere, n=1, cutoff=0.75)
    if close:
        return f"; nearest: {everywhere[close[0]]}"
    return f"; known here: {', '.join(here)}" if here else ""


def _all_keys(node: Mapping[str, Any], schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, child in node.get("properties", {}).items():
        yield f"{prefix}{name}"
        yield from _all_keys(_resolve(child, schema), schema, f"{prefix}{name}.")
