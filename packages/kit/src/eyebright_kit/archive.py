"""Unpack a zip from a stranger: `extract(archive, into)`. It rejects, it never sanitises.

A name that would have to be repaired, a size that turns out different, two entries that some file system would take for one:
each refuses the whole archive, because a repaired data set is no longer the one that its owner meant. Entries are what
zipdirectory found sound; this module decides which of them may become files, and writes them.
"""

import errno
import os
import shutil
import stat
import tempfile
import threading
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Never

from eyebright_kit.names import NameRefused, Names, safe_parts
from eyebright_kit.writeback import begin
from eyebright_kit.zipdirectory import STORED, ArchiveRejected, Entry, Refusal, read_directory

__all__ = ["ArchiveLimits", "ArchiveRejected", "Entry", "Refusal", "extract"]

Progress = Callable[[int, int], None]  # bytes written, bytes in all

_CHUNK = 1 << 20
_BATCH = 16  # files per task: smaller costs more in handing over than in work


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may cost. The defaults hold the largest public image sets and stop a bomb within its first megabytes."""

    max_entries: int = 1_500_000  # each costs about 1 kB of memory while unpacking
    max_total_bytes: int = 500 * 1024**3
    max_file_bytes: int = 1024**3
    max_ratio: float = 200.0  # unpacked to packed; photographs stay below 2, deflate cannot exceed 1,032
    ratio_from_bytes: int = 8 * 1024**2  # smaller files are spared: a blank picture packs 1,000 to 1 and harms nobody


def extract(
    archive: Path, into: Path, *, limits: ArchiveLimits | None = None, progress: Progress | None = None
) -> None:
    """Unpack `archive` into `into`, which must be absent or an empty folder; all of it appears at once, or nothing.

    Every name, link, size and checksum is checked, counting the bytes that really come out. Raises ArchiveRejected with the
    reason; OSError when the disk is full or the archive cannot be read. What `progress` raises ends the work and passes through.
    """
    limits = limits or ArchiveLimits()
    _require_fresh(into)
    _require_plain(archive)
    with archive.open("rb") as file, _appearing_at_once(into) as folder:
        entries = read_directory(file, limits.max_entries)
        names = _safe_paths(entries)
        _refuse_declared_excess(entries, limits)
        _require_space(folder, sum(entry.size_bytes for entry in entries))
        _Extraction(file, folder, limits, progress, entries).run(names)


def _require_fresh(into: Path) -> None:
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise FileExistsError(errno.EEXIST, "an archive is only unpacked into a new or empty folder", str(into))


def _require_plain(archive: Path) -> None:
    """A pipe or a device could keep us waiting for ever."""
    if archive.exists() and not archive.is_file():
        raise ArchiveRejected(Refusal.NOT_A_ZIP, "is no plain file; expected a zip")


@contextmanager
def _appearing_at_once(into: Path) -> Generator[Path]:
    """A folder beside `into` that takes its name at the end, or vanishes."""
    into.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=into.parent))
    try:
        yield folder
        folder.replace(into)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


# Names


def _safe_paths(entries: Iterable[Entry]) -> list[tuple[str, ...]]:
    """The folders and the file of each entry's path, or ArchiveRejected."""
    names = Names()
    paths: list[tuple[str, ...]] = []
    for entry in entries:
        try:
            parts = safe_parts(entry.name)
            _refuse_special(entry)
            names.take(parts, is_folder=entry.is_folder)
        except NameRefused as refused:
            raise ArchiveRejected(refused.code, refused.message, entry.name) from None
        paths.append(parts)
    return paths


def _refuse_special(entry: Entry) -> None:
    """Links, devices, pipes; and an entry whose name says folder and whose type says file, or the other way round."""
    kind = stat.S_IFMT(entry.mode)
    if kind not in (0, stat.S_IFDIR if entry.is_folder else stat.S_IFREG):
        what = "a link" if kind == stat.S_IFLNK else "neither a plain file nor a folder"
        raise ArchiveRejected(
            Refusal.NOT_A_FILE,
            f"the entry {entry.shown} is {what}; pack the files themselves (zip without --symlinks)",
            entry.name,
        )
    if entry.is_folder and entry.size_bytes:
        raise ArchiveRejected(
            Refusal.NOT_A_FILE, f"the entry {entry.shown} is named like a folder but holds data", entry.name
        )


# Sizes


def _refuse_declared_excess(entries: list[Entry], limits: ArchiveLimits) -> None:
    """What an archive admits is refused before a byte is written; what it hides is found while counting."""
    for entry in entries:
        if entry.size_bytes > limits.max_file_bytes:
            _file_too_large(entry, limits)
    total = sum(entry.size_bytes for entry in entries)
    if total > limits.max_total_bytes:
        _archive_too_large(limits)
    if _suspicious(total, sum(entry.packed_bytes for entry in entries), limits):
        raise ArchiveRejected(
            Refusal.SUSPICIOUS_RATIO,
            f"the archive unpacks to more than {limits.max_ratio:g} times its size, as bombs do and images do not",
        )


def _suspicious(size: int, packed: int, limits: ArchiveLimits) -> bool:
    return size > limits.ratio_from_bytes and size > limits.max_ratio * packed


