"""People cut out of re-identification crops and pasted on person-free images: a source for `run.py train-detector`.

    D=../shared/data
    python -m tools.pasted_source --crops $D/reid/cuhk03_pair1_labeled.tar $D/reid/3dpes.tar \
        --backgrounds $D/person_boxes/doors_background.tar --pictures 3000 --output DATA/pasted

A crop becomes a person with a soft edge: GrabCut (Rother et al. 2004) begins from the shape of a standing body and
finds what belongs to it. People stand on one floor a picture: who stands higher in it is smaller and is hidden by who
is nearer. Whoever is seen by less than SEEN gets no label and the place is filled, as in tools/synthetic_source.py.
The files of one background share a group, so that a held-out picture has no trained background.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from detectors.training.dataset import LabelledImage, read_source
from detectors.training.teacher import hide
from pipeline.types import Float32, UInt8
from reid.datasets import decode, read_crops
from tools.synthetic_source import WEBP_QUALITY, yolo_lines

CUT_WH = (64, 128)
"""A crop's size while its person is cut out."""
SEEN = 0.3
"""Share of a body that has to be seen for a label, as in the synthetic world's truth."""
PEOPLE = (1, 7)
FLOOR_SPREAD = 0.45
"""Share of the picture's height between the nearest and the farthest feet."""


def body_prior() -> UInt8:
    """`(128, 64)` GrabCut labels of a standing person: sure within the trunk, none at the sides, open between."""
    mask = np.full(CUT_WH[::-1], cv2.GC_PR_BGD, np.uint8)
    cv2.ellipse(mask, (32, 66), (22, 60), 0, 0, 360, cv2.GC_PR_FGD, -1)
    cv2.ellipse(mask, (32, 50), (8, 26), 0, 0, 360, cv2.GC_FGD, -1)
    mask[:, :2] = mask[:, -2:] = cv2.GC_BGD
    return mask


def cut_out(crop: UInt8) -> UInt8 | None:
    """The person of a crop `(H, W, 3)` as `(H', W', 4)`, BGR and opacity, cut to the body; None if none is found."""
    small = cv2.resize(crop, CUT_WH, interpolation=cv2.INTER_AREA)
    mask, model = body_prior(), np.zeros((2, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(small, mask, (0, 0, 1, 1), model[:1].copy(), model[1:].copy(), 3, cv2.GC_INIT_WITH_MASK)
    solid = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((3, 3))))
    if count < 2:
        return None
    body = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    share = stats[body, cv2.CC_STAT_AREA] / solid.size
    if not 0.18 <= share <= 0.65 or stats[body, cv2.CC_STAT_HEIGHT] < 0.85 * CUT_WH[1]:
        return None
    height, width = crop.shape[:2]
    soft = cv2.GaussianBlur((parts == body).astype(np.float32) * 255, (0, 0), 0.8)
    opacity = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)
    ys, xs = np.nonzero(opacity > 127)
    person = np.dstack([crop, opacity.astype(np.uint8)])
    return np.ascontiguousarray(person[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1])


def paste(picture: UInt8, person: UInt8, foot_xy: tuple[int, int], height: int, rng: np.random.Generator) -> Float32:
    """Draw `person` into `picture`, feet at `foot_xy` px; returns its opacity on the picture `(H, W)`, 0 to 1."""
    width = max(2, round(person.shape[1] * height / person.shape[0] * rng.uniform(0.95, 1.05)))
    scaled = cv2.resize(
        person, (width, height), interpolation=cv2.INTER_AREA if height < len(person) else cv2.INTER_LINEAR
    )
    if rng.random() < 0.5:
        scaled = scaled[:, ::-1]
    left, top = foot_xy[0] - width // 2, foot_xy[1] - height
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, picture.shape[1]), min(top + height, picture.shape[0])
    opacity = np.zeros(picture.shape[:2], np.float32)
    if x0 >= x1 or y0 >= y1:
        return opacity
    piece = scaled[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.float32)
    region = picture[y0:y1, x0:x1]
    alpha = piece[..., 3:] / 255
    towards = rng.uniform(0, 0.4) * (
        region.mean() - piece[..., :3][alpha[..., 0] > 0.5].mean() if (alpha > 0.5).any() else 0
    )
    region[:] = (region * (1 - alpha) + (piece[..., :3] + towards).clip(0, 255) * alpha).astype(np.uint8)
    opacity[y0:y1, x0:x1] = alpha[..., 0]
    return opacity


