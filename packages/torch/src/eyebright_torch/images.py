"""The images of a split as squares of bytes: decoded once where there is room to keep them, by several threads."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from eyebright_kit.data.local import LocalSample
from eyebright_kit.errors import DatasetInvalid
from eyebright_torch.cache import room
from eyebright_torch.order import Indices
from eyebright_torch.preprocess import UNREADABLE, Pixels, Preprocessing, read_square

#: What a square [side, side, 3] of the so many-eth image is to be learned from as.
Alter = Callable[[Pixels, int], Pixels]


class Images:
    """The squares of one split, by index. Each file is decoded once where there is room to keep it.

    Whether there is, and how many threads decode, changes no byte of what `take` answers. A task that learns from more than
    colours derives its own, whose squares have more `channels`.
    """

    channels: ClassVar[int] = 3

    def __init__(
        self,
        samples: Sequence[LocalSample],
        rule: Preprocessing,
        threads: int,
        kept: NDArray[np.uint8] | None = None,
    ) -> None:
        self.samples = samples
        self.side = rule.imgsz
        self._rule = rule
        self._kept = kept
        self._decoded = np.zeros(len(samples), dtype=np.bool_)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def bytes_in_memory(self) -> int:
        """What the kept squares take once all are decoded; a file's pages are the system's to drop."""
        return 0 if self._kept is None or isinstance(self._kept, np.memmap) else self._kept.nbytes

    def take(self, indices: Indices, out: Pixels | None = None) -> Pixels:
        """[N, side, side, channels]. Raises DatasetInvalid naming the file that cannot be decoded."""
        out = np.empty((len(indices), self.side, self.side, self.channels), dtype=np.uint8) if out is None else out
        if self._kept is None:
            self._decode(indices, out, range(len(indices)))
            return out
        missing = np.unique(indices[~self._decoded[indices]])
        self._decode(missing, self._kept, missing)
        self._decoded[missing] = True
        return np.take(self._kept, indices, axis=0, out=out, mode="clip")  # any other mode would buffer `out`

    def batch(self, indices: Indices, pin: bool) -> torch.Tensor:
        """The same as a tensor: in pinned memory for a GPU, so that the copy there waits for nothing. torch's host allocator
        hands a buffer out again only when the copy from it is done."""
        pixels = torch.empty((len(indices), self.side, self.side, self.channels), dtype=torch.uint8, pin_memory=pin)
        self.take(indices, pixels.numpy())
        return pixels

    def alter(self, pixels: Pixels, indices: Indices, alter: Alter) -> None:
        """Each square of `pixels` [N, side, side, channels] in place, by the threads that decode."""
        for row, square in enumerate(self._pool.map(alter, pixels, indices.tolist())):
            pixels[row] = square

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def read(self, sample: LocalSample, rule: Preprocessing) -> Pixels:
        """One square [side, side, channels]. Raises one of UNREADABLE when a file cannot be decoded."""
        return read_square(sample.path, rule)

    def _decode(self, indices: Indices, into: NDArray[np.uint8], rows: Iterable[int]) -> None:
        for row, square in zip(rows, self._pool.map(self._square, indices.tolist()), strict=True):
            into[row] = square

    def _square(self, index: int) -> Pixels:
        sample = self.samples[index]
        try:
            return self.read(sample, self._rule)
        except UNREADABLE as error:
            raise DatasetInvalid(
                f"{sample.source or sample.path.name} cannot be decoded ({error}); replace or remove it and import again"
            ) from error


Kind = TypeVar("Kind", bound=Images)


@contextmanager
def opened(
    kind: type[Kind],
    samples: Sequence[LocalSample],
    rule: Preprocessing,
    threads: int,
    keep_at: Path | None,
    shared: bool,
) -> Iterator[Kind]:
    """Images of this kind that are kept at `keep_at`, or in memory, where there is room; `None` keeps none."""
    kept = room((len(samples), rule.imgsz, rule.imgsz, kind.channels), keep_at, shared) if keep_at else None
    images = kind(samples, rule, threads, kept)
    try:
        yield images
    finally:
        images.close()


def in_order(count: int, batch: int, rank: int = 0, world_size: int = 1) -> list[Indices]:
    """This rank's part of a split, first to last, for evaluation."""
    mine = np.arange(rank, count, world_size)
    return [mine[start : start + batch] for start in range(0, len(mine), batch)]


def decode_threads(workers: int, cores: int) -> int:
    return workers or max(1, min(cores, os.cpu_count() or 1))
