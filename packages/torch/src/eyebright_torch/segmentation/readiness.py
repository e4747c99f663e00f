"""Can this data be trained on? Asked before anything expensive happens."""

from collections.abc import Sequence

from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_kit.errors import DatasetInvalid
from eyebright_wire.datasets import Split


def check(data: LocalDataset) -> None:
    """Raises DatasetInvalid naming the missing condition."""
    if len(data.classes) < 2:
        found = f"{len(data.classes)} class ({', '.join(data.classes)})" if data.classes else "no class"
        raise DatasetInvalid(
            f"the data set has {found}; semantic segmentation needs 2 or more, of which one may be the background"
        )
    _check_masks("training", data.samples(Split.TRAIN))
    _check_masks("validation", data.samples(Split.VAL))


def _check_masks(what: str, samples: Sequence[LocalSample]) -> None:
    if not samples:
        raise DatasetInvalid(f"the data set has no {what} images; import it again with some, or with another split")
    if not any(sample.mask for sample in samples):
        raise DatasetInvalid(
            f"no {what} image has a mask; semantic segmentation learns from masks whose pixels are classes"
        )
