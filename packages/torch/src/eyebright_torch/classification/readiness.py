"""Can this data be trained on? Asked before anything expensive happens."""

from eyebright_kit.data.local import LocalDataset
from eyebright_kit.errors import DatasetInvalid
from eyebright_wire.datasets import Split


def check(data: LocalDataset) -> None:
    """Raises DatasetInvalid naming the missing condition."""
    _enough_classes(data)
    _enough_images(data)


def _enough_classes(data: LocalDataset) -> None:
    if len(data.classes) < 2:
        found = f"{len(data.classes)} class ({', '.join(data.classes)})" if data.classes else "no class"
        raise DatasetInvalid(f"the data set has {found}; classification needs 2 or more")


def _enough_images(data: LocalDataset) -> None:
    if not data.samples(Split.TRAIN):
        raise DatasetInvalid("the data set has no training images; put some below train/<class>/ and import it again")
    if not data.samples(Split.VAL):
        raise DatasetInvalid("the data set has no validation images; put some below val/<class>/ and import it again")
    present = {sample.label for sample in data.samples(Split.TRAIN)}
    if len(present) < 2:
        raise DatasetInvalid("all training images are of one class; classification needs images of 2 or more")
