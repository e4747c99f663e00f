"""The table of contents of a zip file, read strictly: `read_directory(file, max_entries)`.

The standard library's reader is made to get something out of a damaged archive. It tolerates bytes before and after the
archive, cuts names at NUL, reads a directory of any size before a limit can be applied and, up to Python 3.11.7, does not
notice entries that share bytes. This one accepts one reading of the file or none.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Never

# Record layouts: APPNOTE.TXT 6.3.10, sections 4.3.7 (local), 4.3.12 (central), 4.3.14-16 (ends).
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")

_LONGEST_COMMENT = 0xFFFF
_IN_ZIP64 = 0xFFFFFFFF  # a 32-bit field that says "look into the zip64 extra field"
_ZIP64_EXTRA = 0x0001
_SMALLEST_DESCRIPTOR = 12  # crc and two sizes, without the optional signature

STORED, DEFLATED = 0, 8
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000  # encrypted, strongly encrypted, encrypted directory
_STREAMED = 0x0008  # crc and sizes follow the data
_PATCH = 0x0020
_UTF8 = 0x0800

_OTHER_ARCHIVES = {b"\x1f\x8b": "gzip", b"Rar!": "RAR", b"7z\xbc\xaf": "7-Zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


class Refusal(StrEnum):
    """Why an archive was refused."""

    NOT_A_ZIP = "not_a_zip"
    TRUNCATED = "truncated"
    SPLIT_ARCHIVE = "split_archive"
    BROKEN_DIRECTORY = "broken_directory"
    HEADER_MISMATCH = "header_mismatch"
    OVERLAPPING_ENTRIES = "overlapping_entries"
    ENCRYPTED = "encrypted"
    UNSUPPORTED_COMPRESSION = "unsupported_compression"
    UNSAFE_PATH = "unsafe_path"
    UNSAFE_NAME = "unsafe_name"
    NOT_A_FILE = "not_a_file"
    DUPLICATE_NAME = "duplicate_name"
    AMBIGUOUS_NAME = "ambiguous_name"
    FILE_AND_FOLDER = "file_and_folder"
    TOO_MANY_ENTRIES = "too_many_entries"
    FILE_TOO_LARGE = "file_too_large"
    ARCHIVE_TOO_LARGE = "archive_too_large"
    SUSPICIOUS_RATIO = "suspicious_ratio"
    SIZE_MISMATCH = "size_mismatch"
    DAMAGED = "damaged"


class ArchiveRejected(ValueError):
    """The archive was not unpacked, and nothing of it was kept.

    `code` is stable, `message` is for people, `entry` is the name in the archive that gave the reason, if one did.
    """

    def __init__(self, code: Refusal, message: str, entry: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as the directory describes it. `data_offset` is where its bytes begin."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    mode: int  # the Unix file type and permissions, 0 where the archiver left none
    header_offset: int
    data_offset: int = 0

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")

    @property
    def shown(self) -> str:
        """The name as a message may show it: control characters escaped, of bounded length."""
        return shown(self.name)


@dataclass(frozen=True, slots=True)
class _End:
    """Where the directory lies, and how many entries it promises."""

    start: int
    stop: int
    entries: int
    zip64: bool


def shown(name: str) -> str:
    """A name from an archive, quoted so that it is safe to print."""
    return repr(name if len(name) <= 120 else f"{name[:100]}…{name[-19:]}")


def read_directory(file: BinaryIO, max_entries: int) -> list[Entry]:
    """Every entry, in the order of its bytes in the file, each checked against its own header and its neighbours.

    Raises ArchiveRejected when the file is no complete zip, promises more than `max_entries`, is encrypted, uses a
    compression other than stored or deflate, or says two different things about one entry.
    """
    end = _find_end(file)
    if end.entries > max_entries:
        _too_many(max_entries)
    central = sorted(_central_entries(file, end, max_entries), key=lambda entry: entry.header_offset)
    located = [_locate(file, entry) for entry in central]
    _refuse_overlaps(located, end.start)
    return located


def _too_many(max_entries: int) -> Never:
    raise ArchiveRejected(
        Refusal.TOO_MANY_ENTRIES,
        f"the archive has more than {max_entries:,} entries, the most that is accepted; split it into several data sets",
    )


# The end record


def _find_end(file: BinaryIO) -> _End:
    size = file.seek(0, os.SEEK_END)
    reach = min(size, _END.size + _LONGEST_COMMENT)
    file.seek(size - reach)
    tail = file.read(reach)
    position = _end_position(tail)
    if position is None:
        _refuse_unfinished(file)
    return _parse_end(file, tail, position, size - reach + position)


def _end_position(tail: bytes) -> int | None:
    """The end record is the one whose comment ends exactly where the file does."""
    position = tail.rfind(b"PK\x05\x06")
    while position >= 0:
        if len(tail) - position >= _END.size:
            comment_bytes: int = _END.unpack_from(tail, position)[-1]
            if position + _END.size + comment_bytes == len(tail):
                return position
        position = tail.rfind(b"PK\x05\x06", 0, position)
    return None


def _refuse_unfinished(file: BinaryIO) -> Never:
    file.seek(0)
    start = file.read(8)
    if start.startswith(b"PK\x03\x04"):
        raise ArchiveRejected(
            Refusal.TRUNCATED,
            "the zip archive has no proper end: it was cut off, or something was appended to it; send it again",
        )
    kind = next((name for magic, name in _OTHER_ARCHIVES.items() if start.startswith(magic)), None)
    found = f"it is a {kind} file" if kind else ("it is empty" if not start else "it begins like no zip does")
    raise ArchiveRejected(Refusal.NOT_A_ZIP, f"the file is not a zip archive ({found}); pack the data set as .zip")


def _parse_end(file: BinaryIO, tail: bytes, position: int, absolute: int) -> _End:
    _, disk, first_disk, _, entries, size, start, _ = _END.unpack_from(tail, position)
    if disk not in (0, 0xFFFF) or first_disk not in (0, 0xFFFF):
        raise ArchiveRejected(Refusal.SPLIT_ARCHIVE, "the archive is one part of several; pack it as a single .zip")
    end64 = _parse_end64(file, absolute)
    end = end64 or _End(start=start, stop=absolute, entries=entries, zip64=False)
    if not end64 and start + size != end.stop:
        _broken(f"its directory should end at byte {end.stop:,} but ends at {start + size:,}")
    return end


def _parse_end64(file: BinaryIO, end_at: int) -> _End | None:
    """The 64-bit end record, when the archive has one."""
    locator_at = end_at - _LOCATOR64.size
    locator = _read_at(file, locator_at, _LOCATOR64.size) if locator_at >= 0 else b""
    if not locator.startswith(b"PK\x06\x07"):
        return None
    record_at: int = _LOCATOR64.unpack(locator)[2]
    record = _read_at(file, record_at, _END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        _broken("its 64-bit end record is not where it should be")
    _, record_bytes, _, _, _, _, _, entries, size, start = _END64.unpack(record)
    if record_at + 12 + record_bytes != locator_at or start + size != record_at:
        _broken("its 64-bit end record contradicts itself")
    return _End(start=start, stop=record_at, entries=entries, zip64=True)


def _broken(why: str) -> Never:
    raise ArchiveRejected(Refusal.BROKEN_DIRECTORY, f"the archive's table of contents is broken: {why}; pack it again")


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    # seek takes a signed 64-bit number; a hostile offset can be larger.
    if offset > 2**62:
        return b""
    file.seek(offset)
    return file.read(size)


# The central directory


def _central_entries(file: BinaryIO, end: _End, max_entries: int) -> Iterator[Entry]:
    """Read entry by entry, so that a directory that lies about its length costs no memory."""
    position, count = end.start, 0
    while position < end.stop:
        entry, length = _central_entry(file, position, end.stop)
        position, count = position + length, count + 1
        if count > max_entries:
            _too_many(max_entries)
        yield entry
    # Some archivers (macOS) keep the 16-bit count and let it wrap around.
    if count != end.entries and (end.zip64 or count % 0x10000 != end.entries):
        _broken(f"it promises {end.entries:,} entries and lists {count:,}")


def _central_entry(file: BinaryIO, position: int, stop: int) -> tuple[Entry, int]:
    fixed = _read_at(file, position, _CENTRAL.size)
    if len(fixed) < _CENTRAL.size or not fixed.startswith(b"PK\x01\x02"):
        _broken(f"no entry begins at byte {position:,}")
    (
        _,
        _,
        _,
        flags,
        method,
        _,
        _,
        crc,
        packed,
        size,
        name_bytes,
        extra_bytes,
        comment_bytes,
        disk,
        _,
        external,
        offset,
    ) = _CENTRAL.unpack(fixed)
    length = _CENTRAL.size + name_bytes + extra_bytes + comment_bytes
    if position + length > stop:
        _broken(f"the entry at byte {position:,} reaches beyond its end")
    if disk not in (0, 0xFFFF):
        raise ArchiveRejected(Refusal.SPLIT_ARCHIVE, "the archive is one part of several; pack it as a single .zip")
    raw_name = file.read(name_bytes)
    name = _decode(raw_name, flags)
    size, packed, offset = _widen(file.read(extra_bytes), (size, packed, offset), name)
    entry = Entry(name, raw_name, flags, method, crc, packed, size, external >> 16, offset)
    _refuse_unreadable(entry)
    return entry, length


def _decode(raw: bytes, flags: int) -> str:
    """UTF-8 when flagged, or when it is valid: macOS writes UTF-8 without the flag. Else the format's own code page."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if flags & _UTF8:
            name = raw.decode("utf-8", "backslashreplace")
            raise ArchiveRejected(
                Refusal.UNSAFE_NAME, f"the entry {shown(name)} has a name that is not valid UTF-8", name
            ) from None
        return raw.decode("cp437")


