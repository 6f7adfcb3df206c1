"""What an album leaves: a folder a person, album.json, and one page to look through."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from commands.album_people import Person

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222;background:#fff}
h1{line-height:1.2}section{border-top:1px solid #ccc;padding:1rem 0}h2{font-size:1.1rem;margin:.2rem 0}
ul{display:grid;grid-template-columns:repeat(auto-fill,minmax(6.4rem,1fr));gap:.8rem .6rem;list-style:none;padding:0}
img{width:100%;aspect-ratio:7/12;object-fit:contain;border-radius:4px;background:#eee;display:block}
small{display:block;color:#555;overflow-wrap:anywhere}a{color:inherit}a:focus-visible{outline:3px solid #06c}
.unsure img{outline:3px dashed #d55e00;outline-offset:-3px}strong{font-weight:600;color:#b34e00}
@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#eee}small{color:#aaa}section{border-color:#444}
img{background:#333}strong{color:#ff9248}a:focus-visible{outline-color:#6af}}
"""
UNSURE = 0.5
"""Below it an appearance is marked: it is likelier somebody else's. As `output.low_confidence` of a tracking run."""


def safe_name(number: int, photo: Path) -> str:
    """A file name for a copy of photo `number`: nothing in it can lead elsewhere, be hidden or be taken for another."""
    stem = _UNSAFE.sub("_", photo.stem).strip("._")[:60]
    return f"{number + 1:06d}{'-' + stem if stem else ''}{photo.suffix.lower()}"


def put_photos(people: Sequence[Person], photos: Sequence[Path], output: Path, how: str) -> None:
    """A folder a person with their photos: `copy` or `link` (to where they are now)."""
    for person in people:
        folder = output / folder_of(person)
        folder.mkdir()
        for number in person.photos:
            target = folder / safe_name(number, photos[number])
            if how == "link":
                target.symlink_to(photos[number].resolve())
            else:
                shutil.copyfile(photos[number], target)


def folder_of(person: Person) -> str:
    """`person-001`, ..."""
    return f"person-{person.number:03d}"


def as_json(
    people: Sequence[Person], photos: Sequence[Path], unreadable: dict[Path, str], source: Path
) -> dict[str, Any]:
    """The result as data; photos are named relative to the folder they came from."""
    names = [_shown(photo.relative_to(source)) for photo in photos]
    with_people = {number for person in people for number in person.photos}
    lost = {_shown(path.relative_to(source)): why for path, why in unreadable.items()}
    return {
        "schema_version": "1.0",
        "photos": len(photos),
        "people": [
            {
                "person_id": person.number,
                "appearances": [
                    {
                        "photo": names[appearance.photo],
                        "xyxy": [round(float(side), 1) for side in appearance.xyxy],
                        "detection_confidence": round(appearance.confidence, 3),
                        "link_confidence": round(sure, 3),
                        "crop": f"crops/{appearance.crop.name}",
                    }
                    for appearance, sure in zip(person.appearances, person.confidence, strict=True)
                ],
            }
            for person in people
        ],
        "without_people": [n for number, n in enumerate(names) if number not in with_people and n not in lost],
        "unreadable": lost,
    }


def page(result: dict[str, Any], photos: Sequence[Path], source: Path, output: Path) -> str:
    """The album as one page without scripts; every name in it is escaped."""
    where = {_shown(photo.relative_to(source)): photo for photo in photos}
    several = [person for person in result["people"] if len(person["appearances"]) > 1]
    once = [person for person in result["people"] if len(person["appearances"]) == 1]
    total = sum(len(person["appearances"]) for person in result["people"])
    title = f"{_counted(len(result['people']), 'person', 'people')} in {_counted(result['photos'], 'photo')}"
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Album: {title}</title>",
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; img-src 'self' file:; "
        "style-src 'unsafe-inline'\"><meta name=viewport content='width=device-width'>",
        f"<style>{_STYLE}</style><main><h1>{title}</h1>",
        f"<p>{_counted(total, 'appearance')}, grouped by the looks of the whole body: other clothes can make another "
        f"person of somebody. A picture leads to its photo. {_doubts(result)}{_lost(result)}</p>",
    ]
    if not total:
        parts.append("<p>Nobody was found. A smaller <code>--min-confidence</code> finds more.</p>")
    parts += [_section(person, where, output) for person in several]
    if once:
        parts.append(f"<section><h2>Seen once: {len(once)}</h2><ul>")
        parts += [_item(a, p["person_id"], where, output) for p in once for a in p["appearances"]]
        parts.append("</ul></section>")
    for title, names in (
        ("Nobody found", result["without_people"]),
        ("Could not be read", [f"{name}: {why}" for name, why in result["unreadable"].items()]),
    ):
        if names:
            listed = "".join(f"<small>{html.escape(name)}</small>" for name in names)
            parts.append(f"<section><details><summary>{title}: {len(names)}</summary>{listed}</details></section>")
    return "\n".join(parts) + "\n</main></html>\n"


def _counted(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


def _doubts(result: dict[str, Any]) -> str:
    sure = [a["link_confidence"] for person in result["people"] for a in person["appearances"]]
    return "A dashed frame: likelier somebody else. " if any(value < UNSURE for value in sure) else ""


def _lost(result: dict[str, Any]) -> str:
    lost = len(result["unreadable"])
    return f"<strong>{_counted(lost, 'photo')} could not be read</strong>, listed at the end." if lost else ""


def _section(person: dict[str, Any], where: dict[str, Path], output: Path) -> str:
    items = "".join(_item(appearance, person["person_id"], where, output) for appearance in person["appearances"])
    photos = len({appearance["photo"] for appearance in person["appearances"]})
    title = f"Person {person['person_id']}: {_counted(photos, 'photo')}"
    return f'<section id="person-{person["person_id"]}"><h2>{title}</h2><ul>{items}</ul></section>'


def _item(appearance: dict[str, Any], person: int, where: dict[str, Path], output: Path) -> str:
    name = html.escape(appearance["photo"])
    target = html.escape(quote(os.fsencode(os.path.relpath(where[appearance["photo"]], output))))
    unsure = appearance["link_confidence"] < UNSURE
    doubt = f"<strong>only {100 * appearance['link_confidence']:.0f} % sure</strong> " if unsure else ""
    image = f'<img src="{html.escape(quote(appearance["crop"]))}" alt="person {person} in {name}" loading=lazy>'
    return f'<li{" class=unsure" * unsure}><a href="{target}">{image}</a><small>{doubt}{name}</small></li>'


def _shown(path: Path) -> str:
    """A name as text; bytes that are no UTF-8 are written as escapes."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def write_text(path: Path, text: str) -> None:
    """Write beside, then rename: a file with its final name is whole."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_json(path: Path, result: dict[str, Any]) -> None:
    """`result` as JSON."""
    write_text(path, json.dumps(result, indent=1, allow_nan=False) + "\n")
