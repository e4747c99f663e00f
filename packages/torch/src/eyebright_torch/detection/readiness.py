"""Can this data be trained on? Asked before anything expensive happens."""

from collections.abc import Sequence

from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_kit.errors import DatasetInvalid
from eyebright_wire.datasets import Split


def check(data: LocalDataset, outlines: bool) -> None:
    """Raises DatasetInvalid naming the missing condition."""
    for split in (Split.TRAIN, Split.VAL):
        samples = data.samples(split)
        if not samples:
            raise DatasetInvalid(f"the data set has no image in the split {split}; detection needs both train and val")
        if not _has_objects(samples, outlines):
            what = "an outline (polygons or run lengths)" if outlines else "a box"
            raise DatasetInvalid(f"no object in the split {split} has {what}, which this task learns from")


def _has_objects(samples: Sequence[LocalSample], outlines: bool) -> bool:
    return any(
        not each.crowd and (not outlines or each.polygons or each.rle)
        for sample in samples
        for each in sample.instances
    )