def _file_too_large(entry: Entry, limits: ArchiveLimits) -> Never:
    raise ArchiveRejected(
        Refusal.FILE_TOO_LARGE,
        f"the entry {entry.shown} unpacks to more than {_human(limits.max_file_bytes)}, the most that one file may have",
        entry.name,
    )


def _archive_too_large(limits: ArchiveLimits) -> Never:
    raise ArchiveRejected(
        Refusal.ARCHIVE_TOO_LARGE,
        f"the archive unpacks to more than {_human(limits.max_total_bytes)}, the most that is accepted; split it",
    )


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"the archive unpacks to {_human(needed)} but only {_human(free)} are free; make room and try again",
            str(folder.parent),
        )


def _human(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


# Bytes


def _batches(files: Sequence[tuple[Entry, Path]]) -> Iterator[Sequence[tuple[Entry, Path]]]:
    return (files[start : start + _BATCH] for start in range(0, len(files), _BATCH))


@dataclass(slots=True)
class _Extraction:
    """One run over the entries, several at once; `written` counts the bytes that really came out."""

    file: BinaryIO
    folder: Path
    limits: ArchiveLimits
    progress: Progress | None
    entries: list[Entry]
    written: int = 0
    total: int = field(init=False)
    abandoned: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.total = sum(entry.size_bytes for entry in self.entries)

    def run(self, names: Iterable[tuple[str, ...]]) -> None:
        """Inflating, checking and writing release the interpreter lock, so threads suffice."""
        files = self._laid_out(names)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="unpack") as pool:
            try:
                for _ in pool.map(self._write_batch, _batches(files)):
                    pass
            finally:
                self.abandoned = True
                pool.shutdown(cancel_futures=True)

    def _laid_out(self, names: Iterable[tuple[str, ...]]) -> list[tuple[Entry, Path]]:
        """Every folder made; the files to come, each with its entry."""
        targets = [(entry, self.folder.joinpath(*parts)) for entry, parts in zip(self.entries, names, strict=True)]
        for folder in {target if entry.is_folder else target.parent for entry, target in targets}:
            folder.mkdir(parents=True, exist_ok=True)
        return [(entry, target) for entry, target in targets if not entry.is_folder]

    def _write_batch(self, batch: Sequence[tuple[Entry, Path]]) -> None:
        for entry, target in batch:
            if not self.abandoned:
                self._write(entry, target)

    def _write(self, entry: Entry, target: Path) -> None:
        crc = size = 0
        with target.open("xb") as out:
            for chunk in _unpacked(self.file, entry):
                size += len(chunk)
                with self.lock:
                    self._count(entry, size, len(chunk))
                    self._report()
                crc = zlib.crc32(chunk, crc)
                out.write(chunk)
                if self.abandoned:
                    return
            begin(out)
        if size != entry.size_bytes:
            _wrong_size(entry, size)
        if crc != entry.crc:
            _damaged(entry, "its checksum differs")

    def _count(self, entry: Entry, size: int, added: int) -> None:
        limits, self.written = self.limits, self.written + added
        if size > limits.max_file_bytes:
            _file_too_large(entry, limits)
        if size > entry.size_bytes:
            _wrong_size(entry, size)
        if self.written > limits.max_total_bytes:
            _archive_too_large(limits)
        if _suspicious(size, entry.packed_bytes, limits):
            raise ArchiveRejected(
                Refusal.SUSPICIOUS_RATIO,
                f"the entry {entry.shown} unpacks to more than {limits.max_ratio:g} times its packed size, as bombs do and "
                "images do not",
                entry.name,
            )

    def _report(self) -> None:
        if self.progress:
            self.progress(self.written, self.total)


def _unpacked(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The entry's bytes in chunks of bounded size, however small their packed form."""
    packed = _packed(file.fileno(), entry)
    return packed if entry.method == STORED else _inflated(packed, entry)


def _packed(file: int, entry: Entry) -> Iterator[bytes]:
    """Read by offset: a file's own position would be shared by all threads."""
    left, offset = entry.packed_bytes, entry.data_offset
    while left and (chunk := os.pread(file, min(left, _CHUNK), offset)):
        left -= len(chunk)
        offset += len(chunk)
        yield chunk
    if left:
        _damaged(entry, "it was cut off")


def _inflated(packed: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for chunk in packed:
            if inflater.eof:  # before the rest of it gathers in memory
                _damaged(entry, "something follows its compressed data")
            rest = chunk
            while rest:
                yield inflater.decompress(rest, _CHUNK)
                rest = inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error:
        _damaged(entry, "its compressed data is broken")
    if not inflater.eof or inflater.unused_data:
        _damaged(entry, "its compressed data ends in the wrong place")


def _wrong_size(entry: Entry, size: int) -> Never:
    raise ArchiveRejected(
        Refusal.SIZE_MISMATCH,
        f"the entry {entry.shown} should unpack to {entry.size_bytes:,} bytes but gave {size:,} or more; pack it again",
        entry.name,
    )


def _damaged(entry: Entry, why: str) -> Never:
    raise ArchiveRejected(
        Refusal.DAMAGED, f"the entry {entry.shown} is damaged ({why}); send the archive again", entry.name
    )