def _widen(extra: bytes, narrow: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Replace the fields that do not fit 32 bits by those of the zip64 extra field, which holds just these, in order."""
    wide = _zip64_numbers(extra)
    if len(wide) < sum(value == _IN_ZIP64 for value in narrow):
        _broken(f"the entry {shown(name)} lacks its 64-bit sizes")
    numbers = iter(wide)
    return tuple(next(numbers) if value == _IN_ZIP64 else value for value in narrow)


def _zip64_numbers(extra: bytes) -> tuple[int, ...]:
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        body = extra[position + 4 : position + 4 + length]
        if kind == _ZIP64_EXTRA:
            return struct.unpack_from(f"<{len(body) // 8}Q", body)
        position += 4 + length
    return ()


def _refuse_unreadable(entry: Entry) -> None:
    if entry.flags & _ENCRYPTED:
        raise ArchiveRejected(
            Refusal.ENCRYPTED, f"the entry {entry.shown} is encrypted; pack the data set without a password", entry.name
        )
    if entry.method not in (STORED, DEFLATED) or entry.flags & _PATCH:
        raise ArchiveRejected(
            Refusal.UNSUPPORTED_COMPRESSION,
            f"the entry {entry.shown} uses compression method {entry.method}; pack the data set with the ordinary one "
            "(deflate) or with none",
            entry.name,
        )


def _mismatch(entry: Entry, what: str) -> Never:
    raise ArchiveRejected(
        Refusal.HEADER_MISMATCH, f"the archive gives {what} for {entry.shown}; pack it again", entry.name
    )


# The local headers


def _locate(file: BinaryIO, entry: Entry) -> Entry:
    """The entry with the place of its bytes, once its own header agrees with the directory."""
    fixed = _read_at(file, entry.header_offset, _LOCAL.size)
    if len(fixed) < _LOCAL.size or not fixed.startswith(b"PK\x03\x04"):
        _mismatch(entry, "no header")
    _, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes = _LOCAL.unpack(fixed)
    if file.read(name_bytes) != entry.raw_name:
        _mismatch(entry, "two different names")
    if method != entry.method or (flags ^ entry.flags) & (_ENCRYPTED | _UTF8 | _PATCH):
        _mismatch(entry, "two different compressions or encodings")
    size, packed = _widen(file.read(extra_bytes), (size, packed), entry.name)
    _compare_sizes(entry, (crc, size, packed), streamed=bool(flags & _STREAMED))
    data_offset = entry.header_offset + _LOCAL.size + name_bytes + extra_bytes
    return Entry(
        entry.name, entry.raw_name, flags | entry.flags, method, entry.crc, entry.packed_bytes, entry.size_bytes,
        entry.mode, entry.header_offset, data_offset,
    )  # fmt: skip


def _compare_sizes(entry: Entry, local: tuple[int, int, int], *, streamed: bool) -> None:
    """A streamed entry may leave its own fields at zero, because they were not known yet when they were written."""
    central = (entry.crc, entry.size_bytes, entry.packed_bytes)
    if any(ours != theirs and not (streamed and ours == 0) for ours, theirs in zip(local, central, strict=True)):
        _mismatch(entry, "two different sizes or checksums")


def _refuse_overlaps(entries: list[Entry], directory_start: int) -> None:
    """Entries that share bytes let a small file unpack to a thousand times what its ratio shows."""
    following = [*(entry.header_offset for entry in entries[1:]), directory_start]
    for entry, start in zip(entries, following, strict=False):
        if _stop(entry) > start:
            _overlap(entry)


def _stop(entry: Entry) -> int:
    return entry.data_offset + entry.packed_bytes + (_SMALLEST_DESCRIPTOR if entry.flags & _STREAMED else 0)


def _overlap(entry: Entry) -> Never:
    raise ArchiveRejected(
        Refusal.OVERLAPPING_ENTRIES,
        f"the bytes of {entry.shown} run into the next part of the archive; a proper archive keeps them apart",
        entry.name,
    )
