"""Several processes as one: who this is, and how all of them agree. With one process everything here is free."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from eyebright_kit.runtime import StopReason

T = TypeVar("T")

# Fenced overrules cancel overrules preempt: whatever one rank heard, all ranks do.
_REASONS = (None, StopReason.PREEMPT, StopReason.CANCEL, StopReason.FENCED)


@dataclass(frozen=True)
class Ranks:
    """This process among its peers. `first` is the one that reports and saves."""

    rank: int = 0
    world_size: int = 1
    _talk: distributed.ProcessGroup | None = field(
        default=None, repr=False
    )  # for decisions: on the CPU, never waits for a GPU
    _parent: int = field(default_factory=os.getppid, repr=False)

    @property
    def first(self) -> bool:
        return self.rank == 0

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model whose backward pass averages gradients over all ranks; rank 0's buffers are everybody's."""
        if self.world_size == 1:
            return model
        return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)

    def agree(self, reason: StopReason | None) -> StopReason | None:
        """The strongest wish to stop that any rank has heard of. Every rank must ask at the same step."""
        if self.world_size == 1:
            return reason
        if os.getppid() != self._parent:  # the launcher is gone: nobody would ever end this process
            reason = reason or StopReason.PREEMPT
        wish = torch.tensor(_REASONS.index(reason))
        distributed.all_reduce(wish, distributed.ReduceOp.MAX, group=self._talk)
        return _REASONS[int(wish)]

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all ranks, in place."""
        if self.world_size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def gathered(self, part: T) -> list[T]:
        """Every rank's part, in order of ranks, on every rank. For what is small: it travels as a pickle."""
        if self.world_size == 1:
            return [part]
        parts: list[T | None] = [None] * self.world_size
        distributed.all_gather_object(parts, part, group=self._talk)
        return [part for part in parts if part is not None]

    def share_buffers(self, model: nn.Module) -> None:
        """Gives every rank rank 0's normalisation statistics: each has seen other images since the last step began."""
        if self.world_size == 1:
            return
        for buffer in model.buffers():
            distributed.broadcast(buffer, src=0)

    def in_turn(self, work: Callable[[], T]) -> T:
        """Rank 0 does it first, the others after it: for what is downloaded once and then found."""
        if not self.first:
            self._wait()
        done = work()
        if self.first:
            self._wait()
        return done

    def _wait(self) -> None:
        if self.world_size > 1:
            distributed.barrier(group=self._talk)


@contextmanager
def joined(rank: int, world_size: int, device: torch.device) -> Iterator[Ranks]:
    """Meets the other processes: over NCCL where they train on GPUs, over Gloo on CPUs."""
    if world_size == 1:
        yield Ranks()
        return
    _stay_on_this_machine()
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=rank, world_size=world_size)
    try:
        yield Ranks(rank, world_size, distributed.new_group(backend="gloo"))
    finally:
        distributed.destroy_process_group()


def local_place() -> tuple[int, int]:
    """Which process this is on its machine, and how many there are."""
    return int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _stay_on_this_machine() -> None:
    """Gloo listens on the address of the host's name, which may not resolve, or be reachable from outside."""
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ.get("WORLD_SIZE"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
