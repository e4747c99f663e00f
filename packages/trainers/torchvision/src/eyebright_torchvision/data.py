"""Images on their way to the device: decoded once, kept as bytes, prepared in the background while the model computes."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eyebright_kit.data.local import LocalSample
from eyebright_kit.errors import DatasetInvalid
from eyebright_torchvision.cache import room
from eyebright_torchvision.order import Indices
from eyebright_torchvision.preprocess import UNREADABLE, Pixels, read_square

_AHEAD = 2  # batches prepared while one is computed on


@dataclass(frozen=True)
class Batch:
    """Bytes [N, side, side, 3] and class indices [N], on the device that computes."""

    pixels: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Images:
    """The squares of one split, by index. Each file is decoded once where there is room to keep it.

    Whether there is, and how many threads decode, changes no byte of what `take` answers.
    """

    def __init__(
        self,
        samples: Sequence[LocalSample],
        side: int,
        fit: str,
        threads: int,
        kept: NDArray[np.uint8] | None = None,
    ) -> None:
        self.labels = np.array([_label(sample) for sample in samples], dtype=np.int64)
        self.side = side
        self._samples = samples
        self._fit = fit
        self._kept = kept
        self._decoded = np.zeros(len(samples), dtype=np.bool_)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def bytes_in_memory(self) -> int:
        """What the kept squares take once all are decoded; a file's pages are the system's to drop."""
        return 0 if self._kept is None or isinstance(self._kept, np.memmap) else self._kept.nbytes

    def take(self, indices: Indices, out: Pixels | None = None) -> Pixels:
        """[N, side, side, 3]. Raises DatasetInvalid naming the file that cannot be decoded."""
        out = np.empty((len(indices), self.side, self.side, 3), dtype=np.uint8) if out is None else out
        if self._kept is None:
            self._decode(indices, out, range(len(indices)))
            return out
        missing = np.unique(indices[~self._decoded[indices]])
        self._decode(missing, self._kept, missing)
        self._decoded[missing] = True
        return np.take(self._kept, indices, axis=0, out=out, mode="clip")  # any other mode would buffer `out`

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _decode(self, indices: Indices, into: NDArray[np.uint8], rows: Iterable[int]) -> None:
        for row, square in zip(rows, self._pool.map(self._square, indices.tolist()), strict=True):
            into[row] = square

    def _square(self, index: int) -> Pixels:
        sample = self._samples[index]
        try:
            return read_square(sample.path, self.side, self._fit)
        except UNREADABLE as error:
            raise DatasetInvalid(
                f"{sample.source or sample.path.name} cannot be decoded ({error}); replace or remove it and import again"
            ) from error


def _label(sample: LocalSample) -> int:
    if sample.label is None:
        raise DatasetInvalid(
            f"{sample.source or sample.path.name} has no class; classification needs one for each image"
        )
    return sample.label


@contextmanager
def opened(
    samples: Sequence[LocalSample], side: int, fit: str, threads: int, keep_at: Path | None, shared: bool
) -> Iterator[Images]:
    """Images that are kept at `keep_at`, or in memory, where there is room; `None` keeps none."""
    kept = room((len(samples), side, side, 3), keep_at, shared) if keep_at else None
    images = Images(samples, side, fit, threads, kept)
    try:
        yield images
    finally:
        images.close()


def batches(images: Images, steps: Iterable[Indices], device: torch.device) -> Iterator[Batch]:
    """Each step's batch on the device, in order. The next ones are prepared meanwhile; closing the iterator ends that."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="prepare")
    ahead: deque[Future[Batch]] = deque()
    try:
        for step in steps:
            ahead.append(pool.submit(_prepare, images, step, device.type == "cuda"))
            if len(ahead) > _AHEAD:
                yield _moved(ahead.popleft().result(), device)
        while ahead:
            yield _moved(ahead.popleft().result(), device)
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(count: int, batch: int, rank: int = 0, world_size: int = 1) -> list[Indices]:
    """This rank's part of a split, first to last, for evaluation."""
    mine = np.arange(rank, count, world_size)
    return [mine[start : start + batch] for start in range(0, len(mine), batch)]


def decode_threads(workers: int, cores: int) -> int:
    return workers or max(1, min(cores, os.cpu_count() or 1))


def _prepare(images: Images, step: Indices, pin: bool) -> Batch:
    """Filled in pinned memory for a GPU, so that the copy there waits for nothing. torch's host allocator hands a buffer out
    again only when the copy from it is done."""
    pixels = torch.empty((len(step), images.side, images.side, 3), dtype=torch.uint8, pin_memory=pin)
    images.take(step, pixels.numpy())
    labels = torch.from_numpy(images.labels[step])
    return Batch(pixels, labels.pin_memory() if pin else labels)


def _moved(batch: Batch, device: torch.device) -> Batch:
    return Batch(batch.pixels.to(device, non_blocking=True), batch.labels.to(device, non_blocking=True))
