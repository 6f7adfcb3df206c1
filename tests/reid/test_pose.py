"""Joints: the file, the boxes of body parts, their way through the augmentation, and a real (random) pose network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from detectors.pose import build_pose_estimator
from detectors.safety import import_ultralytics
from pipeline.config import RuntimeConfig
from pipeline.errors import UsageError
from reid import datasets
from reid.augment import augment, augment_posed
from reid.pose import load_keypoints, mirror, part_boxes, save_keypoints
from reid.train_config import AugmentConfig
from run import main

CPU = RuntimeConfig(device="cpu", threads=1, precision="f32")


def joints() -> np.ndarray:
    points = np.zeros((17, 3), np.float32)
    points[:, 2] = 0.9
    points[:5, :2] = (0.5, 0.1)
    points[[5, 11, 13, 15], 0], points[[6, 12, 14, 16], 0] = 0.7, 0.3  # the person's left is on the right
    points[[7, 9], 0], points[[8, 10], 0] = 0.8, 0.2
    points[5:7, 1], points[7:9, 1], points[9:11, 1], points[11:13, 1] = 0.25, 0.4, 0.5, 0.5
    points[13:15, 1], points[15:, 1] = 0.7, 0.9
    return points


def test_boxes_hold_the_joints_of_their_part() -> None:
    points = joints()
    points[9, 2] = 0.1  # the left wrist was not seen
    points[[0, 1, 2, 3, 4], 2] = 0.0
    head, torso, left_arm, _, left_leg, _ = part_boxes(points[None])[0]
    assert not head.any()
    np.testing.assert_allclose(torso, [0.24, 0.19, 0.76, 0.56], atol=1e-6)
    np.testing.assert_allclose(left_arm, [0.64, 0.19, 0.86, 0.46], atol=1e-6)
    np.testing.assert_allclose(left_leg, [0.64, 0.44, 0.76, 0.96], atol=1e-6)


def test_the_mirror_image_swaps_sides_and_twice_is_the_same() -> None:
    points = joints()
    assert mirror(points)[5, 0] == pytest.approx(1 - points[6, 0])
    np.testing.assert_allclose(mirror(mirror(points)), points, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_joints_follow_the_augmented_crop(seed: int) -> None:
    """A white dot is painted on one joint; where it goes, the joint goes (or its partner, mirrored)."""
    points = joints()
    image = np.zeros((96, 48, 3), np.uint8)
    cv2.circle(image, (round(0.8 * 48), round(0.4 * 96)), 2, (255, 255, 255), -1)  # left elbow
    config = AugmentConfig(scale=0.2, shift=0.1)
    changed, moved = augment_posed(image, points, (64, 128), np.random.default_rng(seed), config)
    np.testing.assert_array_equal(changed, augment(image, (64, 128), np.random.default_rng(seed), config))
    y, x = (values.mean() for values in np.nonzero(changed[..., 0] > 100))
    expected = np.array([(x + 0.5) / 64, (y + 0.5) / 128])
    distance = np.abs(moved[[7, 8], :2] - expected).max(1)
    assert distance.min() < 0.03
    mirrored = bool(distance.argmin())
    order = moved[5, 0] > moved[6, 0]
    assert order  # the person's left is on the right of the mirror image too
    assert mirrored in (False, True)


def test_a_file_of_joints_comes_back(tmp_path: Path) -> None:
    points = np.stack([joints(), joints() * 0.5])
    save_keypoints(tmp_path / "k.json", ["a.png", "b.png"], points)
    np.testing.assert_allclose(load_keypoints(tmp_path / "k.json", ["set/b.png", "a.png"]), points[::-1], atol=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such keypoint file"),
        ("[1]", "not a keypoint file"),
        ("{", "not a keypoint file"),
        (json.dumps({"b.png": [[0, 0, 0]] * 17}), "1 of 1 crops are not in it, first a.png"),
        (json.dumps({"a.png": [[0, 0]] * 17}), r"want 17 x \[x, y, confidence\]"),
        (json.dumps({"a.png": [[0, "x", 0]] * 17}), "not a keypoint file"),
    ],
)
def test_faults_of_a_file_are_told(content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=message):
        load_keypoints(path, ["a.png"])


@pytest.fixture(scope="module")
def pose_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLO pose network with random weights, as ultralytics saves it."""
    tasks = import_ultralytics()
    torch.manual_seed(0)
    model = tasks.PoseModel("yolo11n-pose.yaml", nc=1, verbose=False)
    path = tmp_path_factory.mktemp("pose") / "p.pt"
    torch.save({"model": model.half(), "ema": None}, path)
    return path


def test_a_pose_network_gives_joints_in_fractions_of_the_crop(pose_model: Path) -> None:
    estimator = build_pose_estimator(pose_model, CPU)
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 255, shape, np.uint8) for shape in ((128, 64, 3), (100, 90, 3), (300, 60, 3))]
    found = estimator.keypoints(crops)
    assert found.shape == (3, 17, 3) and found.dtype == np.float32
    assert np.isfinite(found).all() and found[..., 2].min() >= 0 and found[..., 2].max() <= 1
    np.testing.assert_allclose(estimator.keypoints(crops[1:2])[0], found[1], atol=1e-3)
    assert estimator.keypoints([]).shape == (0, 17, 3)


def test_the_command_writes_what_training_reads(
    pose_model: Path, tmp_path: Path, make_set: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    people, output = make_set(tmp_path / "people", identities=2), tmp_path / "k" / "people.json"
    command = ["keypoints", "--data", people, "--model", pose_model, "--output", output, "--device", "cpu"]
    assert main([*map(str, command), "--threads", "1"]) == 0
    assert "joints of 8 crops" in capsys.readouterr().out
    table = datasets.load_crops(people, (16, 48), tmp_path / "cache")
    posed = datasets.with_keypoints(table, people, output)
    assert posed.keypoints is not None and posed.keypoints.shape == (8, 17, 3)
    joined = datasets.join([posed, posed])
    assert joined.keypoints is not None and len(joined.keypoints) == 16
    half = datasets.split_identities(posed, 1, 0)[1]
    assert half.keypoints is not None and len(half.keypoints) == 4


def test_what_is_no_pose_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such pose model"):
        build_pose_estimator(tmp_path / "absent.pt", CPU)
    tasks = import_ultralytics()
    torch.save(
        {"model": tasks.DetectionModel("yolo11n.yaml", nc=1, verbose=False).half(), "ema": None}, tmp_path / "d.pt"
    )
    with pytest.raises(UsageError, match="a PoseModel is needed"):
        build_pose_estimator(tmp_path / "d.pt", CPU)
