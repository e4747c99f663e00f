"""Can these images be learned from, and what will they teach that was not meant? Asked before anything expensive happens.

readiness.check(samples)
for remark in readiness.remarks(samples, config.resolution):
    ctx.log.warning(remark)
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eyebright_diffusion.buckets import Size, closest, enlarged, kept, sizes
from eyebright_kit.data.local import LocalSample
from eyebright_kit.errors import DatasetInvalid

#: With fewer, a LoRA learns these pictures rather than what they have in common.
FEW = 5
#: An image that loses more of its area to its bucket's shape is told of.
LEAST_KEPT = 0.75


def check(samples: Sequence[LocalSample]) -> None:
    """Of the training split. Raises DatasetInvalid naming the missing condition. Files that cannot be decoded were refused by
    the import."""
    if not samples:
        raise DatasetInvalid("the data set has no training images; put some pictures into it and import it again")


def remarks(samples: Sequence[LocalSample], resolution: int) -> Iterator[str]:
    """What a person may want to change, in sentences with the worst example; nothing of it hinders training."""
    yield from _few(samples)
    fits = _fits(samples, resolution)
    yield from _small(fits, resolution)
    yield from _cropped(fits, resolution)
    yield from _repeated(samples)


@dataclass(frozen=True)
class _Fit:
    """An image in its bucket: how much its sides grow, and how much of its area is left."""

    sample: LocalSample
    bucket: Size
    growth: float
    kept: float


def _fits(samples: Sequence[LocalSample], resolution: int) -> list[_Fit]:
    known, fits = sizes(resolution), list[_Fit]()
    for sample in samples:
        side = sample.width, sample.height
        bucket = known[closest(known, *side)]
        fits.append(_Fit(sample, bucket, enlarged(bucket, *side), kept(bucket, *side)))
    return fits


def _few(samples: Sequence[LocalSample]) -> Iterator[str]:
    if len(samples) < FEW:
        yield (
            f"there {_are(len(samples))} to learn from; with fewer than {FEW} a LoRA repeats the pictures themselves rather than "
            "what they have in common"
        )


def _small(fits: Sequence[_Fit], resolution: int) -> Iterator[str]:
    small = [fit for fit in fits if fit.growth > 1]
    if small:
        worst = max(small, key=lambda fit: fit.growth)
        yield (
            f"{_of(len(small), len(fits))} too small for resolution={resolution} and {_is(small)} enlarged, which teaches blur: "
            f"the smallest, {_said(worst.sample)}, {worst.growth:.1f} times; use larger images, or a lower resolution"
        )


def _cropped(fits: Sequence[_Fit], resolution: int) -> Iterator[str]:
    cropped = [fit for fit in fits if fit.kept < LEAST_KEPT]
    if cropped:
        worst = min(cropped, key=lambda fit: fit.kept)
        yield (
            f"{_of(len(cropped), len(fits))} too long or too wide for any shape that is trained at resolution={resolution} and "
            f"{_is(cropped)} cropped around the centre: {_said(worst.sample)} to {worst.kept:.0%}; crop by hand what matters"
        )


def _repeated(samples: Sequence[LocalSample]) -> Iterator[str]:
    groups = _equal(samples)
    spare = sum(len(group) - 1 for group in groups)
    if spare:
        first = groups[0]
        yield (
            f"{_of(spare, len(samples))} byte for byte equal to another, such as {_name(first[1])} to {_name(first[0])}: "
            "they count more than others; remove them unless that is meant"
        )


def _equal(samples: Sequence[LocalSample]) -> list[list[LocalSample]]:
    """Groups of images with the same bytes. Only files of equal length are read."""
    lengths = [sample.path.stat().st_size for sample in samples]
    shared = Counter(lengths)
    groups: dict[bytes, list[LocalSample]] = {}
    for sample, length in zip(samples, lengths, strict=True):
        if shared[length] > 1:
            groups.setdefault(_digest(sample), []).append(sample)
    return [group for group in groups.values() if len(group) > 1]


def _digest(sample: LocalSample) -> bytes:
    with sample.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _are(count: int) -> str:
    return "is 1 image" if count == 1 else f"are {count} images"


def _of(some: int, count: int) -> str:
    return f"{some} of {count} images {'is' if some == 1 else 'are'}"


def _is(fits: Sequence[_Fit]) -> str:
    return "is" if len(fits) == 1 else "are"


def _said(sample: LocalSample) -> str:
    return f"{_name(sample)} of {sample.width}×{sample.height}"


def _name(sample: LocalSample) -> str:
    return sample.source or sample.path.name
