"""The whole content of a version as a file: JSON lines, the header first, then one line for each image.

The sha256 of the file is the identity of the version, so there is one way to write it: keys in the order of the fields, fields at
their default left out, images in a fixed order. A field that is gained later renames no version that does not use it. Neither
writing nor reading holds the set in memory.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from eyebright_kit.data.annotations import Instance, Mask, Skeleton
from eyebright_wire.datasets import Split

#: What three digits hold, as they are written in the names of folders.
MOST_REPEATS = 999

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Sample(Struct, frozen=True, omit_defaults=True, gc=False, kw_only=True):
    """One image of a version. `sha256` names its bytes in the blob store; `source` is where it came from, for people."""

    sha256: Sha256
    extension: Annotated[str, Meta(pattern=r"^[a-z0-9]{1,8}$")]
    size_bytes: int
    width: int  # of the image as EXIF says that it is to be held, as are the annotations
    height: int
    split: Split
    label: int | None = None  # of the whole image: an index into the classes
    source: str = ""
    instances: tuple[Instance, ...] = ()
    mask: Mask | None = None
    caption: str | None = None
    repeats: Annotated[int, Meta(ge=1, le=MOST_REPEATS)] = 1  # how often an epoch is meant to show it


class Header(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What holds for all images."""

    format: str  # the one that it was read from
    classes: tuple[str, ...]
    skeletons: Mapping[int, Skeleton] = msgspec.field(default_factory=dict[int, Skeleton])  # by class
    samples: tuple[Sample, ...] = ()  # only in manifests of before the images had lines of their own


@dataclass(frozen=True)
class Manifest:
    """A manifest that lies at `path`. Raises OSError, or msgspec.ValidationError for what is none."""

    path: Path

    @cached_property
    def header(self) -> Header:
        with self.path.open("rb") as file:
            return _HEADER.decode(file.readline())

    def samples(self) -> Iterator[Sample]:
        """In the version's own order, read afresh at each call."""
        yield from self.header.samples
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield _SAMPLE.decode(line)


_HEADER = msgspec.json.Decoder(Header)
_SAMPLE = msgspec.json.Decoder(Sample)
_ENCODER = msgspec.json.Encoder(order="deterministic")  # of the attributes; fields keep their order


def shown_labels(sample: Sample) -> tuple[int, ...]:
    """The classes that an image shows in any way, each once, in ascending order."""
    shown = {instance.label for instance in sample.instances}
    if sample.label is not None:
        shown.add(sample.label)
    if sample.mask is not None:
        shown.update(sample.mask.classes)
    return tuple(sorted(shown))


def line_of(sample: Sample) -> bytes:
    return _ENCODER.encode(sample) + b"\n"


def sample_of(line: bytes) -> Sample:
    return _SAMPLE.decode(line)


def write_manifest(path: Path, header: Header, lines: Iterable[bytes]) -> str:
    """Write the file; its sha256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        first = msgspec.json.encode(_in_order(header)) + b"\n"
        digest.update(first)
        file.write(first)
        for line in lines:
            digest.update(line)
            file.write(line)
    return digest.hexdigest()


def _in_order(header: Header) -> Header:
    return msgspec.structs.replace(header, skeletons=dict(sorted(header.skeletons.items())))
