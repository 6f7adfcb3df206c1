"""The bundled detector as an OpenVINO folder in INT8, for `detector.model=FOLDER`; needs `pip install nncf`.

    python -m tools.quantise_detector --images runs/train-detector/data --output runs/passerby_person_n_int8
    python run.py track --videos lobby=a.mp4 --set detector.model=runs/passerby_person_n_int8

Calibrated on training images that `run.py train-detector` packed: the first of each `--every`, letterboxed as in use.
The last layer of each head stays float: a box's distribution and the logits are read finer than 8 bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from detectors.letterbox import fit, input_size, to_batch
from detectors.training.dataset import open_packed
from detectors.yolo import bundled_module
from pipeline.types import Float32
from runtime.openvino_export import convert, quantise, save

HELD_OUT = 0.1
KEPT_FLOAT = r".*model\.22\.(dfl|cv[23]\.\d\.2|aten::(sigmoid|sub|add|div|mul|cat)).*"


def calibration(packed: Path, count: int, size_px: int) -> list[Float32]:
    """`count` training images spread over all sources, as batches of one."""
    data = open_packed(packed)
    rows = data.rows(validation=False, fraction=HELD_OUT)
    rows = rows[np.linspace(0, len(rows) - 1, count).astype(int)]
    batches = []
    for row in rows:
        image = data.image(int(row))
        size = (image.shape[1], image.shape[0])
        batches.append(to_batch([fit(size, input_size(size, size_px)).apply(image)]))
    return batches


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="the data folder of a training")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--size", type=int, default=640, help="longer side of the network's input")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    name, module = bundled_module()
    model = quantise(convert(module, (3, 64, 64)), calibration(args.images, args.count, args.size), KEPT_FLOAT)
    save(model, args.output, {"names": {0: "person"}, "stride": 32, "task": "detect", "description": f"{name} INT8"})
    print(f"{args.output}: {sum(f.stat().st_size for f in args.output.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
