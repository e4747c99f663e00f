"""Lay an immutable version out for a trainer: `materialise(manifest, blob_root, into)`.

Class names and source names never become paths; numbers do. What a trainer sees of the annotations was parsed and written by us,
image by image: memory holds one at a time.
"""

import shutil
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from eyebright_kit.data.blobs import Place, blob_path, copied
from eyebright_kit.data.geometry import trainable
from eyebright_kit.data.local import LocalDataset, LocalSample, laid_out, line_of, samples_file
from eyebright_kit.data.manifest import Manifest, Sample
from eyebright_wire.datasets import Split

_UNLABELLED = "unlabelled"
_MASKS = "masks"


def materialise(manifest: Manifest, blob_root: Path, into: Path, place: Place = copied) -> LocalDataset:
    """Make every image of the version, and its mask, a file below `into`, as `place` does it: `linked` is for readers only.

    What an earlier call left below `into` is replaced. Sizes are always verified, contents when copied.
    Raises StorageUnavailable when a blob is missing or differs from the manifest, msgspec.DecodeError for what is none.
    """
    _clear(into)
    numbers: Counter[Split] = Counter()
    with ExitStack() as files:
        lines = {split: files.enter_context(samples_file(into, split).open("wb")) for split in Split}
        for sample in manifest.samples():
            lines[sample.split].write(line_of(_placed(sample, numbers[sample.split], blob_root, into, place)))
            numbers[sample.split] += 1
    return laid_out(into, manifest.header.classes, manifest.header.skeletons)


def _clear(into: Path) -> None:
    """Remove only what materialise itself makes: `into` may hold other things of the caller."""
    samples = samples_file(into, Split.TRAIN).parent
    for folder in (*(into / name for name in (*Split, _MASKS)), samples):
        if folder.exists():
            shutil.rmtree(folder)
    samples.mkdir(parents=True)


def _placed(sample: Sample, number: int, blob_root: Path, into: Path, place: Place) -> LocalSample:
    folder = into / sample.split / (_UNLABELLED if sample.label is None else f"{sample.label:04d}")
    folder.mkdir(parents=True, exist_ok=True)
    name = sample.source or sample.sha256
    target = folder / f"{number:06d}.{sample.extension}"
    path = place(blob_path(blob_root, sample.sha256), sample.sha256, sample.size_bytes, target, name)
    return LocalSample(
        path,
        sample.label,
        sample.source,
        sample.width,
        sample.height,
        instances=trainable(sample.instances, sample.width, sample.height),
        mask=_placed_mask(sample, number, blob_root, into, place),
        caption=sample.caption,
        repeats=sample.repeats,
    )


def _placed_mask(sample: Sample, number: int, blob_root: Path, into: Path, place: Place) -> Path | None:
    if sample.mask is None:
        return None
    folder = into / _MASKS / sample.split
    folder.mkdir(parents=True, exist_ok=True)
    blob, name = blob_path(blob_root, sample.mask.sha256), f"{sample.source}'s mask"
    return place(blob, sample.mask.sha256, sample.mask.size_bytes, folder / f"{number:06d}.png", name)
