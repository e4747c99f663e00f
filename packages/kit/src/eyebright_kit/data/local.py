"""A data set as a trainer sees it: files on the local disk, in a fixed order, and annotations that can be trained on."""

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import overload

import msgspec

from eyebright_kit.data.annotations import Instance, Skeleton
from eyebright_wire.datasets import Split


@dataclass(frozen=True, slots=True)
class LocalSample:
    """One image. `label` is an index into the data set's classes; `source` names it for people and is never opened.

    Size and annotations are of the image as it is to be held: open it with PIL's `ImageOps.exif_transpose`.

    `instances` lie in the image and have an area. The pixels of `mask` are class indices, 255 where nobody knows.
    `repeats` is how often an epoch is meant to show it.
    """

    path: Path
    label: int | None
    source: str
    width: int
    height: int
    instances: tuple[Instance, ...] = ()
    mask: Path | None = None
    caption: str | None = None
    repeats: int = 1


class LocalSamples(Sequence[LocalSample]):
    """The samples of a split as lines of a file, each read when it is asked for: memory holds eight bytes for one, however many
    objects it shows. For any number of threads, and for processes that it is passed on to; the file must not change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._lines = mmap(file.fileno(), 0, access=ACCESS_READ) if size else b""
        self._starts = array("Q", self._found())

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, place: int) -> LocalSample: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[LocalSample, ...]: ...
    def __getitem__(self, place: int | slice) -> LocalSample | tuple[LocalSample, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        number = range(len(self))[place]  # which knows what -1 means, and what is too much
        return _DECODER.decode(self._lines[self._starts[number] : self._starts[number + 1]])

    def __reduce__(self) -> tuple[type["LocalSamples"], tuple[Path]]:
        return LocalSamples, (self._path,)

    def _found(self) -> Iterator[int]:
        """Where each line begins, and where the last one ends."""
        end = 0
        while end >= 0:
            yield end
            end = self._lines.find(b"\n", end) + 1 or -1


def line_of(sample: LocalSample) -> bytes:
    return _ENCODER.encode(sample) + b"\n"


_ENCODER = msgspec.json.Encoder(enc_hook=str)
_DECODER = msgspec.json.Decoder(LocalSample, dec_hook=lambda _, path: Path(path))


@dataclass(frozen=True, slots=True)
class LocalDataset:
    """Images below `root`, laid out as `<split>/<class index>/<number>.<extension>`."""

    root: Path
    classes: tuple[str, ...]
    splits: Mapping[Split, Sequence[LocalSample]] = field(repr=False)
    skeletons: Mapping[int, Skeleton] = field(default_factory=dict[int, Skeleton])  # by class

    def samples(self, split: Split) -> Sequence[LocalSample]:
        """The samples of a split in the version's own order; empty when the version has no such split."""
        return self.splits.get(split, ())


class _Laid(msgspec.Struct):
    """Where everything lies."""

    root: str
    classes: tuple[str, ...]
    skeletons: Mapping[int, Skeleton]


def laid_out(root: Path, classes: tuple[str, ...], skeletons: Mapping[int, Skeleton]) -> LocalDataset:
    """The data set whose samples were written to `samples_file(root, split)`, for every split."""
    return LocalDataset(root, classes, {split: LocalSamples(samples_file(root, split)) for split in Split}, skeletons)


def samples_file(root: Path, split: Split) -> Path:
    return root / "samples" / f"{split}.jsonl"


def dump(data: LocalDataset) -> bytes:
    """One that was laid out, for another process of the same run."""
    assert all(isinstance(samples, LocalSamples) for samples in data.splits.values())
    return msgspec.json.encode(_Laid(str(data.root), data.classes, data.skeletons))


def load(content: bytes) -> LocalDataset:
    laid = msgspec.json.decode(content, type=_Laid)
    return laid_out(Path(laid.root), laid.classes, laid.skeletons)
