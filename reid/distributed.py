"""Several processes that train one network: `torchrun --nproc-per-node 2 run.py train-reid ...`.

Each takes its share of the P identities of a batch. Gradients are averaged, running means of the norms too; the triplet
and pair losses see the vectors of all processes. The norms' own statistics in a step are those of a process's share,
as in the paper's run on two GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed

from pipeline.errors import UsageError

Result = TypeVar("Result")

PATIENCE = timedelta(days=1)
"""How long processes wait for each other: the first may ask a teacher about a large set meanwhile, which torch's
10 (NCCL) or 30 (gloo) minutes do not suffice for. One that dies is noticed at once."""


@dataclass(frozen=True, slots=True)
class Workers:
    """This process among `size`; rank 0 logs and writes."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process logs and writes."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace `tensors` by their mean over the processes, in one message."""
        if self.size == 1:
            return
        listed = list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in listed])
        distributed.all_reduce(flat)
        flat /= self.size
        begin = 0
        for tensor in listed:
            tensor.copy_(flat[begin : begin + tensor.numel()].view_as(tensor))
            begin += tensor.numel()

    def gather(self, rows: Tensor) -> Tensor:
        """The rows `(N, ...)` of all processes, in order of rank; a gradient flows into this process's own."""
        if self.size == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.size)]
        distributed.all_gather(parts, rows.detach().contiguous())
        parts[self.rank] = rows
        return torch.cat(parts)

    def agree(self, number: float) -> float:
        """The number of rank 0."""
        if self.size == 1:
            return number
        box = [number]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def first_ahead(self, work: Callable[[], Result]) -> Result:
        """What `work` gives; the others begin it when rank 0 has ended. Raises UsageError in those where it failed."""
        if not self.first:
            if not self.agree(0.0):
                raise UsageError(f"process {self.rank}: ends, as the first process could not begin and says why")
            return work()
        done = 0.0
        try:
            result = work()
            done = 1.0
        finally:
            self.agree(done)
        return result

    def share(self, identities: int) -> int:
        """Identities of a batch that are this process's. Raises UsageError where they cannot be dealt out."""
        if identities % self.size or identities // self.size < 1:
            raise UsageError(
                f"identities: {identities} cannot be dealt out to {self.size} processes; make it a multiple of them"
            )
        return identities // self.size


def join_workers(device: str) -> tuple[Workers, str]:
    """Join the processes that torchrun started, if it did; this process's place and its device."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Workers(), device
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    if device.startswith("cuda"):
        device = f"cuda:{local}"
        if local >= torch.cuda.device_count():
            raise UsageError(f"process {local} has no GPU of its own ({torch.cuda.device_count()} there); start fewer")
        torch.cuda.set_device(local)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE, rank=rank, world_size=size)
    return Workers(rank, size), device


def leave_workers(workers: Workers) -> None:
    """Say good-bye, so that no process ends with a warning."""
    if workers.size > 1:
        distributed.destroy_process_group()
