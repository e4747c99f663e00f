"""Write a version in another format: `convert(manifest, find, form, into)` says what could not be carried."""

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from eyebright_kit.data.blobs import Find
from eyebright_kit.data.features import LABELS, Feature, Features, features_of
from eyebright_kit.data.format import Format, formats
from eyebright_kit.data.manifest import Manifest
from eyebright_kit.data.walk import natural_order
from eyebright_kit.data.writing import Renamed, Target, is_plain


@dataclass(frozen=True, slots=True)
class Conversion:
    """`lost` counts images or objects by what could not be carried of them, `renamed` images that could not keep their names."""

    images: int
    lost: dict[Feature, int]
    renamed: Renamed


class NoLabelLeft(ValueError):
    """The format can carry none of the labels, which are of these kinds; `carriers` are the formats that lose least of them."""

    def __init__(self, form: Format, labels: Features) -> None:
        self.labels = tuple(sorted(labels, key=list(Feature).index))
        self.carriers = _carriers(labels)
        better = f"; formats that can: {', '.join(self.carriers)}" if self.carriers else ""
        super().__init__(f"{form.name} cannot carry {' or '.join(self.labels)}, so no label would be left{better}")


def convert(manifest: Manifest, find: Find, form: Format, into: Path, *, lossy: bool = False) -> Conversion:
    """Write the version below `into`, an empty folder or one to be made, as copies that may be changed.

    Raises FileExistsError, StorageUnavailable, and NoLabelLeft unless it may be as `lossy` as that; then nothing is written.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise FileExistsError(f"{into} is there already and not an empty folder; name a new one")
    present = features_of_version(manifest)
    features = frozenset(present)
    carried = form.carries(features)
    if (labels := features & LABELS) and not labels & carried and not lossy:
        raise NoLabelLeft(form, labels)
    into.mkdir(parents=True, exist_ok=True)
    target = Target(manifest, find, into, features)
    try:
        form.write(target)
    except BaseException:
        for (
            begun
        ) in into.iterdir():  # it was empty: half a data set is worth nothing, and takes the room of a whole one
            shutil.rmtree(begun, ignore_errors=True) if begun.is_dir() else begun.unlink()
        raise
    lost = {what: count for what, count in present.items() if what not in carried}
    return Conversion(sum(1 for _ in manifest.samples()), lost, target.renamed)


def _carriers(labels: Features) -> tuple[str, ...]:
    carried = {form.name: len(form.carries(labels) & labels) for form in formats()}
    most = max(carried.values(), default=0)
    return tuple(name for name, count in carried.items() if most and count == most)


def features_of_version(manifest: Manifest) -> Counter[Feature]:
    header = manifest.header
    found = features_of(header, manifest.samples())
    if list(header.classes) != sorted(header.classes, key=natural_order):
        found[Feature.CLASS_ORDER] = len(header.classes)
    if odd := sum(not is_plain(name) for name in header.classes):
        found[Feature.CLASS_NAMES] = odd
    return found
