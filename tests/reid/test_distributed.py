"""Two processes under torchrun (gloo, CPU) train one network, and the loss they minimise is the whole batch's."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.errors import UsageError
from reid.distributed import Workers
from reid.mgn import Mgn
from runtime.export import save_onnx

ROOT = Path(__file__).parents[2]
GRADIENTS = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, torch
from reid.distributed import join_workers, leave_workers
from reid.objective import Batch, Student, objective
from reid.mgn import Mgn
from reid.train_config import LossConfig
torch.set_num_threads(1)
workers, _ = join_workers("cpu")
torch.manual_seed(0)
student = Student(Mgn("light", 8), 4, 0).eval()  # norms that do not mix the crops
for p in student.parameters():
    p.data.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
images = torch.rand(8, 3, 48, 16, generator=torch.Generator().manual_seed(1))
identity = np.repeat(np.arange(4), 2)
share = slice(workers.rank * 8 // workers.size, (workers.rank + 1) * 8 // workers.size)
batch = Batch(np.zeros((len(identity[share]), 1, 1, 3), np.uint8), identity[share], None)
weights = LossConfig(contrastive=1.0)
parts = objective(student, student.model.features(images[share]), batch, weights, workers)
sum(w * v for w, v in parts.values()).backward()
grads = [p.grad for p in student.parameters() if p.grad is not None]
workers.average(grads)
if workers.first:
    torch.save([g.clone() for g in grads], sys.argv[2])
leave_workers(workers)
"""


def start_two(*command: object) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of two processes with the environment that torchrun gives its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    started = [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=300) for process in started]
    return [(process.returncode, *texts) for process, texts in zip(started, told, strict=True)]


def test_two_processes_give_the_gradient_of_one(tmp_path: Path) -> None:
    (tmp_path / "g.py").write_text(GRADIENTS)
    for code, _, fault in start_two(tmp_path / "g.py", ROOT, tmp_path / "two.pt"):
        assert code == 0, fault[-2000:]
    one = [sys.executable, tmp_path / "g.py", ROOT, tmp_path / "one.pt"]
    subprocess.run([*map(str, one)], check=True, capture_output=True)
    two, single = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("two", "one"))
    assert len(two) == len(single) > 50
    largest = max(float(g.abs().max()) for g in single)
    for ours, expected in zip(two, single, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4 * largest)


BEGUN = """
import sys
sys.path.insert(0, sys.argv[1])
import json
from pathlib import Path
import numpy as np, torch
from reid.datasets import CropTable
from reid.distributed import join_workers, leave_workers
from reid.teacher_blocks import BlockWords
from reid.train import TrainData, Trainer
from reid.train_config import TrainConfig
class Echo:
    dimension = 4
    def __call__(self, images):  # speaks of this process's own crops, at a scale of its own
        rng = np.random.default_rng(int(np.stack(images).astype(np.int64).sum()))
        sizes = [(64, 32, 16, 64, 16, 8), (256, 16, 8, 256, 16, 8), (256, 16, 8, 256, 16, 8), (256, 16, 8, 256, 8, 4),
                 (384, 8, 4, 384, 8, 4), (384, 8, 4, 384, 8, 4), (384, 8, 4, 384, 4, 2), (512, 4, 2, 512, 4, 2)]
        made = lambda shape: (3 * rng.random() * rng.random((len(images), *shape))).astype(np.float32)
        return BlockWords(made((4,)), tuple(made(s[:3]) for s in sizes), tuple(made(s[3:]) for s in sizes))
torch.set_num_threads(1)
workers, device = join_workers("cpu")
images = np.random.default_rng(0).integers(0, 255, (16, 64, 32, 3), np.uint8)
identity = np.repeat(np.arange(8), 2)
table = CropTable(images, identity, np.zeros(16, np.int64), np.zeros(16, np.int64), ("people",))
config = TrainConfig.model_validate_json(json.dumps({
    "trunk": "osnet", "reduced": 8, "input_size_wh": [32, 64], "identities": 4, "crops": 2, "epochs": 8,
    "teacher": {"name": "onnx", "model": "unused.onnx", "flip": False}, "loss": {"distil_cosine": 1.0},
    "teacher_blocks": {"operations": [[f"b{n}", f"a{n}"] for n in range(8)]},
}))
trainer = Trainer(config, TrainData(table, block_teacher=Echo()), Path(sys.argv[2]), device, workers)
trainer.train_step(trainer.make_batch())
own = torch.cat([p.data.flatten() for p in trainer.student.parameters()])
torch.save(own, f"{sys.argv[2]}-{workers.rank}.pt")
leave_workers(workers)
"""


