"""What outlives a solution: store/corrections.yaml (what the user said) and store/people.json (numbers given).

corrections.yaml can be read and edited by hand; people.json cannot usefully. Neither holds pixels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, get_args

from pipeline import yaml_strict
from pipeline.association.corrections import Correction, Kind, TrackletRef
from pipeline.association.numbering import Numbers, Stretch
from pipeline.errors import UsageError
from pipeline.outputs.atomic import atomic_write

SCHEMA_VERSION = "1.0"
CORRECTIONS = "corrections.yaml"
PEOPLE = "people.json"

_HEAD = """\
# What was said with `run.py relink`; a later entry stands above an earlier one. docs/corrections.md tells more.
# A tracklet is its camera, track and frames (0-based), and a box (frame, x1, y1, x2, y2) to find it by.
"""


def write_corrections(store: Path, corrections: Sequence[Correction]) -> None:
    """Write store/corrections.yaml, or remove it when nothing is said."""
    path = store / CORRECTIONS
    if not corrections:
        path.unlink(missing_ok=True)
        return
    document = {
        "schema_version": SCHEMA_VERSION,
        "corrections": [_entry(entry) for entry in corrections],
    }
    atomic_write(path, _HEAD + yaml_strict.dump(document), 0o600)


def read_corrections(store: Path) -> tuple[Correction, ...]:
    """What was said so far; nothing without a file. Raises UsageError for a file that is not one."""
    path = store / CORRECTIONS
    if not path.exists():
        return ()
    try:
        document = yaml_strict.parse(path.read_bytes().decode("utf-8")).data
        if str(document["schema_version"]) != SCHEMA_VERSION:
            raise ValueError(f"schema_version {document['schema_version']!r}, this program reads {SCHEMA_VERSION!r}")
        entries = tuple(_correction(entry) for entry in document["corrections"])
        if [entry.number for entry in entries] != sorted({entry.number for entry in entries}):
            raise ValueError("the numbers of its entries do not ascend")
        return entries
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        what = f"{type(error).__name__}: {error}"[:160]
        raise UsageError(f"{path}: no corrections ({what}); mend it, or remove it to begin without any") from None


def _entry(correction: Correction) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "number": correction.number,
        "batch": correction.batch,
        "said": correction.said,
        "kind": correction.kind,
        "tracklets": [_ref(ref) for ref in correction.tracklets],
    }
    if correction.others:
        entry["others"] = [_ref(ref) for ref in correction.others]
    if correction.frame is not None:
        entry["frame"] = correction.frame
    entry["videos"] = dict(sorted(correction.videos.items()))
    return entry


def _correction(entry: Mapping[str, Any]) -> Correction:
    kind: Kind = entry["kind"]
    if kind not in get_args(Kind):
        raise ValueError(f"kind {kind!r}, wants one of {', '.join(get_args(Kind))}")
    frame = entry.get("frame")
    if (kind == "cut") != isinstance(frame, int) or not entry["tracklets"]:
        raise ValueError(f"entry {entry['number']}: a cut and nothing else has a frame, and each names tracklets")
    return Correction(
        number=int(entry["number"]),
        kind=kind,
        said=str(entry["said"]),
        tracklets=tuple(_read_ref(ref) for ref in entry["tracklets"]),
        others=tuple(_read_ref(ref) for ref in entry.get("others", ())),
        frame=frame,
        batch=int(entry["batch"]),
        videos={str(camera): str(digest) for camera, digest in entry["videos"].items()},
    )


def _ref(ref: TrackletRef) -> dict[str, Any]:
    return {
        "camera": ref.key[0],
        "track": ref.key[1],
        "frames": [ref.first, ref.last],
        "boxes": [[frame, *xyxy] for frame, xyxy in ref.anchors],
    }


def _read_ref(entry: Mapping[str, Any]) -> TrackletRef:
    first, last = (int(frame) for frame in entry["frames"])
    anchors = []
    for frame, *xyxy in entry["boxes"]:
        x1, y1, x2, y2 = (float(value) for value in xyxy)
        anchors.append((int(frame), (x1, y1, x2, y2)))
    return TrackletRef((str(entry["camera"]), int(entry["track"])), first, last, tuple(anchors))


def write_numbers(store: Path, numbers: Numbers) -> None:
    """Write store/people.json."""
    document = {"schema_version": SCHEMA_VERSION, "base": _rows(numbers.base), "now": _rows(numbers.now)}
    atomic_write(store / PEOPLE, json.dumps(document) + "\n", 0o600)


def read_numbers(store: Path) -> Numbers | None:
    """Who had which number; None without a file, or with one that is not usable: numbers then begin anew."""
    try:
        document = json.loads((store / PEOPLE).read_bytes())
        if document["schema_version"] != SCHEMA_VERSION:
            return None
        base, now = ([Stretch(str(c), *map(int, rest)) for c, *rest in document[name]] for name in ("base", "now"))
        return Numbers(tuple(base), tuple(now))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _rows(stretches: Sequence[Stretch]) -> list[tuple[Any, ...]]:
    return [astuple(stretch) for stretch in stretches]
