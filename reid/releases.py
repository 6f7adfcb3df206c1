"""The published data sets as they are released: which files are whose, which part they belong to, how many there are.

A folder is recognised by what lies in it. Counts are checked against the known releases: what differs is told, and the
work goes on. The layouts are those of the sets' own archives, written down from their documentation; the sets are not
on hand here, so the tests make folders of that form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.errors import UsageError

PartName = Literal["train", "query", "gallery"]
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True, slots=True)
class Item:
    """One image file: whose (-1 junk, 0 distractor where the set has them), from which camera."""

    path: Path
    identity: int
    camera: int


Parts = Mapping[PartName, Sequence[Item]]


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


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _named(folder: Path, form: re.Pattern[str], what: str) -> Iterator[tuple[Path, re.Match[str]]]:
    """Images of a folder whose names have the `form`. Raises UsageError that names one which has not."""
    for path in _images(folder):
        match = form.match(path.name)
        if match is None:
            raise UsageError(f"{path}: not the name of an image of {what}; restore the folder as it was released")
        yield path, match


# Market-1501, DukeMTMC-reID and CUHK03 in its new protocol come as three folders of crops with telling names.
_MARKET = re.compile(r"(-?\d+)_c(\d+)")


def _three_folders(folder: Path, split: int) -> Parts:
    del split
    names: Mapping[PartName, str] = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
    return {
        part: [Item(path, int(m[1]), int(m[2])) for path, m in _named(folder / name, _MARKET, folder.name)]
        for part, name in names.items()
    }


def _has_three(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in ("bounding_box_train", "query", "bounding_box_test"))


_MSMT = re.compile(r"(\d+)_\d+_(\d+)_")


def _msmt17(folder: Path, split: int) -> Parts:
    del split
    lists: Mapping[PartName, tuple[str, ...]] = {
        "train": ("list_train.txt", "list_val.txt"),
        "query": ("list_query.txt",),
        "gallery": ("list_gallery.txt",),
    }
    parts: dict[PartName, list[Item]] = {}
    for part, names in lists.items():
        images = folder / _first_there(
            folder, ("train", "mask_train_v2") if part == "train" else ("test", "mask_test_v2")
        )
        rows = [line.split() for name in names for line in (folder / name).read_text().splitlines() if line.strip()]
        items = []
        for row in rows:
            match = _MSMT.match(Path(row[0]).name)
            if len(row) != 2 or match is None:
                raise UsageError(f"{folder}: {' '.join(row)!r} is no line of an MSMT17 list; restore it")
            items.append(Item(images / row[0], int(row[1]), int(match[2])))
        parts[part] = items
    return parts


def _first_there(folder: Path, names: Sequence[str]) -> str:
    return next((name for name in names if (folder / name).is_dir()), names[0])


_DIGITS = re.compile(r"(?:person_)?(\d+)")


def _cameras_ab(folder: Path, what: str, form: re.Pattern[str] = _DIGITS) -> list[list[Item]]:
    return [
        [Item(path, int(m[1]) + 1, camera) for path, m in _named(folder / name, form, what)]
        for camera, name in enumerate(("cam_a", "cam_b"), start=1)
    ]


def _halves(people: Sequence[int], split: int, test: int) -> tuple[set[int], set[int]]:
    """Train and test identities of random split number `split`."""
    order = np.random.default_rng(split).permutation(np.array(sorted(people))).tolist()
    return set(order[test:]), set(order[:test])


def _only(items: Sequence[Item], people: set[int]) -> list[Item]:
    return [item for item in items if item.identity in people]


def _viper(folder: Path, split: int) -> Parts:
    a, b = _cameras_ab(folder, "VIPeR")
    train, test = _halves(sorted({item.identity for item in a}), split, 316)
    return {"train": _only([*a, *b], train), "query": _only(a, test), "gallery": _only(b, test)}


def _prid2011(folder: Path, split: int) -> Parts:
    """Hirzer et al. 2011: 100 of the 200 people of both cameras are sought among all of camera B but the trained."""
    a, b = _cameras_ab(folder / "single_shot", "PRID2011")
    both = {item.identity for item in a} & {item.identity for item in b}
    train, test = _halves(sorted(both), split, len(both) // 2)
    return {
        "train": _only([*a, *b], train),
        "query": _only(a, test),
        "gallery": [item for item in b if item.identity not in train],
    }


_GRID = re.compile(r"(\d+)_(\d+)_")


def _is_grid(path: Path) -> bool:
    return _GRID.match(path.name) is not None


def _grid(folder: Path, split: int) -> Parts:
    probe, gallery = (
        [Item(path, int(m[1]), int(m[2])) for path, m in _named(folder / name, _GRID, "GRID")]
        for name in ("probe", "gallery")
    )
    people = sorted({item.identity for item in probe})
    train, test = _halves(people, split, len(people) // 2)
    return {
        "train": _only([*probe, *gallery], train),
        "query": _only(probe, test),
        "gallery": [item for item in gallery if item.identity not in train],
    }


_CAVIAR = re.compile(r"(\d{4})(\d{3})\.")
_CAVIAR_IN_BOTH, _CAVIAR_A_CAMERA = 50, 10


def _caviar(folder: Path, split: int) -> Parts:
    """Cheng et al. 2011: people 1 to 50 have 10 images in each of two cameras, the other 22 in one."""
    items = [
        Item(path, int(m[1]), 2 if int(m[1]) <= _CAVIAR_IN_BOTH and int(m[2]) > _CAVIAR_A_CAMERA else 1)
        for path, m in _named(folder, _CAVIAR, "CAVIAR4REID")
    ]
    both = sorted({item.identity for item in items if item.camera == 2})
    train, test = _halves(both, split, len(both) // 2)
    kept = [item for item in items if item.identity not in train]
    return {
        "train": _only(items, train),
        "query": [item for item in _only(kept, test) if item.camera == 1],
        "gallery": [item for item in kept if item.camera == 2],
    }


_3DPES = re.compile(r"(\d+)_(\d+)_FRAME_")


def _3dpes(folder: Path, split: int) -> Parts:
    items = [
        Item(path, int(m[1]), int(m[2])) for path, m in _named(folder / _first_there(folder, ("RGB",)), _3DPES, "3DPeS")
    ]
    people = sorted({item.identity for item in items})
    train, test = _halves(people, split, len(people) // 2)
    rest = _only(items, test)
    return {"train": _only(items, train), "query": rest, "gallery": rest}


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "three folders",
        _has_three,
        _three_folders,
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
        _msmt17,
        {"MSMT17": {"train": (32621, 1041), "query": (11659, 3060), "gallery": (82161, 3060)}},
    ),
    Layout(
        "PRID2011",
        lambda folder: (folder / "single_shot" / "cam_a").is_dir(),
        _prid2011,
        {"PRID2011 single shot": {"train": (200, 100), "query": (100, 100), "gallery": (649, 649)}},
    ),
    Layout(
        "VIPeR",
        lambda folder: (folder / "cam_a").is_dir() and (folder / "cam_b").is_dir(),
        _viper,
        {"VIPeR": {"train": (632, 316), "query": (316, 316), "gallery": (316, 316)}},
    ),
    Layout(
        "GRID",
        lambda folder: (folder / "gallery").is_dir() and any(map(_is_grid, _first_images(folder / "probe"))),
        _grid,
        {"GRID": {"train": (250, 125), "query": (125, 125), "gallery": (900, 125)}},
    ),
    Layout(
        "CAVIAR4REID",
        lambda folder: any(_CAVIAR.match(path.name) for path in _first_images(folder)),
        _caviar,
        {"CAVIAR4REID": {"train": (500, 25), "query": (250, 25), "gallery": (250, 25)}},
    ),
    Layout(
        "3DPeS",
        lambda folder: any(_3DPES.match(p.name) for p in _first_images(folder / _first_there(folder, ("RGB",)))),
        _3dpes,
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