def compose(background: LabelledImage, people: list[UInt8], rng: np.random.Generator) -> LabelledImage:
    """One picture with some of `people` on the floor of `background`, nearest last."""
    scale = rng.uniform(1.0, 1.6)
    picture = cv2.resize(background.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    rows, columns = picture.shape[:2]
    tallest = float(np.exp(rng.uniform(np.log(0.2), np.log(0.95)))) * rows
    nearest = rng.uniform(0.75, 1.15) * rows
    far = 1 - rng.uniform(0, FLOOR_SPREAD, int(rng.integers(*PEOPLE, endpoint=True)))
    boxes, covers = [], []
    for depth in np.sort(far):
        height = max(16, round(tallest * depth**2))
        foot = (int(rng.integers(0, columns)), round(nearest - (1 - depth) * rows))
        person = people[int(rng.integers(len(people)))]
        cover = paste(picture, person, foot, height, rng)
        half = person.shape[1] * height / person.shape[0] / 2
        boxes.append([foot[0] - half, foot[1] - height, foot[0] + half, foot[1]])
        covers = [[seen * (1 - cover), whole] for seen, whole in covers]
        covers.append([cover, 0.6 * 2 * half * height])
    whole_xyxy = np.array(boxes, np.float32)
    inside = whole_xyxy.clip(0, (columns, rows, columns, rows)).astype(np.float32)
    seen = np.array([float(cover.sum()) / area for cover, area in covers])
    drawn = (inside[:, 2:] - inside[:, :2]).min(axis=1) >= 4
    item = LabelledImage("pasted", "", background.group, picture, inside[drawn & (seen >= SEEN)])
    return hide(item, inside[drawn & (seen < SEEN) & (seen > 0.02)])


def bodies(sources: list[Path], most: int, rng: np.random.Generator) -> Iterator[UInt8]:
    """People of at most `most` crops, drawn evenly from each source."""
    for path in sources:
        crops = list(read_crops(path))
        for index in rng.permutation(len(crops))[: -(-most // len(sources))]:
            person = cut_out(decode(*crops[index]))
            if person is not None:
                yield person


def main() -> None:
    """Write the pictures and their labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", nargs="+", type=Path, required=True, help="tars or folders of <id>_c<cam>_<n>.*")
    parser.add_argument("--backgrounds", type=Path, required=True, help="a source of images without people")
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--people", type=int, default=6000, help="at most so many crops are cut out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    people = list(bodies(args.crops, args.people, rng))
    backgrounds = [item for item in read_source(args.backgrounds) if not len(item.xyxy)]
    if not people or not backgrounds:
        parser.error("no person could be cut out of --crops, or --backgrounds has no image without people")
    args.output.mkdir(parents=True, exist_ok=True)
    for number in range(args.pictures):
        background = backgrounds[number % len(backgrounds)]
        item = compose(background, people, rng)
        name = f"{background.group}_{number:05d}"
        cv2.imwrite(str(args.output / f"{name}.webp"), item.image, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
        size_wh = (item.image.shape[1], item.image.shape[0])
        (args.output / f"{name}.txt").write_text(yolo_lines(item.xyxy, size_wh), encoding="utf-8")
    print(f"{args.pictures} pictures with {len(people)} people on {len(backgrounds)} backgrounds")


if __name__ == "__main__":
    main()
