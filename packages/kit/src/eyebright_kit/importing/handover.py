"""The files by which a worker leaves its result in its work folder, and how others open them without trusting it.

work/manifest       the version's manifest
work/report.json    the DatasetReport
work/blobs.jsonl    {"sha256", "path"} for each distinct file of the version: a path below the work folder is relative,
                    one below the person's own folder absolute
"""

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import msgspec
from pydantic import ValidationError

from eyebright_kit.data.manifest import Manifest
from eyebright_wire.datasets import DatasetReport

#: The work folder, below the output of the attempt.
WORK = "work"
MANIFEST = "manifest"
REPORT = "report.json"
BLOBS = "blobs.jsonl"

#: What a reader holds in memory at most: a line of each file, and the report.
_LINE_BYTES = {BLOBS: 2**16, MANIFEST: 2**24}
_REPORT_BYTES = 2**25

#: Folders whose way is remembered while the files in them are looked at.
_FOLDERS_KNOWN = 4096
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
    count, below = 0, f"{work}{os.sep}"
    with (work / BLOBS).open("w") as file:
        for sha256, path in blobs:
            file.write(json.dumps({"sha256": sha256, "path": str(path).removeprefix(below)}) + "\n")
            count += 1
    return count


def read_blobs(work: Path, source: Path | None) -> Iterator[Blob]:
    """Every file as it was told, after a look that it is a plain one below `work` or, if that is a folder, below `source`.

    Its content is not looked at: whoever keeps it compares the sha256. Raises NotWhole.
    """
    inside = {True: _below(work), False: _below(source)}
    for line in _lines(work / BLOBS):
        sha256, place = _told(line)
        own = not place.startswith("/")
        yield Blob(sha256, _plain(f"{work}/{place}" if own else place, inside[own]), own)


def named(work: Path) -> Iterator[str]:
    """The sha256 of every file that the manifest names. Raises NotWhole."""
    for _ in _lines(work / MANIFEST):  # a plain file, and no line that fills the memory
        pass
    try:
        for sample in Manifest(work / MANIFEST).samples():
            yield sample.sha256
            if sample.mask is not None:
                yield sample.mask.sha256
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotWhole(f"the worker's manifest cannot be read: {error}") from None


def read_report(work: Path) -> DatasetReport:
    """Raises NotWhole when it is none, or larger than any."""
    with opened(work / REPORT) as file:
        content = file.read(_REPORT_BYTES + 1)
    if len(content) > _REPORT_BYTES:
        raise NotWhole(f"{REPORT} of the worker has more than {_REPORT_BYTES:,} bytes")
    try:
        return DatasetReport.model_validate_json(content)
    except ValidationError as error:
        raise NotWhole(f"{REPORT} of the worker is no report: {error.errors()[0]['msg']}") from None


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


def _lines(path: Path) -> Iterator[bytes]:
    """None longer than is read at once. Raises NotWhole."""
    most = _LINE_BYTES[path.name]
    with opened(path) as file:
        while line := file.readline(most):
            if not line.endswith(b"\n"):
                raise NotWhole(f"{path.name} of the worker is cut off, or has a line of more than {most:,} bytes")
            yield line


def _told(line: bytes) -> tuple[str, str]:
    """(sha256, path)"""
    try:
        said = json.loads(line)
        sha256, place = said["sha256"], str(said["path"])
        if _SHA256.fullmatch(sha256):
            return sha256, place
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise NotWhole(f"a line of {BLOBS} cannot be read: {line[:80]!r}")


#: Texts, not Paths: making those takes longer than looking.
_Inside = Callable[[str], str | None]


def _below(root: Path | None) -> _Inside:
    """Where a folder really lies, if that is the root or below it; looked at once, as a set has many files in few folders."""
    real_root = root and os.path.realpath(root)

    @lru_cache(_FOLDERS_KNOWN)
    def inside(folder: str) -> str | None:
        real = os.path.realpath(folder)
        return real if real_root and f"{real}/".startswith(f"{real_root}/") else None

    return inside


def _plain(place: str, inside: _Inside) -> Path:
    try:
        if stat.S_ISLNK(os.lstat(place).st_mode):
            place = os.path.realpath(place)
        folder, _, name = place.rpartition("/")
        if (real := inside(folder)) and stat.S_ISREG(os.lstat(file := f"{real}/{name}").st_mode):
            return Path(file)
    except (OSError, ValueError):  # it is not there, or no path at all
        pass
    raise NotWhole(f"the worker named {place!r}, which is no file of the data set")
