"""The published data sets as they are released: which files are whose, which part they belong to, how many there are.

A folder is recognised by what lies in it. Counts are checked against the known releases: what differs is told, and the
work goes on. The layouts are those of the sets' own archives, written down from their documentation; the sets are not
on hand here, so the tests make folders of that form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from reid.release_readers import (
    CAVIAR,
    SUFFIXES,
    THREE_DPES,
    Item,
    PartName,
    Parts,
    caviar,
    first_there,
    grid,
    has_three_folders,
    is_grid,
    msmt17,
    prid2011,
    three_dpes,
    three_folders,
    viper,
)

__all__ = ["LAYOUTS", "Item", "Layout", "PartName", "Parts", "check_counts", "read_release", "recognise"]


@dataclass(frozen=True, slots=True)
class Layout:
    """A data set: how a folder of it is recognised and read, and what its releases hold.

    `read(folder, split)` gives the parts; `split` numbers the random splits of sets that have no fixed one (0, 1, ...).
    `counts`: images and identities (junk and distractors not counted as identities) of each part, by release.
    """

    name: str
    signs: Callable[[Path], bool]
    read: Callable[[Path, int], Parts]
    counts: Mapping[str, Mapping[str, tuple[int, int]]]


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "three folders",
        has_three_folders,
        three_folders,
        {
            "Market-1501-v15.09.15": {"train": (12936, 751), "query": (3368, 750), "gallery": (19732, 750)},
            "Market-1501 without its junk": {"train": (12936, 751), "query": (3368, 750), "gallery": (15913, 750)},
            "DukeMTMC-reID": {"train": (16522, 702), "query": (2228, 702), "gallery": (17661, 1110)},
            "CUHK03 767/700 labelled": {"train": (7368, 767), "query": (1400, 700), "gallery": (5328, 700)},
            "CUHK03 767/700 detected": {"train": (7365, 767), "query": (1400, 700), "gallery": (5332, 700)},
        },
    ),
    Layout(
        "MSMT17",
        lambda folder: (folder / "list_query.txt").is_file() and (folder / "list_train.txt").is_file(),
        msmt17,
        {"MSMT17": {"train": (32621, 1041), "query": (11659, 3060), "gallery": (82161, 3060)}},
    ),
    Layout(
        "PRID2011",
        lambda folder: (folder / "single_shot" / "cam_a").is_dir(),
        prid2011,
        {"PRID2011 single shot": {"train": (200, 100), "query": (100, 100), "gallery": (649, 649)}},
    ),
    Layout(
        "VIPeR",
        lambda folder: (folder / "cam_a").is_dir() and (folder / "cam_b").is_dir(),
        viper,
        {"VIPeR": {"train": (632, 316), "query": (316, 316), "gallery": (316, 316)}},
    ),
    Layout(
        "GRID",
        lambda folder: (folder / "gallery").is_dir() and any(map(is_grid, _first_images(folder / "probe"))),
        grid,
        {"GRID": {"train": (250, 125), "query": (125, 125), "gallery": (900, 125)}},
    ),
    Layout(
        "CAVIAR4REID",
        lambda folder: any(CAVIAR.match(path.name) for path in _first_images(folder)),
        caviar,
        {"CAVIAR4REID": {"train": (500, 25), "query": (250, 25), "gallery": (250, 25)}},
    ),
    Layout(
        "3DPeS",
        lambda folder: any(THREE_DPES.match(p.name) for p in _first_images(folder / first_there(folder, ("RGB",)))),
        three_dpes,
        {},
    ),
)


def _cuhk03(folder: Path, split: int) -> Parts:
    from reid.cuhk03 import read_cuhk03  # noqa: PLC0415 - it needs what is here

    kind, _, protocol = folder.name.partition("-")
    return read_cuhk03(folder.parent, kind, protocol, split)


_CUHK03 = {
    f"{kind}-{protocol}": Layout(
        f"CUHK03 {kind}, {protocol} protocol",
        lambda _: False,
        _cuhk03,
        {n: c for n, c in LAYOUTS[0].counts.items() if n == f"CUHK03 767/700 {word}" and protocol == "new"},
    )
    for kind, word in (("labeled", "labelled"), ("detected", "detected"))
    for protocol in ("new", "classic")
}


def _first_images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)[:1]


def recognise(folder: Path) -> Layout | None:
    """The layout of a folder; None for a plain folder of crops, or something that is no folder.

    Of CUHK03's MATLAB file in FOLDER: `FOLDER/labeled-new`, `detected-new`, `labeled-classic`, `detected-classic`,
    which name the crops and the protocol and need not exist.
    """
    if folder.name in _CUHK03 and (folder.parent / "cuhk-03.mat").is_file():
        return _CUHK03[folder.name]
    if not folder.is_dir():
        return None
    return next((layout for layout in LAYOUTS if layout.signs(folder)), None)


def read_release(folder: Path, layout: Layout, split: int = 0) -> tuple[Parts, list[str]]:
    """The parts of a data set and what is to be told of their counts. Raises UsageError for a broken layout."""
    try:
        parts = layout.read(folder, split)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder}: looks like {layout.name}, but cannot be read ({error})") from None
    empty = [part for part, items in parts.items() if not items]
    if empty:
        raise UsageError(f"{folder}: looks like {layout.name}, but has no image for {', '.join(empty)}")
    return parts, check_counts(parts, layout, folder.name)


def check_counts(parts: Parts, layout: Layout, called: str = "") -> list[str]:
    """One line: which release these counts are, or by how much they miss the nearest known one; a release that the
    folder is `called` after is nearer than any other."""
    have = {
        part: (len(items), len({item.identity for item in items if item.identity > 0})) for part, items in parts.items()
    }
    told = ", ".join(f"{part} {images} images of {people} people" for part, (images, people) in have.items())
    if not layout.counts:
        return [f"{layout.name}: {told}; no counts are known to check them against"]

    def missed(release: str) -> int:
        return sum(abs(have[p][k] - n[k]) for p, n in _counted(layout, release) for k in (0, 1))

    alike = [name for name in layout.counts if missed(name) == 0]
    after = [name for name in layout.counts if name.split()[0][:8].lower() in called.lower()]
    nearest = min(alike or after or layout.counts, key=missed)
    if alike:
        return [f"{nearest}: {told}, as released"]
    differs = [
        f"{part} has {have[part][kind]} {word} instead of {want[kind]}"
        for part, want in _counted(layout, nearest)
        for kind, word in ((0, "images"), (1, "people"))
        if have[part][kind] != want[kind]
    ]
    others = ", ".join(name for name in layout.counts if name != nearest)
    known = f" (nor is it {others})" if others else ""
    return [f"not quite {nearest}: {'; '.join(differs)}{known}; going on with what is there"]


def _counted(layout: Layout, release: str) -> list[tuple[PartName, tuple[int, int]]]:
    counts = layout.counts[release]
    return [(part, counts[part]) for part in ("train", "query", "gallery")]
