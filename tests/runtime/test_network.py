"""Networks on the CPU against torch itself, and the faults of files, devices and batches."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.config import RuntimeConfig
from pipeline.errors import ResourceError, UsageError
from runtime.network import choose_device, compile_file, compile_module, module_compiler
from runtime.openvino_network import cpu_precision
from runtime.torch_network import TorchNetwork

ROOT = Path(__file__).parents[2]
F32 = RuntimeConfig(device="cpu", precision="f32")


class TwoHeads(torch.nn.Module):
    """Fully convolutional, with two outputs of different rank."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 8, 3, 2, 1)
        self.head = torch.nn.Conv2d(8, 4, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.relu(self.conv(image))
        return self.head(features), features.mean((2, 3))


def batch(count: int, height: int = 64, width: int = 32) -> np.ndarray:
    return np.random.default_rng(count).random((count, 3, height, width), np.float32)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_equals_torch_for_any_batch(count: int) -> None:
    module = TwoHeads()
    network = compile_module(module, (3, 64, 32), F32)
    with torch.no_grad():
        wanted = module(torch.from_numpy(batch(count)))
    for got, want in zip(network(batch(count)), wanted, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want.numpy(), atol=1e-5)


def test_one_small_trace_runs_at_any_size() -> None:
    module = TwoHeads()
    compiler = module_compiler(module, (3, 16, 16), F32)
    for height, width in ((64, 32), (24, 40)):
        network = compiler((3, height, width))
        assert network.input_shape == (None, 3, height, width)
        images = batch(2, height, width)
        with torch.no_grad():
            np.testing.assert_allclose(network(images)[0], module(torch.from_numpy(images))[0].numpy(), atol=1e-5)


def test_outputs_are_copies() -> None:
    """A known demo kept OpenVINO's output tensors, which are views: each stored feature became the last one."""
    network = compile_module(TwoHeads(), (3, 64, 32), F32)
    first = network(batch(2))
    kept = [output.copy() for output in first]
    network(batch(2) + 5)
    for output, before in zip(first, kept, strict=True):
        assert np.array_equal(output, before)
        assert output.flags.owndata


def test_bf16_is_close_where_the_cpu_has_it() -> None:
    if cpu_precision("auto") != "bf16":
        pytest.skip("this CPU has no bf16")
    module = TwoHeads()
    network = compile_module(module, (3, 64, 32), RuntimeConfig(device="cpu"))
    assert "bf16" in network.description
    with torch.no_grad():
        want = module(torch.from_numpy(batch(2)))[0].numpy()
    got = network(batch(2))[0]
    assert not np.array_equal(got, want)
    np.testing.assert_allclose(got, want, atol=0.02)


def test_calls_from_several_threads_do_not_mix() -> None:
    network = compile_module(TwoHeads(), (3, 64, 32), F32)
    inputs = [batch(1) + shift for shift in range(6)]
    wanted = [network(one)[0] for one in inputs]
    wrong: list[int] = []

    def work(row: int) -> None:
        for _ in range(20):
            if not np.array_equal(network(inputs[row])[0], wanted[row]):
                wrong.append(row)

    threads = [threading.Thread(target=work, args=(row,)) for row in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "wrong", [batch(1, 64, 64), batch(1).astype(np.float64), batch(1)[0], np.zeros((0, 3, 64, 32), np.float32)]
)
def test_a_batch_that_does_not_fit_is_an_error(wrong: np.ndarray) -> None:
    network = compile_module(TwoHeads(), (3, 64, 32), F32)
    with pytest.raises(ValueError, match="batch must be float32"):
        network(wrong)


def test_a_fixed_batch_is_kept() -> None:
    network = compile_module(TwoHeads(), (3, 64, 32), F32, dynamic_batch=False)
    assert network.input_shape == (1, 3, 64, 32)
    with pytest.raises(ValueError, match="batch must be"):
        network(batch(2))


def test_threads_do_not_change_the_result() -> None:
    one = compile_module(TwoHeads(), (3, 64, 32), RuntimeConfig(device="cpu", precision="f32", threads=1))
    two = compile_module(TwoHeads(), (3, 64, 32), RuntimeConfig(device="cpu", precision="f32", threads=2))
    np.testing.assert_allclose(one(batch(3))[0], two(batch(3))[0], atol=1e-6)


def test_torch_network_answers_as_openvino_does() -> None:
    """The CUDA path's class, run on the CPU: same seam, same numbers."""
    network = TorchNetwork(TwoHeads(), (3, 64, 32), "cpu", "f32")
    other = compile_module(TwoHeads(), (3, 64, 32), F32)
    assert network.input_shape == other.input_shape
    first = network(batch(3))
    for got, want in zip(first, other(batch(3)), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)
        assert got.dtype == np.float32
    with pytest.raises(ValueError, match="batch must be"):
        network(batch(1, 8, 8))


def test_a_gpu_that_is_not_there_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"--device cuda:1: no such GPU .* use --device cpu or auto") as error:
        choose_device("cuda:1")
    assert error.value.exit_code == 2


