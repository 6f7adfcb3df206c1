"""YOLO models of every kind of file, against known boxes and against the same network run by torch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import detectors.yolo
from detectors import build_detector
from detectors.letterbox import fit, to_batch
from detectors.suppression import drop_unusable
from detectors.yolo import decode
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Frame
from pipeline.weights import WeightCard, save_card, sha256_of
from runtime.openvino_network import OpenVinoNetwork

F32 = RuntimeConfig(device="cpu", precision="f32")
MakeFrame = Callable[..., Frame]
Writer = Callable[..., Path]
Heads = Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]

PEOPLE = np.array([[20, 30, 10, 24, 0.9], [45, 32, 8, 20, 0.6], [20.5, 30, 10, 24, 0.5], [50, 50, 6, 9, 0.05]])
DOGS = np.array([[45, 32, 8, 20, 0.7], [10, 10, 9, 9, 0.95]])
"""In px of a 64 x 64 input: two people (the third box is the first again, the fourth not sure), two dogs."""


def found_in(model: Path, frames: list[Frame], **settings: Any) -> list[Any]:
    return build_detector(DetectorConfig(model=str(model), **settings), F32).detect(frames)


@pytest.mark.parametrize("form", ["raw", "end_to_end"])
@pytest.mark.parametrize("kind", ["openvino_folder", "onnx_file"])
def test_known_boxes_come_back_in_px_of_the_frame(
    form: str, kind: str, heads: Heads, request: pytest.FixtureRequest, frame: MakeFrame
) -> None:
    """128 x 64 px in a 64 x 64 input: scale 0.5, 16 px of grey above and below."""
    model = request.getfixturevalue(kind)(heads[form](PEOPLE, DOGS))
    found = found_in(model, [frame(128, 64)])[0]
    assert found.confidence.tolist() == pytest.approx([0.9, 0.6])
    np.testing.assert_allclose(found.xyxy, [[30, 4, 50, 52], [82, 12, 98, 52]], atol=1e-3)


def test_the_class_is_found_by_its_name(heads: Heads, openvino_folder: Writer, frame: MakeFrame) -> None:
    """A model with other classes, or in another order, must not give its dogs as people."""
    swapped = openvino_folder(heads["raw"](PEOPLE, DOGS), names=["Person", "cat"])
    assert found_in(swapped, [frame(64, 64)])[0].confidence.tolist() == pytest.approx([0.95, 0.7])
    nobody = openvino_folder(heads["raw"](PEOPLE, DOGS), names=["car", "cat"], folder="other")
    with pytest.raises(UsageError, match=r"has no class `person` \(classes: car, cat"):
        found_in(nobody, [])


def test_a_box_counts_for_its_best_class() -> None:
    raw = np.array([[10, 10, 4, 4, 0.8, 0.6], [30, 10, 4, 4, 0.1, 0.6]], np.float32).T
    xyxy, confidence = decode(raw, 1, 0.25)
    assert xyxy.tolist() == [[28, 8, 32, 12]]
    assert confidence.tolist() == pytest.approx([0.6])


def test_files_that_are_no_yolo_say_so(heads: Heads, openvino_folder: Writer, onnx_file: Writer) -> None:
    with pytest.raises(UsageError, match="is neither"):
        found_in(openvino_folder(heads["raw"](PEOPLE, DOGS), names=["person"]), [])
    with pytest.raises(UsageError, match="does not say its class names"):
        found_in(onnx_file(heads["raw"](PEOPLE, DOGS), said=False), [])


def test_names_that_are_no_files_say_what_is_possible(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.pt: no such file; give a path"):
        found_in(Path("mine.pt"), [])
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(UsageError, match="not a detector that is known here"):
        found_in(tmp_path / "model.bin", [])


def test_a_model_fixed_to_one_frame_takes_any_number(heads: Heads, openvino_folder: Writer, frame: MakeFrame) -> None:
    model = openvino_folder(heads["raw"](PEOPLE, DOGS))
    frames = [frame(64, 64), frame(128, 64, camera="b"), frame(64, 64)]
    together = found_in(model, frames, batch_frames=2)
    for detections, one in zip(together, frames, strict=True):
        np.testing.assert_array_equal(detections.xyxy, found_in(model, [one])[0].xyxy)


def test_boxes_of_oblong_pixels_are_of_the_stored_ones(heads: Heads, openvino_folder: Writer, frame: MakeFrame) -> None:
    """128 x 64 stored and half as wide shown: it fills the 64 x 64 input, each px of it two stored ones wide."""
    model = openvino_folder(heads["raw"](PEOPLE, DOGS))
    wide, square = found_in(model, [replace(frame(128, 64), pixel_aspect=0.5), frame(64, 64)])
    np.testing.assert_allclose(wide.xyxy, square.xyxy * [2, 1, 2, 1])


def test_a_model_fixed_to_two_frames_is_refused(heads: Heads, openvino_folder: Writer, frame: MakeFrame) -> None:
    with pytest.raises(UsageError, match="wants batches of 2; export it"):
        found_in(openvino_folder(heads["raw"](PEOPLE, DOGS), batch=2), [frame()])


def torch_answer(model: Any, frame: Frame, input_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The network run by torch as it is; boxes in px of the frame: what the compiled one must equal."""
    box = fit((frame.image.shape[1], frame.image.shape[0]), input_hw)
    with torch.no_grad():
        raw = model.float()(torch.from_numpy(to_batch([box.apply(frame.image)])))[0][0].numpy()
    if raw.shape[1] == 6:
        return box.to_frame(raw[:, :4]), raw[:, 4]
    centre, half = raw[:2].T, raw[2:4].T / 2
    return box.to_frame(np.concatenate([centre - half, centre + half], axis=1)), raw[4]


