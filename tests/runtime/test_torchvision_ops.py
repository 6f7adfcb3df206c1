"""torchvision beside a CPU torch: `import torchvision` stopped with "operator torchvision::nms does not exist"."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from runtime.torchvision_ops import ensure_torchvision_ops

ensure_torchvision_ops()
from torchvision.ops import batched_nms, nms, roi_align  # noqa: E402

ROOT = Path(__file__).parents[2]


def iou(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def slow_nms(boxes: list[list[float]], scores: list[float], threshold: float) -> list[int]:
    kept: list[int] = []
    for row in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(iou(boxes[row], boxes[other]) <= threshold for other in kept):
            kept.append(row)
    return kept


def random_boxes(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 100, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(5, 60, (count, 2))], axis=1)
    scores = np.round(random.uniform(0, 1, count), 1)  # one digit: many ties
    return torch.tensor(boxes, dtype=torch.float32), torch.tensor(scores, dtype=torch.float32)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6])
def test_nms_equals_the_slow_oracle(seed: int, threshold: float) -> None:
    boxes, scores = random_boxes(40, seed)
    assert nms(boxes, scores, threshold).tolist() == slow_nms(boxes.tolist(), scores.tolist(), threshold)


@pytest.mark.parametrize("seed", range(5))
def test_batched_nms_keeps_classes_apart(seed: int) -> None:
    boxes, scores = random_boxes(40, seed)
    classes = torch.arange(40) % 3
    expected = set()
    for label in range(3):
        rows = [i for i in range(40) if i % 3 == label]
        kept = slow_nms(boxes[rows].tolist(), scores[rows].tolist(), 0.4)
        expected |= {rows[i] for i in kept}
    result = batched_nms(boxes, scores, classes, 0.4)
    assert set(result.tolist()) == expected
    assert torch.all(scores[result][:-1] >= scores[result][1:])


def test_nms_of_nothing_is_nothing() -> None:
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)


def test_roi_align_averages_a_ramp_without_a_compiler() -> None:
    """On a horizontal ramp the mean of a region is the x of its middle."""
    ramp = torch.arange(16.0).repeat(16, 1)[None, None]
    pooled = roi_align(ramp, [torch.tensor([[2.0, 2.0, 10.0, 10.0]])], (2, 2), sampling_ratio=2, aligned=True)
    assert pooled.shape == (1, 1, 2, 2)
    np.testing.assert_allclose(pooled[0, 0].numpy(), [[3.5, 7.5], [3.5, 7.5]], atol=1e-5)


def test_a_fresh_process_imports_torchvision_afterwards() -> None:
    code = (
        "from runtime.torchvision_ops import ensure_torchvision_ops as e; e(); e();"
        "import torchvision, torch; print(torchvision.ops.nms(torch.tensor([[0.,0,9,9]]), torch.ones(1), .5).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[0]", done.stderr[-500:]
