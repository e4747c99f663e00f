"""A data set as a trainer sees it: files on the local disk, in a fixed order, and annotations that can be trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class LocalDataset:
    """Images below `root`, laid out as `<split>/<class index>/<number>.<extension>`."""

    root: Path
    classes: tuple[str, ...]
    splits: dict[Split, tuple[LocalSample, ...]] = field(repr=False)
    skeletons: Mapping[int, Skeleton] = field(default_factory=dict[int, Skeleton])  # by class

    def samples(self, split: Split) -> tuple[LocalSample, ...]:
        """The samples of a split in the version's own order; empty when the version has no such split."""
        return self.splits.get(split, ())


def dump(data: LocalDataset) -> bytes:
    """For another process of the same run."""
    return msgspec.json.encode(data, enc_hook=str)


def load(content: bytes) -> LocalDataset:
    return msgspec.json.decode(content, type=LocalDataset, dec_hook=lambda _, path: Path(path))
