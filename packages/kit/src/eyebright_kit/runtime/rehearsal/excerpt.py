"""An excerpt of a version: a few of its images as a version of their own, whose blobs are links to the stored ones."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import nlargest
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import TypeVar

import msgspec

from eyebright_kit.data.blobs import blob_path, linked
from eyebright_kit.data.manifest import Header, Sample, line_of, shown_labels, write_manifest
from eyebright_kit.runtime.place import Opening, local_place
from eyebright_kit.runtime.transfer import blobs_of, granted_manifest
from eyebright_wire.artifacts import Grant
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import DatasetGrant

T = TypeVar("T")


class Excerpts:
    """Chooses from one version. `count` is how many images make a batch.

    Raises StorageUnavailable when the version cannot be read, msgspec.DecodeError when it is not understood.
    """

    def __init__(self, version: DatasetGrant, count: int, opening: Opening = local_place) -> None:
        self._version = version
        self._stored = opening(version.blobs)
        self._manifest = granted_manifest(version, self._stored)
        self._count = count

    def opening(self) -> tuple[Sample, ...]:
        """A batch to learn from and one to judge by, of each class in turn."""
        return (*_in_turn(self._of(Split.TRAIN), self._count), *self._judged())

    def largest(self) -> tuple[Sample, ...]:
        """The batch that takes the most: half of it the images with the most pixels, half those with the most objects."""
        wide = nlargest(self._count, self._of(Split.TRAIN), key=_pixels)
        crowded = [sample for sample in nlargest(self._count, self._of(Split.TRAIN), key=_objects) if _objects(sample)]
        chosen = {(sample.source, sample.sha256): sample for sample in _by_turns([wide, crowded])}
        return (*self._of_two_classes(list(islice(chosen.values(), self._count))), *self._judged())

    def write(self, samples: Sequence[Sample], into: Path) -> DatasetGrant:
        """Raises StorageUnavailable when an image is missing, or is not what the version says."""
        blobs = into / "blobs"
        draft = into / "manifest.jsonl"
        blobs.mkdir(parents=True)
        self._stored.bring(tuple(blobs_of(samples)))
        header = msgspec.structs.replace(self._manifest.header, samples=())
        sha256 = write_manifest(draft, header, (line_of(self._linked(sample, blobs)) for sample in samples))
        _in_place(blobs, sha256)
        draft.rename(blob_path(blobs, sha256))
        return self._version.model_copy(
            update={"manifest_sha256": sha256, "blobs": Grant(uri=blobs.absolute().as_uri() + "/")}
        )

    @property
    def header(self) -> Header:
        return self._manifest.header

    def _of(self, split: Split) -> Iterator[Sample]:
        return (sample for sample in self._manifest.samples() if sample.split is split)

    def _judged(self) -> tuple[Sample, ...]:
        return _in_turn(self._of(Split.VAL), self._count)

    def _of_two_classes(self, samples: list[Sample]) -> list[Sample]:
        """Nobody learns to tell apart what is all alike: then the smallest gives way to the largest of another class."""
        labels = {sample.label for sample in samples}
        if len(labels) == 1 and len(samples) > 1:
            others = (sample for sample in self._of(Split.TRAIN) if sample.label not in labels)
            samples[-1:] = nlargest(1, others, key=_pixels) or samples[-1:]
        return samples

    def _linked(self, sample: Sample, blobs: Path) -> Sample:
        name = sample.source or sample.sha256
        self._link(sample.sha256, sample.size_bytes, blobs, name)
        if sample.mask is not None:
            self._link(sample.mask.sha256, sample.mask.size_bytes, blobs, f"{name}'s mask")
        return sample

    def _link(self, sha256: str, size_bytes: int, blobs: Path, name: str) -> None:
        target = _in_place(blobs, sha256)
        if not target.exists():
            linked(blob_path(self._stored.folder, sha256), sha256, size_bytes, target, name)


def _in_place(blobs: Path, sha256: str) -> Path:
    path = blob_path(blobs, sha256)
    path.parent.mkdir(exist_ok=True)
    return path


def _in_turn(samples: Iterable[Sample], count: int) -> tuple[Sample, ...]:
    by_class: dict[tuple[int, ...], list[Sample]] = {}
    for sample in samples:
        alike = by_class.setdefault(shown_labels(sample)[:1], [])
        if len(alike) < count:
            alike.append(sample)
    return tuple(islice(_by_turns(by_class.values()), count))


def _by_turns(rows: Iterable[Iterable[T]]) -> Iterator[T]:
    """The first of each, then the second of each."""
    return (item for item in chain.from_iterable(zip_longest(*rows)) if item is not None)


def _pixels(sample: Sample) -> int:
    return sample.width * sample.height


def _objects(sample: Sample) -> int:
    return len(sample.instances)
