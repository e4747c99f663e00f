"""Write a version in another format: `convert(manifest, find, form, into)` says what could not be carried."""

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from eyebright_kit.data.blobs import Find
from eyebright_kit.data.features import Feature, features_of
from eyebright_kit.data.format import Format
from eyebright_kit.data.manifest import Manifest
from eyebright_kit.data.walk import natural_order
from eyebright_kit.data.writing import Renamed, Target, is_plain


@dataclass(frozen=True, slots=True)
class Conversion:
    """`lost` counts images or objects by what could not be carried of them, `renamed` images that could not keep their names."""

    images: int
    lost: dict[Feature, int]
    renamed: Renamed


def convert(manifest: Manifest, find: Find, form: Format, into: Path) -> Conversion:
    """Write the version below `into`, an empty folder or one to be made, as copies that may be changed.

    Raises FileExistsError, StorageUnavailable.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise FileExistsError(f"{into} is there already and not an empty folder; name a new one")
    into.mkdir(parents=True, exist_ok=True)
    present = features_of_version(manifest)
    features = frozenset(present)
    target = Target(manifest, find, into, features)
    try:
        form.write(target)
    except BaseException:
        for (
            begun
        ) in into.iterdir():  # it was empty: half a data set is worth nothing, and takes the room of a whole one
            shutil.rmtree(begun, ignore_errors=True) if begun.is_dir() else begun.unlink()
        raise
    carried = form.carries(features)
    lost = {what: count for what, count in present.items() if what not in carried}
    return Conversion(sum(1 for _ in manifest.samples()), lost, target.renamed)


def features_of_version(manifest: Manifest) -> Counter[Feature]:
    header = manifest.header
    found = features_of(header, manifest.samples())
    if list(header.classes) != sorted(header.classes, key=natural_order):
        found[Feature.CLASS_ORDER] = len(header.classes)
    if odd := sum(not is_plain(name) for name in header.classes):
        found[Feature.CLASS_NAMES] = odd
    return found