def test_two_processes_that_learn_block_by_block_have_one_network(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text(BEGUN)
    for code, _, fault in start_two(tmp_path / "b.py", ROOT, tmp_path / "run"):
        assert code == 0, fault[-2000:]
    one, two = (torch.load(tmp_path / f"run-{rank}.pt", weights_only=True) for rank in range(2))
    assert torch.equal(one, two)


COMMAND = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from commands import train_reid
from run import main
train_reid.CACHE = Path(sys.argv[2])
sys.exit(main(sys.argv[3:]))
"""


def train_in_two(folder: Path, settings: dict[str, object], data: Path) -> list[tuple[int, str, str]]:
    """What `run.py train-reid` says, with its cache in `folder`."""
    (folder / "c.yaml").write_text(json.dumps(settings))
    words = ["train-reid", "--config", folder / "c.yaml", "--data", data, "--output", folder / "out"]
    return start_two("-c", COMMAND, ROOT, folder / "cache", *words, "--threads", "1", "--device", "cpu")


def test_the_command_trains_in_two_processes_which_ask_a_teacher_once(
    tmp_path: Path, make_set: Callable[..., Path]
) -> None:
    make_set(tmp_path / "people")
    save_onnx(Mgn("light", 8).eval(), (3, 48, 16), tmp_path / "teacher.onnx", {})
    embedder = {"name": "onnx", "model": str(tmp_path / "teacher.onnx"), "input_size_wh": [16, 48], "flip": False}
    settings = {
        "trunk": "light", "reduced": 8, "input_size_wh": [16, 48], "data": ["people"], "identities": 4, "crops": 2,
        "epochs": 2, "optimiser": {"ema": 0.9}, "teacher": embedder, "loss": {"distil_cosine": 1.0, "distil_maps": 1.0},
        "teacher_maps": {"layers": ["/branches.2/rest/rest.1/Relu_2"], "grid_wh": [1, 3], "dimension": 4},
    }  # fmt: skip
    first, second = train_in_two(tmp_path, settings, tmp_path)
    assert (first[0], second[0]) == (0, 0), first[2][-2000:] + second[2][-2000:]
    assert "2 steps" in first[1] and "each of 2 processes" in first[1]
    assert not second[1]  # one of the two tells
    assert (tmp_path / "out" / "weights.safetensors").is_file()
    kept = sorted(".".join(path.name.split(".")[1:]) for path in (tmp_path / "cache").iterdir())
    assert kept == ["labels.npy", "maps.npy", "npy", "teacher.npy"]
    (row,) = csv.DictReader((tmp_path / "out" / "log.csv").read_text().splitlines())
    assert float(row["maps"]) > 0 and float(row["cosine"]) > 0


def test_where_the_first_process_cannot_begin_the_other_ends_too_in_one_line(tmp_path: Path) -> None:
    settings = {"trunk": "light", "data": ["people"]}
    first, second = train_in_two(tmp_path, settings, tmp_path / "nowhere")
    assert (first[0], second[0]) == (2, 2), first[2][-2000:] + second[2][-2000:]
    assert "nowhere/people: no such folder" in first[2] and "Traceback" not in first[2]
    assert "the first process could not begin" in second[2] and "Traceback" not in second[2]


def test_identities_that_cannot_be_dealt_out_are_told() -> None:
    with pytest.raises(UsageError, match="6 cannot be dealt out to 4 processes"):
        Workers(0, 4).share(6)
    assert Workers(1, 3).share(6) == 2
