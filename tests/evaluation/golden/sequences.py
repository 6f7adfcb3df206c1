"""Seeded sequences of MOT rows and detections the golden numbers are made of; NumPy only.

A sequence is `(truth, predicted)`, each `(N, 7)`: frame, id, left, top, width, height, confidence (0 in truth = not
considered). People walk straight, meet, leave and come back; predictions have noise, misses, false alarms, broken and
swapped ids. Values are rounded to 0.01 px so that text holds them exactly.
"""

import hashlib

import numpy as np


def walk(seed, *, people=6, frames=60, noise_px=3.0, miss=0.1, false=0.3, breaks=0.02, swaps=0.02, size=(640, 480)):
    """One camera; `seed` decides everything."""
    rng = np.random.default_rng(seed)
    start, speed = rng.uniform((0, 0), size, (people, 2)), rng.normal(0, 4, (people, 2))
    height = rng.uniform(60, 160, people)
    first, last = rng.integers(1, frames // 2, people), rng.integers(frames // 2, frames + 1, people)
    name, next_name = list(range(1, people + 1)), people + 1
    truth, predicted = [], []
    for frame in range(1, frames + 1):
        if people > 1 and rng.random() < swaps:
            a, b = rng.choice(people, 2, replace=False)
            name[a], name[b] = name[b], name[a]
        for k in np.flatnonzero((first <= frame) & (frame <= last)):
            away = (frame + 7 * k) % 40 < 4
            box = np.array([*(start[k] + speed[k] * frame), height[k] * 0.4, height[k]])
            if not away:
                truth.append([frame, k + 1, *box, 0.0 if rng.random() < 0.03 else 1.0])
            if rng.random() < breaks:
                name[k], next_name = next_name, next_name + 1
            if rng.random() >= miss and not (away and rng.random() < 0.5):
                predicted.append([frame, name[k], *(box + rng.normal(0, noise_px, 4)), rng.uniform(0.3, 1)])
        for _ in range(rng.poisson(false)):
            box = [*rng.uniform((0, 0), size), 40.0, 100.0]
            predicted.append([frame, 900 + rng.integers(5) * 10 + _, *box, rng.uniform(0.1, 0.6)])
    return _rows(truth), _rows(predicted)


def noise(seed, frames=12, people=5, tracks=6):
    """Boxes on a coarse grid under random ids: many ties, exact halves and boxes that stand on one another."""
    rng = np.random.default_rng(seed)

    def rows(ids):
        out = []
        for frame in range(1, frames + 1):
            for k in rng.permutation(ids)[: rng.integers(0, ids + 1)]:
                out.append([frame, k, *rng.integers(0, 6, 2) * 20, *rng.integers(1, 4, 2) * 40, 1])
        return _rows(out)

    return rows(people), rows(tracks)


def cases():
    """{case: {camera: (truth, predicted)}}; ids hold across the cameras of a case."""
    empty = np.zeros((0, 7))
    out = {
        "walk": {"a": walk(1)},
        "crowd": {"a": walk(2, people=20, frames=80, noise_px=6.0, size=(400, 300))},
        "broken_ids": {"a": walk(3, breaks=0.3, swaps=0.3)},
        "mostly_missed": {"a": walk(4, miss=0.8)},
        "all_false": {"a": walk(5, miss=1.0, false=3.0)},
        "perfect": {"a": walk(6, noise_px=0.0, miss=0.0, false=0.0, breaks=0.0, swaps=0.0)},
        "no_prediction": {"a": (walk(7)[0], empty)},
        "no_truth": {"a": (empty, walk(7)[1])},
        "two_cameras": {"a": walk(8), "b": walk(9)},
        "four_cameras": {
            "a": walk(10, people=9),
            "b": walk(11, people=12, breaks=0.1),
            "c": (walk(12)[0], empty),
            "d": walk(13, miss=0.5),
        },
    }
    out |= {f"noise_{seed}": {"a": noise(seed)} for seed in range(20, 26)}
    out["noise_cameras"] = {"a": noise(30), "b": noise(31), "c": noise(32, people=3)}
    return out


def detections(seed, images=40, ignore=True):
    """[(truth (G, 4), detected (N, 4), confidence (N,), ignore (R, 4))], xyxy px."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(images):
        tlwh = np.column_stack([rng.uniform(0, 300, (n := rng.integers(0, 8), 2)), rng.uniform(15, 160, (n, 2))])
        found = tlwh[rng.random(n) < 0.85]
        found = np.concatenate([found, found[rng.random(len(found)) < 0.3]])
        found = found + rng.normal(0, 0.06, found.shape) * found[:, 2:3]
        false = np.column_stack([rng.uniform(0, 300, (m := rng.integers(0, 5), 2)), rng.uniform(15, 160, (m, 2))])
        region = np.column_stack([rng.uniform(0, 250, (r := rng.integers(0, 3) * ignore, 2)), np.full((r, 2), 150.0)])
        detected = np.maximum(np.concatenate([found, false]), 1.0)
        confidence = np.concatenate([rng.beta(5, 2, len(found)), rng.beta(2, 4, m)]).round(2)
        out.append((*(_xyxy(np.round(b, 2)) for b in (tlwh, detected)), confidence, _xyxy(np.round(region, 2))))
    return out


def digest():
    """SHA-256 over all rows: tells a golden file made of other sequences."""
    sha = hashlib.sha256()
    for case in cases().values():
        for pair in case.values():
            for rows in pair:
                sha.update(np.round(rows * 100).astype("<i8").tobytes())
    for seed in (50, 51):
        for image in detections(seed):
            for array in image:
                sha.update(np.round(array * 100).astype("<i8").tobytes())
    return sha.hexdigest()


def _rows(rows):
    array = np.array(rows, float).reshape(-1, 7)
    array[:, 2:] = np.round(array[:, 2:], 2)
    array[:, 4:6] = np.maximum(array[:, 4:6], 1)
    _, keep = np.unique(array[:, :2], axis=0, return_index=True)
    return array[np.sort(keep)]


def _xyxy(tlwh):
    return np.concatenate([tlwh[:, :2], tlwh[:, :2] + tlwh[:, 2:]], axis=1)
