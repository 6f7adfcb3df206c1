"""docs/settings.md: every setting with its default, what it may be, and what it means, from pipeline/config.py.

python -m tools.settings_table > docs/settings.md
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.config import Config

HEAD = """# Settings

Every setting, as `--config FILE` (YAML) and `--set section.key=value` take it. This page is made from
`pipeline/config.py` by `python -m tools.settings_table > docs/settings.md`. How files are read: configuration.md.
"""


def allowed(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        return allowed(definitions[schema["$ref"].split("/")[-1]], definitions)
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    if "anyOf" in schema:
        kinds = [one for one in schema["anyOf"] if one.get("type") != "null"]
        optional = ", or nothing" if len(kinds) < len(schema["anyOf"]) else ""
        return " or ".join(allowed(one, definitions) for one in kinds) + optional
    if "pattern" in schema:
        return "`auto`, `cpu`, `cuda`, `cuda:N`" if "cuda" in schema["pattern"] else f"`{schema['pattern']}`"
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})]
        count = f"{len(items)} times " if "prefixItems" in schema else "list of "
        return count + allowed(items[0], definitions)
    return _number(schema)


def _number(schema: dict[str, Any]) -> str:
    kind = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "string": "text"}[
        schema["type"]
    ]
    if schema.get("format") == "date-time":
        kind = "date and time"
    for key, word in (
        ("minimum", "from"),
        ("exclusiveMinimum", "above"),
        ("maximum", "to"),
        ("exclusiveMaximum", "below"),
    ):
        if key in schema:
            kind += f" {word} {schema[key]:g}"
    return kind


def rows(section: dict[str, Any], prefix: str, definitions: dict[str, Any]) -> list[str]:
    """One Markdown row a setting."""
    lines = []
    for key, schema in section["properties"].items():
        default = json.dumps(schema.get("default"))
        meaning = schema.get("description", "").replace("|", "\\|")
        lines.append(f"| `{prefix}{key}` | {allowed(schema, definitions)} | `{default}` | {meaning} |")
    return lines


def page() -> str:
    """The whole page."""
    schema = Config.model_json_schema()
    definitions = schema["$defs"]
    plain: dict[str, Any] = {"properties": {}}
    parts = []
    for key, value in schema["properties"].items():
        reference = value.get("$ref") or value.get("additionalProperties", {}).get("$ref")
        if reference is None:
            plain["properties"][key] = value
            continue
        section = definitions[reference.split("/")[-1]]
        prefix = f"{key}." if "$ref" in value else f"{key}.<camera id>."
        parts.append((key, section, prefix))
    text = [HEAD, *_table("The run", plain, "", definitions)]
    for key, section, prefix in parts:
        text += _table(f"{key}: {section['description'].splitlines()[0]}", section, prefix, definitions)
    return "\n".join(text)


def _table(title: str, section: dict[str, Any], prefix: str, definitions: dict[str, Any]) -> list[str]:
    head = ["| setting | may be | default | meaning |", "|---|---|---|---|"]
    return [f"## {title}", "", *head, *rows(section, prefix, definitions), ""]


if __name__ == "__main__":
    print(page(), end="")
