"""CUHK03 as its authors release it: one MATLAB file of images, and the two protocols.

Classic (Li et al., CVPR 2014): 20 splits of 100 test people, camera 1 to camera 2 of each pair, single shot.
New (Zhong et al., CVPR 2017): 767 people to train on, 700 to test, told by `cuhk03_new_protocol_config_*.mat`.
The crops are written out as PNG files once, beside the MATLAB file; reading it needs the h5py package.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.errors import UsageError
from reid.release_readers import Item, PartName, Parts

logger = logging.getLogger(__name__)

RELEASE = "cuhk-03.mat"
KINDS = ("labeled", "detected")
SPLITS = 20
_OF_A_VIEW = 5
"""Of the 10 images of a person the first 5 are camera 1's."""


def new_protocol_file(folder: Path, kind: str) -> Path:
    """The file that says who is trained on and who is looked for."""
    return folder / f"cuhk03_new_protocol_config_{kind}.mat"


def read_cuhk03(folder: Path, kind: str, protocol: str, split: int = 0) -> Parts:
    """The parts of the release in `folder`; `kind` labeled or detected, `protocol` new or classic.

    `split`: which of the 20 of the classic protocol. Raises UsageError when a file is missing or not readable.
    """
    images = _extract(folder, kind)
    return _new(folder, kind, images) if protocol == "new" else _classic(folder, images, split)


def _extract(folder: Path, kind: str) -> Path:
    target = folder / f"images_{kind}"
    if target.is_dir():
        return target
    part = folder / f"images_{kind}.part"
    part.mkdir(exist_ok=True)
    logger.info("%s: writing the %s crops out as files, once", folder / RELEASE, kind)
    with _open(folder / RELEASE) as release:
        for name, image in _images(release, kind):
            ok, data = cv2.imencode(".png", image)
            if not ok:
                raise UsageError(f"{folder / RELEASE}: image {name} could not be written; get the file again")
            (part / name).write_bytes(data.tobytes())
    part.rename(target)
    return target


def _open(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"{path}: not there; it is the file of the CUHK03 release")
    try:
        import h5py  # noqa: PLC0415 - for this file alone
    except ImportError:
        raise UsageError(f"{path}: needs the h5py package: pip install h5py, or use the release in folders") from None
    try:
        return h5py.File(path)
    except OSError as error:
        raise UsageError(f"{path}: not readable ({error}); get it again") from None


def _images(release: Any, kind: str) -> Iterator[tuple[str, np.ndarray[Any, np.dtype[np.uint8]]]]:
    """Name and BGR image: `<pair>_<person>_<camera>_<n>.png`, as the new protocol's list has them."""
    for pair, reference in enumerate(release[kind][0], start=1):
        people = release[reference]  # (10, people) of references: MATLAB's arrays come transposed
        for person in range(people.shape[1]):
            for place in range(people.shape[0]):
                pixels = np.asarray(release[people[place, person]])
                if pixels.ndim == 3:  # a missing image is an empty array
                    image = np.ascontiguousarray(pixels.transpose(2, 1, 0)[..., ::-1], np.uint8)
                    yield f"{pair}_{person + 1:03d}_{1 + place // _OF_A_VIEW}_{place + 1:02d}.png", image


def _item(path: Path, identity: int) -> Item:
    return Item(path, identity, int(path.stem.split("_")[2]))


def _new(folder: Path, kind: str, images: Path) -> Parts:
    from scipy.io import loadmat  # noqa: PLC0415

    path = new_protocol_file(folder, kind)
    try:
        config = loadmat(path)
        names = [str(np.ravel(name)[0]) for name in np.ravel(config["filelist"])]
        labels = np.ravel(config["labels"]).astype(int)
        parts: dict[PartName, list[Item]] = {}
        every: tuple[PartName, ...] = ("train", "query", "gallery")
        for part in every:
            rows = np.ravel(config[f"{part}_idx"]).astype(int) - 1
            parts[part] = [_item(images / names[row], int(labels[row])) for row in rows]
        return parts
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise UsageError(f"{path}: not readable as the 767/700 split ({error}); get it again") from None


def _classic(folder: Path, images: Path, split: int) -> Parts:
    if not 0 <= split < SPLITS:
        raise UsageError(f"split {split}: CUHK03 has splits 0 to {SPLITS - 1}")
    with _open(folder / RELEASE) as release:
        test = {(int(pair), int(person)) for pair, person in np.asarray(release[release["testsets"][0][split]]).T}
    people: dict[tuple[int, int], int] = {}
    train: list[Item] = []
    rest: list[Item] = []
    for path in sorted(images.iterdir()):
        pair, person = (int(part) for part in path.stem.split("_")[:2])
        identity = people.setdefault((pair, person), len(people) + 1)
        (rest if (pair, person) in test else train).append(_item(path, identity))
    return {
        "train": train,
        "query": [item for item in rest if item.camera == 1],
        "gallery": [item for item in rest if item.camera == 2],
    }
