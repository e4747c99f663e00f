"""The files by which a worker leaves its result in its work folder, and how others open them without trusting it.

work/manifest       the version's manifest
work/report.json    the DatasetReport
work/blobs.jsonl    {"sha256", "path"} for each distinct file of the version: a path below the work folder is relative,
                    one below the person's own folder absolute
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from eyebright_kit.data.manifest import Manifest

#: The work folder, below the output of the attempt.
WORK = "work"
MANIFEST = "manifest"
REPORT = "report.json"
BLOBS = "blobs.jsonl"

_LINE_BYTES = 64 * 1024


class NotWhole(Exception):
    """What lies in the work folder is not what a worker leaves."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of the version, where it lies now."""

    sha256: str
    path: Path
    own: bool  # made by the worker, below its work folder; otherwise the person's, who may change it


def write_blobs(work: Path, blobs: Iterable[tuple[str, Path]]) -> int:
    """How many there were."""
    count = 0
    with (work / BLOBS).open("w") as file:
        for sha256, path in blobs:
            place = path.relative_to(work) if path.is_relative_to(work) else path
            file.write(json.dumps({"sha256": sha256, "path": str(place)}) + "\n")
            count += 1
    return count


def read_blobs(work: Path, source: Path | None) -> Iterator[Blob]:
    """Every file as it was told, after a look that it is a plain one below `work` or, if that is a folder, below `source`.

    Its content is not looked at: whoever keeps it compares the sha256. Raises NotWhole.
    """
    roots = {True: os.path.realpath(work), False: os.path.realpath(source) if source else ""}
    with opened(work / BLOBS) as file:
        while line := file.readline(_LINE_BYTES):
            yield _blob(line, work, roots)


def named(work: Path) -> Iterator[str]:
    """The sha256 of every file that the manifest names. Raises NotWhole."""
    opened(work / MANIFEST).close()  # a plain file, and no link
    try:
        for sample in Manifest(work / MANIFEST).samples():
            yield sample.sha256
            if sample.mask is not None:
                yield sample.mask.sha256
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotWhole(f"the worker's manifest cannot be read: {error}") from None


def opened(path: Path) -> BinaryIO:
    """A plain file for reading, never what a link leads to. Raises NotWhole."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotWhole(f"the worker left no plain file {path.name}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotWhole(f"{path.name} of the worker is no plain file")
    return os.fdopen(descriptor, "rb")


def _blob(line: bytes, work: Path, roots: dict[bool, str]) -> Blob:
    try:
        said = json.loads(line)
        sha256, place = str(said["sha256"]), Path(said["path"])
    except (ValueError, KeyError, TypeError):
        raise NotWhole(f"a line of {BLOBS} cannot be read: {line[:80]!r}") from None
    own = not place.is_absolute()
    path = Path(os.path.realpath(work / place))
    if not roots[own] or not path.is_relative_to(roots[own]) or not path.is_file():
        raise NotWhole(f"the worker named {str(place)!r}, which is no file of the data set")
    return Blob(sha256, path, own)
