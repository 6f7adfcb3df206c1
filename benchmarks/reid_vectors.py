"""Crops of known people with vectors, computed once for a weight file and set, and kept.

Vectors are found again by the sha256 of the weights and of the archive, so a file that was trained anew under its old
name is embedded anew, and the same file under another name is not.
"""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import cv2
import numpy as np

from pipeline.association.prior import DistancePrior, LabelledCrops, fit_prior
from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.weights import sha256_of
from reid import build_embedder
from reid.embedder import weights_of

PRIOR_SETS = ("cuhk01_671", "pku_reid_train", "3dpes")
HELD_OUT_SET = "cuhk03_pair1_labeled"
HELD_OUT = 100
"""People of cuhk03 that no training here sees: the first of the permutation by seed 0 (reid/datasets.py)."""
CACHE = Path(".cache/association_reid")


def read_tar(path: Path) -> tuple[list[np.ndarray], LabelledCrops]:
    """Images, and labels without vectors, of a tar of `<id>_c<camera>_<n>.<ext>`, ordered by id, camera, n."""
    found: list[tuple[int, int, int, np.ndarray]] = []
    with tarfile.open(path) as archive:
        for member in archive:
            if (file := archive.extractfile(member)) is not None:
                person, camera, number = Path(member.name).stem.split("_")
                image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
                if image is None:
                    raise ValueError(f"{path}: {member.name} is no image")
                found.append((int(person), int(camera[1:]), int(number), image))
    found.sort(key=lambda row: row[:3])
    label = np.array([row[:2] for row in found], dtype=np.int64)
    return [row[3] for row in found], LabelledCrops(np.zeros((len(found), 0), np.float32), label[:, 0], label[:, 1])


def embedder_of(model: str) -> str:
    """The embedder's name by the kind of weight file."""
    return {".xml": "openvino", ".onnx": "onnx"}.get(Path(model).suffix, "mgn")


def embedded(path: Path, model: str, name: str, cache: Path = CACHE) -> LabelledCrops:
    """The crops of a tar (of cuhk03: the held-out people) with vectors by `model` of embedder `name`."""
    config = EmbedderConfig(name=name, model=model)
    weights = weights_of(config)
    parts = [file for file in (weights, weights.with_suffix(".bin")) if file.is_file()]
    said = " ".join([name, *(sha256_of(file) for file in parts), sha256_of(path)])
    stored = cache / f"{path.stem}-{weights.stem}-{hashlib.sha256(said.encode()).hexdigest()[:16]}.npz"
    if not stored.is_file():
        images, labels = read_tar(path)
        people = np.unique(labels.person)
        if path.stem == HELD_OUT_SET:
            people = np.random.default_rng(0).permutation(people)[:HELD_OUT]
        rows = np.flatnonzero(np.isin(labels.person, people))
        vector = build_embedder(config, RuntimeConfig()).embed([images[row] for row in rows])
        cache.mkdir(parents=True, exist_ok=True)
        half_written = stored.with_suffix(".part.npz")
        np.savez(half_written, vector=vector, person=labels.person[rows], camera=labels.camera[rows])
        half_written.replace(stored)
    with np.load(stored) as kept:
        return LabelledCrops(kept["vector"], kept["person"], kept["camera"])


def own_prior(data: Path, model: str, name: str, cache: Path = CACHE) -> DistancePrior:
    """The embedder's own prior, of the sets on which all constants were tuned."""
    sets = {one: embedded(data / f"{one}.tar", model, name, cache) for one in PRIOR_SETS}
    return fit_prior(Path(model).stem, ", ".join(PRIOR_SETS), sets)