def test_auto_falls_back_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.INFO):
        assert choose_device("auto") == "cpu"
    assert "no usable CUDA GPU" in caplog.text
    assert choose_device("cpu") == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU that works is here: none can be pretended that does not")
def test_a_gpu_that_is_listed_and_cannot_compute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Too old for this torch, or its driver is: found by adding 1 and 1, before any network is loaded."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"--device cuda: cuda:0 cannot be used \(.*update the driver, or") as error:
        choose_device("cuda")
    assert "\n" not in str(error.value)
    with caplog.at_level(logging.INFO):
        assert choose_device("auto") == "cpu"
    assert "device auto: cpu (cuda:0 cannot be used (" in caplog.text


class Crowded(torch.nn.Module):
    """Two outputs, the mean and the number of the image; has memory for `room` images."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.asked = room, []

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.asked.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore of this")
        return images.mean((1, 2, 3)), images[:, 0, 0]


def test_a_batch_that_does_not_fit_is_halved_and_nothing_of_it_lost(caplog: pytest.LogCaptureFixture) -> None:
    module = Crowded(3)
    network = TorchNetwork(module, (3, 64, 32), "cpu", "f32")
    images = batch(13)
    means, rows = network(images)
    np.testing.assert_allclose(means, images.mean((1, 2, 3)), atol=1e-6)
    np.testing.assert_array_equal(rows, images[:, 0, 0])
    assert module.asked == [1, 13, 7, 4, 2, 2, 2, 2, 2, 2, 1]
    module.asked.clear()
    network(images[:5])
    assert module.asked == [2, 2, 1], "it is remembered"
    assert "out of memory with 13 images, going on with 7 at once" in caplog.text


def test_not_even_one_image_fits_is_exit_5() -> None:
    module = Crowded(1)
    network = TorchNetwork(module, (3, 64, 32), "cpu", "f32")
    module.room = 0
    with pytest.raises(ResourceError, match="not enough memory for a single image") as error:
        network(batch(2))
    assert error.value.exit_code == 5
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wanted", ["cuda", "cuda:0"])
def test_a_gpu_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("runtime.network._unusable", lambda device: "")
    assert choose_device(wanted) == "cuda:0"
    assert choose_device("auto") == "cuda:0"


def test_model_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such model file"):
        compile_file(tmp_path / "gone.onnx", F32)
    with pytest.raises(UsageError, match=r"holds one .xml, found 0"):
        compile_file(tmp_path, F32)
    (tmp_path / "bad.onnx").write_bytes(b"not a model at all")
    with pytest.raises(UsageError, match="not a readable model"):
        compile_file(tmp_path / "bad.onnx", F32)
    (tmp_path / "alone.xml").write_text("<net/>")
    with pytest.raises(UsageError, match=r"alone.bin is missing"):
        compile_file(tmp_path, F32)


def test_openvino_writes_nothing_into_the_home_folder(tmp_path: Path) -> None:
    """Importing openvino's tools writes ~/intel and sends an event, unless its telemetry package is out of the way."""
    code = (
        "import torch; from runtime.network import compile_module; from pipeline.config import RuntimeConfig;"
        "n = compile_module(torch.nn.Conv2d(3, 1, 1), (3, 8, 8), RuntimeConfig(device='cpu')); print(n.input_shape)"
    )
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "(None, 3, 8, 8)", done.stderr[-500:]
    assert list(tmp_path.iterdir()) == []
