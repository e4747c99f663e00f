"""A data set as a trainer sees it: files on the local disk, in a fixed order."""

from dataclasses import dataclass, field
from pathlib import Path

from eyebright_wire.datasets import Split


@dataclass(frozen=True, slots=True)
class LocalSample:
    """One image. `label` is an index into the data set's classes; `source` names it for people and is never opened."""

    path: Path
    label: int | None
    source: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LocalDataset:
    """Images below `root`, laid out as `<split>/<class index>/<number>.<extension>`."""

    root: Path
    classes: tuple[str, ...]
    splits: dict[Split, tuple[LocalSample, ...]] = field(repr=False)

    def samples(self, split: Split) -> tuple[LocalSample, ...]:
        """The samples of a split in the version's own order; empty when the version has no such split."""
        return self.splits.get(split, ())
