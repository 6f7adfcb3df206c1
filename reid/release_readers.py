"""Readers of the published data sets' folders: which files are whose, and which part they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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


def three_folders(folder: Path, split: int) -> Parts:
    """Market-1501, DukeMTMC-reID, CUHK03 767/700 in folders: `bounding_box_train`, `query`, `bounding_box_test`."""
    del split
    names: Mapping[PartName, str] = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
    return {
        part: [Item(path, int(m[1]), int(m[2])) for path, m in _named(folder / name, _MARKET, folder.name)]
        for part, name in names.items()
    }


def has_three_folders(folder: Path) -> bool:
    """Whether `folder` holds the three of `three_folders`."""
    return all((folder / name).is_dir() for name in ("bounding_box_train", "query", "bounding_box_test"))


_MSMT = re.compile(r"(\d+)_\d+_(\d+)_")


def msmt17(folder: Path, split: int) -> Parts:
    """Wei et al., CVPR 2018: by its lists; the validation list is trained on, as the authors do."""
    del split
    lists: Mapping[PartName, tuple[str, ...]] = {
        "train": ("list_train.txt", "list_val.txt"),
        "query": ("list_query.txt",),
        "gallery": ("list_gallery.txt",),
    }
    parts: dict[PartName, list[Item]] = {}
    for part, names in lists.items():
        images = folder / first_there(
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


def first_there(folder: Path, names: Sequence[str]) -> str:
    """The first of `names` that is a folder in `folder`, else the first."""
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


def viper(folder: Path, split: int) -> Parts:
    """Gray et al. 2007: 632 people, one image in each of two cameras, 316 to test."""
    a, b = _cameras_ab(folder, "VIPeR")
    train, test = _halves(sorted({item.identity for item in a}), split, 316)
    return {"train": _only([*a, *b], train), "query": _only(a, test), "gallery": _only(b, test)}


def prid2011(folder: Path, split: int) -> Parts:
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


def is_grid(path: Path) -> bool:
    """Whether an image is called as GRID's are."""
    return _GRID.match(path.name) is not None


def grid(folder: Path, split: int) -> Parts:
    """Loy et al. 2009: 250 people of two cameras, half to test, and 775 others in the gallery."""
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


CAVIAR = re.compile(r"(\d{4})(\d{3})\.")
_CAVIAR_IN_BOTH, _CAVIAR_A_CAMERA = 50, 10


def caviar(folder: Path, split: int) -> Parts:
    """Cheng et al. 2011: people 1 to 50 have 10 images in each of two cameras, the other 22 in one."""
    items = [
        Item(path, int(m[1]), 2 if int(m[1]) <= _CAVIAR_IN_BOTH and int(m[2]) > _CAVIAR_A_CAMERA else 1)
        for path, m in _named(folder, CAVIAR, "CAVIAR4REID")
    ]
    both = sorted({item.identity for item in items if item.camera == 2})
    train, test = _halves(both, split, len(both) // 2)
    kept = [item for item in items if item.identity not in train]
    return {
        "train": _only(items, train),
        "query": [item for item in _only(kept, test) if item.camera == 1],
        "gallery": [item for item in kept if item.camera == 2],
    }


THREE_DPES = re.compile(r"(\d+)_(\d+)_FRAME_")


def three_dpes(folder: Path, split: int) -> Parts:
    """Baltieri et al. 2011: half of the people to test, all of their images query and gallery."""
    items = [
        Item(path, int(m[1]), int(m[2]))
        for path, m in _named(folder / first_there(folder, ("RGB",)), THREE_DPES, "3DPeS")
    ]
    people = sorted({item.identity for item in items})
    train, test = _halves(people, split, len(people) // 2)
    rest = _only(items, test)
    return {"train": _only(items, train), "query": rest, "gallery": rest}
