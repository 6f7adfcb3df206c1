"""Is a document a trajectories.json? By the shipped JSON Schema, then by what a schema cannot say."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA_PATH = Path(__file__).with_name("trajectories.schema.json")

_COLUMNS = ("frame", "time_s", "xyxy", "confidence", "observed", "ground_xy")


def validate(document: object) -> None:
    """Check a parsed trajectories.json against the JSON Schema and what a schema cannot say (equal lengths, order,
    each tracklet once). Raises ValueError with the place and the fault of the first."""
    error = jsonschema.exceptions.best_match(_validator().iter_errors(document))
    if error is not None:
        raise ValueError(f"trajectories.json {error.json_path}: {error.message[:300]}")
    assert isinstance(document, dict)  # noqa: S101 - the schema said so; for the type checker
    _validate_relations(document)


@cache
def _validator() -> Any:
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _validate_relations(document: dict[str, Any]) -> None:
    cameras = [camera["camera_id"] for camera in document["cameras"]]
    if len(set(cameras)) < len(cameras):
        raise ValueError(f"trajectories.json $.cameras: a camera_id stands twice in {cameras}")
    people = [trajectory["person_id"] for trajectory in document["trajectories"]]
    if len(set(people)) < len(people):
        raise ValueError("trajectories.json $.trajectories: a person_id stands twice")
    seen: set[tuple[str, int]] = set()
    for i, trajectory in enumerate(document["trajectories"]):
        where = f"trajectories.json $.trajectories[{i}]"
        own = set()
        for j, tracklet in enumerate(trajectory["tracklets"]):
            key = (tracklet["camera_id"], tracklet["track_id"])
            lengths = {len(tracklet[name]) for name in _COLUMNS if name in tracklet}
            if len(lengths) > 1:
                raise ValueError(f"{where}.tracklets[{j}]: arrays of different lengths {sorted(lengths)}")
            if key in seen or key[0] not in cameras:
                raise ValueError(f"{where}.tracklets[{j}]: tracklet {key} stands twice or is of no known camera")
            if any(b <= a for a, b in zip(tracklet["frame"], tracklet["frame"][1:], strict=False)):
                raise ValueError(f"{where}.tracklets[{j}]: frames do not ascend")
            seen.add(key)
            own.add(key)
        if sorted({key[0] for key in own}) != sorted(trajectory["cameras"]):
            raise ValueError(f"{where}.cameras: not the cameras of its tracklets")
        for link in trajectory["links"]:
            if not {tuple(link["from"]), tuple(link["to"])} <= own:
                raise ValueError(f"{where}.links: a link leaves the trajectory")