@pytest.mark.parametrize("layout", [None, "yolo11n.yaml", "yolo26n.yaml"])
def test_a_trained_pt_answers_as_torch_does(
    layout: str | None, save_pt: Writer, yolo_model: Callable[..., Any], frame: MakeFrame
) -> None:
    """Traced small, run at another size and aspect: the anchors and the attention must follow."""
    picture = frame(200, 90)
    settings = {"image_size_px": 128, "confidence": 0.0, "nms_iou": 1.0, "nested_overlap": 1.0, "max_detections": 3000}
    found = found_in(save_pt(layout=layout, names={0: "person"}), [picture], **settings)[0]
    model = yolo_model(layout=layout, names={0: "person"}).half()
    xyxy, confidence = torch_answer(model, picture, (64, 128))
    wanted = drop_unusable(xyxy, confidence, (200, 90), DetectorConfig(confidence=0.0))
    assert len(found) == len(wanted) > 100
    rows = [np.concatenate([one.xyxy, 100 * one.confidence[:, None]], axis=1) for one in (found, wanted)]
    apart = np.abs(rows[0][:, None] - rows[1]).max(axis=2)
    assert apart.min(axis=0).max() < 0.2
    assert apart.min(axis=1).max() < 0.2


def test_frames_of_several_cameras_share_a_call(
    own_pt: Path, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes of one aspect go through together, another aspect by itself, few sizes stay compiled, and each result is
    the frame's own."""
    batches: list[tuple[int, ...]] = []
    run = OpenVinoNetwork.__call__

    def counted(network: OpenVinoNetwork, batch: np.ndarray) -> list[np.ndarray]:
        batches.append(batch.shape)
        return run(network, batch)

    config = DetectorConfig(model=str(own_pt), image_size_px=96, confidence=0.3, batch_frames=4)
    detector: Any = build_detector(config, F32)
    frames = [frame(64, 64, "a"), frame(120, 60, "b"), frame(128, 128, "c"), frame(64, 64, "d")]
    detector.detect(frames)  # warm-up calls of new networks are not counted
    with monkeypatch.context() as patch:
        patch.setattr(OpenVinoNetwork, "__call__", counted)
        together = detector.detect(frames)
    assert sorted(batches) == [(1, 3, 64, 96), (3, 3, 96, 96)]
    for one, detections in zip(frames, together, strict=True):
        alone = detector.detect([one])[0]
        np.testing.assert_allclose(detections.xyxy, alone.xyxy, atol=1e-3)
    assert detector.detect([]) == []
    assert set(detector._networks) == {(96, 96), (64, 96)}
    monkeypatch.setattr(detectors.yolo, "MAX_NETWORKS", 2)
    detector.detect([frame(30, 64)])
    assert len(detector._networks) == 2
    assert (96, 64) in detector._networks


def bundle(folder: Path, model: Any, **card: Any) -> Path:
    path = folder / "passerby_person_n.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    fields: dict[str, Any] = {
        "name": "passerby_person_n",
        "file": path.name,
        "sha256": sha256_of(path),
        "architecture": "yolo11n",
        "input_size_wh": (640, 640),
        "licence": "AGPL-3.0-or-later",
        "training_data": ("none",),
    }
    save_card(WeightCard(**{**fields, **card}), path)
    return path


def test_bundled_weights_are_loaded_verified_and_whole(
    tmp_path: Path, yolo_model: Callable[..., Any], frame: MakeFrame, request: pytest.FixtureRequest
) -> None:
    monkeypatch, caplog = request.getfixturevalue("monkeypatch"), request.getfixturevalue("caplog")
    layout = {"settings": {"yaml": str(request.getfixturevalue("tiny_yaml"))}}
    path = bundle(tmp_path, yolo_model({0: "person"}), **layout)
    monkeypatch.setattr(detectors.yolo, "BUNDLED", path)
    config = DetectorConfig(image_size_px=64, confidence=0.01)
    with caplog.at_level(logging.INFO):
        assert len(build_detector(config, F32).detect([frame(64, 48)])[0]) > 0
    assert "passerby_person_n: OpenVINO CPU f32, input 64x64" in caplog.text

    bundle(tmp_path, yolo_model({0: "person"}), settings={"yaml": "yolov8n.yaml"})
    with pytest.raises(UsageError, match=r"does not fit yolov8n\.yaml"):
        build_detector(config, F32)

    path.write_bytes(path.read_bytes()[:-4] + b"evil")
    with pytest.raises(UsageError, match="sha256 mismatch"):
        build_detector(config, F32)
    path.unlink()
    with pytest.raises(UsageError, match="no such weight file"):
        build_detector(config, F32)


def test_reference_detector_on_real_video() -> None:
    """Pre- and post-processing are right if a known model scores what it is known for."""
    av = pytest.importorskip("av")
    shared = Path(__file__).parents[2].parent / "shared"
    video = shared / "data/corridor/cam_a.mp4"
    model = shared / "models/yolo11n_int8_openvino_model"
    if not video.is_file() or not model.is_dir():
        pytest.skip("needs ../shared/data/corridor and ../shared/models")
    with av.open(str(video)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="bgr24")
    found = found_in(model, [Frame("cam_a", 0, 0.0, image)])[0]
    assert len(found) == 1
    width, height = found.xyxy[0, 2] - found.xyxy[0, 0], found.xyxy[0, 3] - found.xyxy[0, 1]
    assert found.confidence[0] > 0.6
    assert 1.5 < height / width < 5
