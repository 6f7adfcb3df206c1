"""One network run every way this machine can, side by side in one process: milliseconds an image and ratios.

    python -m benchmarks.networks --network yolo11n.yaml --size 384 640 --batch 4
    python -m benchmarks.networks --network resnet50 --size 256 128 --batch 16

The ways take turns, round by round, so that other load on the machine falls on all of them alike; the least time of all
rounds is printed beside the median. Weights are random: they do not change the time.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from detectors.safety import import_ultralytics
from pipeline.config import RuntimeConfig
from pipeline.types import Float32
from runtime.network import Network, choose_device, compile_module
from runtime.openvino_network import cpu_precision
from runtime.torch_network import TorchNetwork
from runtime.torchvision_ops import ensure_torchvision_ops


def build(name: str) -> torch.nn.Module:
    """A YOLO layout of ultralytics (`*.yaml`), fused, or a classification model of torchvision."""
    torch.manual_seed(0)
    if name.endswith(".yaml"):
        layout = import_ultralytics().DetectionModel(name, nc=1, verbose=False).eval().fuse(verbose=False)
        layout.model[-1].export = True
        model: torch.nn.Module = layout
        return model
    ensure_torchvision_ops()
    from torchvision.models import get_model  # noqa: PLC0415

    classifier: torch.nn.Module = get_model(name, weights=None)
    return classifier.eval()


def ways(name: str, chw: tuple[int, int, int], threads: int) -> dict[str, Network]:
    """Every way to run it here, each with a module of its own."""
    torch.set_num_threads(threads or torch.get_num_threads())
    found: dict[str, Network] = {
        "torch CPU f32": TorchNetwork(build(name), chw, "cpu", "f32"),
        "torch CPU bf16": TorchNetwork(build(name), chw, "cpu", "bf16"),
        "OpenVINO f32": compile_module(build(name), chw, RuntimeConfig(device="cpu", precision="f32", threads=threads)),
    }
    if cpu_precision("auto") == "bf16":
        config = RuntimeConfig(device="cpu", precision="bf16", threads=threads)
        found["OpenVINO bf16"] = compile_module(build(name), chw, config)
    device = choose_device("auto")
    if device != "cpu":
        for precision in ("f32", "f16"):
            found[f"torch CUDA {precision}"] = TorchNetwork(build(name), chw, device, precision)
    return found


def measure(networks: dict[str, Network], batch: Float32, rounds: int) -> dict[str, list[float]]:
    """Seconds a call, `rounds` of each, in turns."""
    spent: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(rounds + 2):
        for name, network in networks.items():
            start = time.perf_counter()
            network(batch)
            spent[name].append(time.perf_counter() - start)
    return {name: values[2:] for name, values in spent.items()}


def main() -> None:
    """Print one row a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="yolo11n.yaml")
    parser.add_argument("--size", type=int, nargs=2, default=(384, 640), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    height, width = args.size
    networks = ways(args.network, (3, height, width), args.threads)
    for count in args.batch:
        batch = np.random.default_rng(0).random((count, 3, height, width), np.float32)
        reference = networks["torch CPU f32"](batch)[0]
        spent = measure(networks, batch, args.rounds)
        base = min(spent["torch CPU f32"])
        print(f"\n{args.network} {height}x{width} batch {count}")
        print(f"{'':18} {'least ms':>9} {'median ms':>9} {'times torch f32':>16} {'worst difference':>17}")
        for name, values in spent.items():
            apart = np.abs(networks[name](batch)[0] - reference).max() / np.abs(reference).max()
            least, middle = min(values) / count * 1e3, float(np.median(values)) / count * 1e3
            print(f"{name:18} {least:9.1f} {middle:9.1f} {base / min(values):16.1f} {apart:17.1e}", flush=True)


if __name__ == "__main__":
    main()
