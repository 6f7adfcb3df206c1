"""Size of the input, NMS threshold and confidence of a detector on held-out images, with a plot.

    python -m benchmarks.detector_sweep --images runs/train-detector/held_out/*/ --every 3 --plot sweep.png

The network runs once a size; NMS is applied to its raw boxes afterwards. Precision and recall at IoU .5 are shown for
the size and the NMS threshold of --chosen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from detectors import build_detector
from detectors.suppression import suppress
from evaluation.detection import ImageBoxes, evaluate_detections
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.geometry import iou
from pipeline.types import Detections, Float64, Frame

from benchmarks.detector_table import labelled  # isort: skip

LEAST_CONFIDENCE = 0.01
CONFIDENCES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7)

Pairs = list[tuple[Frame, Float64]]


def raw_boxes(model: str, size: int, pairs: Pairs) -> list[Detections]:
    """What the network says before suppression."""
    config = DetectorConfig(
        model=model, image_size_px=size, confidence=LEAST_CONFIDENCE, nms_iou=1, nested_overlap=1, batch_frames=1,
        max_detections=3000,
    )  # fmt: skip
    detector = build_detector(config, RuntimeConfig(device="cpu", threads=1))
    return [detector.detect([frame])[0] for frame, _ in pairs]


def suppressed(raw: list[Detections], pairs: Pairs, nms: float) -> list[ImageBoxes]:
    """The boxes that are left with a threshold `nms`, beside the truth."""
    config, images = DetectorConfig(confidence=LEAST_CONFIDENCE, nms_iou=nms), []
    for found, (frame, truth) in zip(raw, pairs, strict=True):
        left = suppress(found.xyxy, found.confidence, (frame.image.shape[1], frame.image.shape[0]), config)
        images.append(ImageBoxes(truth, left.xyxy.astype(np.float64), left.confidence.astype(np.float64)))
    return images


def precision_recall(images: list[ImageBoxes], least: float) -> tuple[float, float]:
    """At IoU .5, of the boxes from confidence `least` on; the surest box takes the truth it overlaps most."""
    right = found = people = 0
    for image in images:
        order = [k for k in np.argsort(-image.confidence, kind="stable") if image.confidence[k] >= least]
        overlap = iou(image.detected[order], image.truth)
        people, found = people + len(image.truth), found + len(order)
        for row in range(len(order)):
            if overlap.shape[1] and overlap[row].max() >= 0.5:
                right += 1
                overlap[:, overlap[row].argmax()] = -1
    return right / max(found, 1), right / max(people, 1)


def plot(by_size: dict[int, list[float]], by_nms: dict[float, list[float]],
         by_confidence: dict[float, tuple[float, float]], path: Path) -> None:  # fmt: skip
    """Three panels."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.0), sharey=True)
    for axis, table, label in ((axes[0], by_size, "image_size_px"), (axes[1], by_nms, "nms_iou")):
        for column, name in enumerate(("AP50", "AP50:95", "recall at precision .9")):
            axis.plot(list(table), [row[column] for row in table.values()], marker="o", label=name)
        axis.set_xlabel(label)
        axis.legend(fontsize=7)
    for column, name in enumerate(("precision", "recall")):
        axes[2].plot(list(by_confidence), [row[column] for row in by_confidence.values()], marker="o", label=name)
    axes[2].set_xlabel("confidence")
    axes[2].legend(fontsize=7)
    axes[0].set_ylim(0, 1)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--detector", default="bundled")
    parser.add_argument("--sizes", nargs="+", type=int, default=[320, 416, 480, 544, 640])
    parser.add_argument("--nms", nargs="+", type=float, default=[0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8])
    parser.add_argument("--chosen", nargs=2, type=float, default=[640, 0.6], metavar=("SIZE", "NMS"))
    parser.add_argument("--plot", type=Path, metavar="PNG")
    args = parser.parse_args()
    pairs = [pair for path in args.images for pair in labelled(path, args.every)]
    print(f"{len(pairs)} images, {sum(len(truth) for _, truth in pairs)} people")
    size, nms = int(args.chosen[0]), args.chosen[1]
    raw = {each: raw_boxes(args.detector, each, pairs) for each in sorted({*args.sizes, size})}
    tables: dict[str, dict[float, list[float]]] = {"image_size_px": {}, "nms_iou": {}}
    for name, key, boxes in [
        *(("image_size_px", each, suppressed(raw[each], pairs, nms)) for each in args.sizes),
        *(("nms_iou", each, suppressed(raw[size], pairs, each)) for each in args.nms),
    ]:
        result = evaluate_detections(boxes)
        if result is None:
            raise SystemExit("no person in the images")
        tables[name][key] = [result.ap50, result.ap50_95, result.recall_at_p90]
    for name, table in tables.items():
        print(f"\n| {name} | AP50 | AP50:95 | recall at precision .9 |\n|---|---|---|---|")
        for key, row in table.items():
            print(f"| {key:g} | {' | '.join(f'{100 * value:.1f}' for value in row)} |")
    images = suppressed(raw[size], pairs, nms)
    by_confidence = {least: precision_recall(images, least) for least in CONFIDENCES}
    print(f"\nat {size} px, nms_iou {nms:g}\n\n| confidence | precision | recall | F1 |\n|---|---|---|---|")
    for least, (p, r) in by_confidence.items():
        print(f"| {least:g} | {100 * p:.1f} | {100 * r:.1f} | {200 * p * r / max(p + r, 1e-9):.1f} |")
    if args.plot:
        by_size = {int(key): row for key, row in tables["image_size_px"].items()}
        plot(by_size, tables["nms_iou"], by_confidence, args.plot)


if __name__ == "__main__":
    main()
