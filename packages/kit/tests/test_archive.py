"""The extractor refuses what could hurt, keeps what is honest, and leaves nothing behind when it refuses."""

import io
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyebright_kit.archive import ArchiveLimits, ArchiveRejected, Refusal, extract
from eyebright_kit.zipdirectory import read_directory

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return buffer.getvalue()


def raw_zip(names: list[bytes], content: bytes = b"x", *, mode: int = 0, flags: int = 0) -> bytes:
    """A zip with just these name bytes, which no archiver would write."""
    body, directory = bytearray(), bytearray()
    for name in names:
        common = struct.pack(
            "<HHHHHLLLHH", 20, flags, 0, 0, 0x21, zlib.crc32(content), len(content), len(content), len(name), 0
        )
        directory += (
            CENTRAL + struct.pack("<H", 0x0314) + common + struct.pack("<HHHLL", 0, 0, 0, mode << 16, len(body)) + name
        )
        body += LOCAL + common + name + content
    return (
        bytes(body + directory)
        + END
        + struct.pack("<HHHHLLH", 0, 0, len(names) & 0xFFFF, len(names) & 0xFFFF, len(directory), len(body), 0)
    )


def patched(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    at = data.index(signature) + offset
    return data[:at] + value + data[at + len(value) :]


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[..., Path]:
    def run(data: bytes, **limits: int | float) -> Path:
        archive = tmp_path / "in.zip"
        archive.write_bytes(data)
        into = tmp_path / "work" / "out"
        extract(archive, into, limits=ArchiveLimits(**limits))  # type: ignore[arg-type]
        return into

    return run


@pytest.fixture
def refusal(unpack: Callable[..., Path], tmp_path: Path) -> Callable[..., ArchiveRejected]:
    """What refused the archive, after making sure that nothing was left behind."""

    def run(data: bytes, **limits: int | float) -> ArchiveRejected:
        with pytest.raises(ArchiveRejected) as caught:
            unpack(data, **limits)
        left = [path for path in tmp_path.rglob("*") if path.name not in ("in.zip", "work")]
        assert left == []
        return caught.value

    return run


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


# What is honest comes out whole


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_out_as_they_went_in(unpack: Callable[..., Path], method: int) -> None:
    files = {
        "train/cats/1.jpg": os.urandom(3_000_000),
        "train/dogs/ü ñ 猫.png": b"",
        "2026-01-01T10:00:00.txt": b"text" * 9,
    }
    assert contents(unpack(zipped(files, method))) == files


def test_an_empty_folder_comes_out(unpack: Callable[..., Path]) -> None:
    assert (unpack(zipped({"train/": b"", "train/cats/": b""})) / "train" / "cats").is_dir()


def test_an_archive_without_entries_is_an_empty_folder(unpack: Callable[..., Path]) -> None:
    assert list(unpack(zipped({})).iterdir()) == []


def test_an_existing_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "in.zip").write_bytes(zipped({"a": b"1"}))
    (tmp_path / "out").mkdir()
    extract(tmp_path / "in.zip", tmp_path / "out")
    assert contents(tmp_path / "out") == {"a": b"1"}


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "in.zip").write_bytes(zipped({"a": b"new"}))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_bytes(b"old")
    with pytest.raises(FileExistsError, match="new or empty folder"):
        extract(tmp_path / "in.zip", tmp_path / "out")
    assert contents(tmp_path / "out") == {"a": b"old"}


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


@pytest.mark.parametrize("zip64", [False, True])
def test_a_streamed_archive_with_sizes_after_the_data_is_accepted(unpack: Callable[..., Path], zip64: bool) -> None:
    pipe = Unseekable()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.txt", "b.txt"):
            with archive.open(name, "w", force_zip64=zip64) as entry:
                entry.write(name.encode() * 100)
    assert contents(unpack(pipe.getvalue())) == {"a.txt": b"a.txt" * 100, "b.txt": b"b.txt" * 100}


def test_a_zip64_end_record_is_understood(unpack: Callable[..., Path]) -> None:
    data = raw_zip([b"a", b"b"])
    end = data.index(END)
    _, _, _, _, _, size, start, _ = struct.unpack("<4sHHHHLLH", data[end:])
    end64 = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 2, 2, size, start)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 1)
    last = END + struct.pack("<HHHHLLH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert contents(unpack(data[:end] + end64 + locator + last)) == {"a": b"x", "b": b"x"}


def test_names_in_utf8_without_the_flag_are_read_as_utf8(unpack: Callable[..., Path]) -> None:
    assert contents(unpack(raw_zip(["Käfer/1.jpg".encode()]))) == {"Käfer/1.jpg": b"x"}


def test_names_in_the_old_code_page_are_read_as_such(unpack: Callable[..., Path]) -> None:
    assert contents(unpack(raw_zip(["Käfer.jpg".encode("cp437")]))) == {"Käfer.jpg": b"x"}


def test_a_comment_at_the_end_does_no_harm(unpack: Callable[..., Path]) -> None:
    buffer = io.BytesIO(zipped({"a": b"1"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"made by hand"
    assert contents(unpack(buffer.getvalue())) == {"a": b"1"}


def test_a_zip_inside_the_zip_is_just_a_file(unpack: Callable[..., Path]) -> None:
    inner = zipped({"x": b"1"})
    assert contents(unpack(zipped({"inner.zip": inner}))) == {"inner.zip": inner}


def test_progress_counts_up_to_all_bytes(tmp_path: Path) -> None:
    (tmp_path / "in.zip").write_bytes(zipped({"a": b"1" * 10, "b": b"2" * 2_500_000}))
    seen: list[tuple[int, int]] = []
    extract(tmp_path / "in.zip", tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (2_500_010, 2_500_010)


def test_an_exception_from_progress_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.zip").write_bytes(zipped({"a": b"1"}))

    def stop(_done: int, _total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        extract(tmp_path / "in.zip", tmp_path / "out", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["in.zip"]


# Names


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "..",
        "/etc/evil",
        "C:/evil",
        "a/c:evil",
        "C:evil",
        "a\\b",
        "..\\evil",
        "a//b",
        "./a",
        "a/./b",
        "",
        "/",
    ],
)
def test_a_path_that_is_not_plain_and_relative_is_refused(refusal: Callable[..., ArchiveRejected], name: str) -> None:
    found = refusal(raw_zip([b"good.jpg", name.encode()]))
    assert found.code == Refusal.UNSAFE_PATH
    assert found.entry == name
    assert "plain relative paths" in found.message


@pytest.mark.parametrize(
    "name",
    [
        "a\x00.jpg",
        "a\nb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "\u202egpj.exe",
        "CON",
        "a/nul.jpg",
        "Aux.tar.gz",
        "com1",
        "LPT².png",
        "con .x",
        "CONIN$",
    ],
)
def test_a_name_with_controls_or_of_a_device_is_refused(refusal: Callable[..., ArchiveRejected], name: str) -> None:
    assert refusal(raw_zip([name.encode()])).code == Refusal.UNSAFE_NAME


@pytest.mark.parametrize(
    "name", ["console/1.jpg", "null.png", "com10.jpg", "auxiliary", "a..b", "...x", "prnt.png", ".hidden"]
)
def test_a_name_that_only_looks_like_one_of_those_is_kept(unpack: Callable[..., Path], name: str) -> None:
    assert contents(unpack(raw_zip([name.encode()]))) == {name: b"x"}


def test_a_message_never_repeats_control_characters(refusal: Callable[..., ArchiveRejected]) -> None:
    assert "\x1b" not in refusal(raw_zip([b"\x1b[31mred"])).message


def test_a_name_flagged_as_utf8_that_is_not_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    assert refusal(raw_zip([b"\xff\xfe.jpg"], flags=0x800)).code == Refusal.UNSAFE_NAME


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("n" * 256, Refusal.UNSAFE_NAME),
        ("猫" * 86, Refusal.UNSAFE_NAME),
        ("a/" * 32 + "x", Refusal.UNSAFE_PATH),
        (("d" * 200 + "/") * 6, Refusal.UNSAFE_PATH),
    ],
)
def test_a_name_too_long_or_too_deep_is_refused(refusal: Callable[..., ArchiveRejected], name: str, code: str) -> None:
    assert refusal(raw_zip([name.encode()], content=b"" if name.endswith("/") else b"x")).code == code


@pytest.mark.parametrize(
    "twins",
    [
        ("a.jpg", "A.jpg"),
        ("Cats/1.jpg", "cats/2.jpg"),
        ("straße", "STRASSE"),
        (unicodedata.normalize("NFC", "é.jpg"), unicodedata.normalize("NFD", "é.jpg")),
        ("ﬁle", "file"),
        ("²/x", "2/y"),
        ("a./x", "a/x"),
        ("K", "\u212a"),  # the Kelvin sign
    ],
)
def test_names_that_are_twins_somewhere_are_refused(
    refusal: Callable[..., ArchiveRejected], twins: tuple[str, str]
) -> None:
    found = refusal(raw_zip([name.encode() for name in twins]))
    assert found.code == Refusal.AMBIGUOUS_NAME
    assert found.entry == twins[1]


@pytest.mark.parametrize("names", [("a", "a"), ("a/", "a/")])
def test_an_entry_listed_twice_is_refused(refusal: Callable[..., ArchiveRejected], names: tuple[str, str]) -> None:
    content = b"" if names[0].endswith("/") else b"x"
    assert refusal(raw_zip([name.encode() for name in names], content)).code == Refusal.DUPLICATE_NAME


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")])
def test_a_file_where_a_folder_must_be_is_refused(
    refusal: Callable[..., ArchiveRejected], names: tuple[str, str]
) -> None:
    assert refusal(raw_zip([name.encode() for name in names])).code == Refusal.FILE_AND_FOLDER


def test_a_folder_listed_after_its_files_is_fine(unpack: Callable[..., Path]) -> None:
    assert contents(unpack(zipped({"a/b": b"1", "a/": b""}))) == {"a/b": b"1"}


# Kinds


@pytest.mark.timeout(20)
def test_a_pipe_is_no_archive_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photos.zip")
    with pytest.raises(ArchiveRejected, match="no plain file"):
        extract(tmp_path / "photos.zip", tmp_path / "out")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR])
def test_links_and_special_files_are_refused(refusal: Callable[..., ArchiveRejected], kind: int) -> None:
    assert refusal(raw_zip([b"a"], b"/etc/passwd", mode=kind | 0o777)).code == Refusal.NOT_A_FILE


def test_a_folder_that_holds_data_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    assert refusal(raw_zip([b"a/"], b"data")).code == Refusal.NOT_A_FILE


@pytest.mark.parametrize("flag", [0x0001, 0x0040, 0x2000])
def test_an_encrypted_entry_is_refused(refusal: Callable[..., ArchiveRejected], flag: int) -> None:
    found = refusal(raw_zip([b"a"], flags=flag))
    assert found.code == Refusal.ENCRYPTED
    assert "without a password" in found.message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_refused(refusal: Callable[..., ArchiveRejected], method: int) -> None:
    assert refusal(zipped({"a": b"1"}, method)).code == Refusal.UNSUPPORTED_COMPRESSION


def test_an_unknown_compression_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    data = patched(patched(raw_zip([b"a"]), LOCAL, 8, b"\x63\x00"), CENTRAL, 10, b"\x63\x00")
    assert refusal(data).code == Refusal.UNSUPPORTED_COMPRESSION


# Structure


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"\x1f\x8b\x08 a tarball", "gzip"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"hello", "no zip does"),
    ],
)
def test_a_file_that_is_no_zip_is_named_for_what_it_is(
    refusal: Callable[..., ArchiveRejected], data: bytes, word: str
) -> None:
    found = refusal(data)
    assert found.code == Refusal.NOT_A_ZIP
    assert word in found.message


def test_an_archive_cut_anywhere_is_refused(unpack: Callable[..., Path]) -> None:
    data = zipped({"train/a.jpg": os.urandom(40), "train/b.jpg": os.urandom(40)})
    for length in range(len(data)):
        with pytest.raises(ArchiveRejected):
            unpack(data[:length])


def test_no_flipped_byte_comes_out_unnoticed(unpack: Callable[..., Path], tmp_path: Path) -> None:
    """Every flip is either refused or changes nothing that matters: a time, a version, a permission."""
    files = {"train/a.jpg": b"content of a" * 9, "train/b.jpg": b"content of b" * 9}
    data = zipped(files, zipfile.ZIP_DEFLATED)
    for position in range(len(data)):
        flipped = data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :]
        try:
            out = unpack(flipped)
        except ArchiveRejected:
            continue
        assert contents(out) == files
        out.rename(tmp_path / f"seen-{position}")


def test_bytes_after_the_archive_are_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    assert refusal(zipped({"a": b"1"}) + b"tail").code == Refusal.TRUNCATED


def test_bytes_before_the_archive_are_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    assert refusal(b"#!/bin/sh\n" + zipped({"a": b"1"})).code == Refusal.BROKEN_DIRECTORY


def test_one_part_of_a_split_archive_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    assert refusal(patched(zipped({"a": b"1"}), END, 4, b"\x02\x00")).code == Refusal.SPLIT_ARCHIVE


def test_a_directory_that_promises_another_count_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    assert refusal(patched(zipped({"a": b"1"}), END, 10, b"\x02\x00")).code == Refusal.BROKEN_DIRECTORY


def test_a_count_that_wrapped_around_is_understood() -> None:
    """macOS writes the count modulo 65,536."""
    data = raw_zip([f"{n:x}".encode() for n in range(0x10001)])
    at = data.index(END)
    wrapped = data[: at + 8] + b"\1\0\1\0" + data[at + 12 :]
    assert len(read_directory(io.BytesIO(wrapped), 100_000)) == 0x10001


@pytest.mark.parametrize(
    ("offset", "value"),
    [(30, b"b"), (14, b"\0\0\0\1"), (18, b"\2\0\0\0"), (22, b"\2\0\0\0"), (8, b"\x08\0"), (6, b"\1\0"), (0, b"XXXX")],
)
def test_a_local_header_that_says_something_else_is_refused(
    refusal: Callable[..., ArchiveRejected], offset: int, value: bytes
) -> None:
    assert refusal(patched(raw_zip([b"a"]), LOCAL, offset, value)).code == Refusal.HEADER_MISMATCH


def test_entries_that_share_their_bytes_are_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    """The bomb of Fifield (2019): many directory entries over one kernel of data."""
    data = zipped({"a": b"\0" * 100_000}, zipfile.ZIP_DEFLATED)
    end = data.index(END)
    start = data.index(CENTRAL)
    directory = data[start:end] * 3
    tail = END + struct.pack("<HHHHLLH", 0, 0, 3, 3, len(directory), start, 0)
    assert refusal(data[:start] + directory + tail).code == Refusal.OVERLAPPING_ENTRIES


def test_an_entry_quoting_the_next_header_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    data = raw_zip([b"a", b"b"], content=b"x" * 50)
    longer = struct.pack("<LL", 60, 60)
    assert refusal(patched(patched(data, LOCAL, 18, longer), CENTRAL, 20, longer)).code == Refusal.OVERLAPPING_ENTRIES


def test_an_entry_that_reaches_into_the_directory_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    longer = struct.pack("<LL", 60, 60)
    data = patched(patched(raw_zip([b"a"]), LOCAL, 18, longer), CENTRAL, 20, longer)
    assert refusal(data).code == Refusal.OVERLAPPING_ENTRIES


def test_a_streamed_entry_without_room_for_its_sizes_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    """Sizes that follow the data are 12 bytes at least, also before the directory."""
    for names in ([b"a"], [b"a", b"b"]):
        found = refusal(raw_zip(names, flags=0x0008))
        assert (found.code, found.entry) == (Refusal.OVERLAPPING_ENTRIES, "a")


def test_a_header_offset_beyond_the_file_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    assert refusal(patched(raw_zip([b"a"]), CENTRAL, 42, b"\xf0\xff\xff\xff")).code == Refusal.HEADER_MISMATCH


# Sizes and contents


def test_a_wrong_checksum_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    data = zipped({"a": b"hello, world"})
    found = refusal(data.replace(b"hello, world", b"hello, w0rld"))
    assert found.code == Refusal.DAMAGED
    assert found.entry == "a"


def test_broken_deflate_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    data = zipped({"a": b"hello, world" * 50}, zipfile.ZIP_DEFLATED)
    assert refusal(patched(data, LOCAL, 31, b"\xff\xff\xff\xff")).code == Refusal.DAMAGED


@pytest.mark.parametrize("padding", [1, 1 << 20])
def test_bytes_behind_the_deflated_data_are_refused(refusal: Callable[..., ArchiveRejected], padding: int) -> None:
    """Once within a chunk that is read at once, once in chunks of their own."""
    content = os.urandom(1000)
    deflater = zlib.compressobj(wbits=-15)
    packed = deflater.compress(content) + deflater.flush() + b"\0" * padding
    common = struct.pack("<HHHHHLLLHH", 20, 0, 8, 0, 0x21, zlib.crc32(content), len(packed), len(content), 1, 0)
    directory = CENTRAL + struct.pack("<H", 0x0314) + common + struct.pack("<HHHLL", 0, 0, 0, 0, 0) + b"a"
    body = LOCAL + common + b"a" + packed
    data = body + directory + END + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(directory), len(body), 0)
    assert refusal(data).code == Refusal.DAMAGED


@pytest.mark.parametrize(("claimed", "code"), [(5, Refusal.SIZE_MISMATCH), (999_999, Refusal.SIZE_MISMATCH)])
def test_a_size_that_turns_out_different_is_refused(
    refusal: Callable[..., ArchiveRejected], claimed: int, code: str
) -> None:
    data = zipped({"a": b"\0" * 100_000}, zipfile.ZIP_DEFLATED)
    size = struct.pack("<L", claimed)
    assert refusal(patched(patched(data, LOCAL, 22, size), CENTRAL, 24, size)).code == code


def test_a_file_that_grows_beyond_its_size_is_refused_before_it_is_written(tmp_path: Path) -> None:
    size = struct.pack("<L", 5)
    data = zipped({"a": b"\0" * 5_000_000}, zipfile.ZIP_DEFLATED)
    (tmp_path / "in.zip").write_bytes(patched(patched(data, LOCAL, 22, size), CENTRAL, 24, size))
    seen: list[int] = []
    with pytest.raises(ArchiveRejected):
        extract(tmp_path / "in.zip", tmp_path / "out", progress=lambda done, _total: seen.append(done))
    assert seen == []


def test_too_many_entries_are_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    assert refusal(raw_zip([b"a", b"b", b"c"]), max_entries=2).code == Refusal.TOO_MANY_ENTRIES


def test_a_lie_about_the_number_of_entries_does_not_help(refusal: Callable[..., ArchiveRejected]) -> None:
    data = patched(raw_zip([b"a", b"b", b"c"]), END, 10, b"\1\0")
    assert refusal(data, max_entries=2).code == Refusal.TOO_MANY_ENTRIES


def test_a_file_above_its_limit_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    found = refusal(zipped({"a": b"1" * 2_000_001}), max_file_bytes=2_000_000)
    assert found.code == Refusal.FILE_TOO_LARGE
    assert "2 MB" in found.message


def test_an_archive_above_its_limit_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    assert refusal(zipped({"a": b"1" * 60, "b": b"2" * 60}), max_total_bytes=100).code == Refusal.ARCHIVE_TOO_LARGE


def test_a_bomb_is_refused_by_its_ratio(refusal: Callable[..., ArchiveRejected]) -> None:
    data = zipped({"a": b"\0" * 20_000_000}, zipfile.ZIP_DEFLATED)
    assert refusal(data).code == Refusal.SUSPICIOUS_RATIO


def test_a_swarm_of_small_bombs_is_refused_by_their_common_ratio(refusal: Callable[..., ArchiveRejected]) -> None:
    data = zipped({str(n): b"\0" * 1_000_000 for n in range(12)}, zipfile.ZIP_DEFLATED)
    assert refusal(data).code == Refusal.SUSPICIOUS_RATIO


def test_one_bomb_among_honest_files_is_refused(refusal: Callable[..., ArchiveRejected]) -> None:
    data = zipped({"bomb": b"\0" * 10_000_000, "honest": os.urandom(100_000)}, zipfile.ZIP_DEFLATED)
    found = refusal(data)
    assert (found.code, found.entry) == (Refusal.SUSPICIOUS_RATIO, "bomb")


def test_a_small_blank_picture_is_no_bomb(unpack: Callable[..., Path]) -> None:
    assert contents(unpack(zipped({"mask.bmp": b"\0" * 3_000_000}, zipfile.ZIP_DEFLATED)))


def test_a_disk_without_room_is_told_before_writing(
    unpack: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eyebright_kit.archive.shutil.disk_usage", lambda _: type("Usage", (), {"free": 50_000}))
    with pytest.raises(OSError, match="unpacks to 1 MB but only 50 kB are free"):
        unpack(zipped({"a": b"1" * 1_000_000}))
    assert list((tmp_path / "work").iterdir()) == []


# Whatever the names

PARTS = st.one_of(
    st.sampled_from(
        ["..", ".", "", "/", "\\", "C:", "a", "A", "CON", "nul.txt", "\0", "~", "a\u0301", "á", " ", "x/../../y"]
    ),
    st.text(max_size=8),
)
NAMES = st.lists(PARTS, max_size=4).map("/".join)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(NAMES, min_size=1, max_size=5), mode=st.sampled_from([0, stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR])
)
def test_whatever_the_names_nothing_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], mode: int
) -> None:
    home = tmp_path_factory.mktemp("home")
    archive, work = home / "in.zip", home / "work"
    archive.write_bytes(raw_zip([name.encode("utf-8", "surrogatepass") for name in names], mode=mode))
    try:
        extract(archive, work / "out")
    except ArchiveRejected:
        assert list(work.iterdir()) == []
    else:
        assert [path.name for path in work.iterdir()] == ["out"]
        assert len(contents(work / "out")) == len(names)
        assert not any(path.is_symlink() for path in work.rglob("*"))
    assert sorted(path.name for path in home.iterdir()) == ["in.zip", "work"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_bytes_it_is_unpacked_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Only a typed refusal ever comes out of damaged bytes, never another exception."""
    honest = zipped({"train/a.jpg": b"abc" * 20, "b/": b"", "c": b""}, zipfile.ZIP_DEFLATED)
    damage = data.draw(st.lists(st.tuples(st.integers(0, len(honest) - 1), st.integers(0, 255)), max_size=6))
    mutable = bytearray(honest)
    for position, value in damage:
        mutable[position] = value
    home = tmp_path_factory.mktemp("home")
    (home / "in.zip").write_bytes(bytes(mutable))
    try:
        extract(home / "in.zip", home / "out")
    except ArchiveRejected:
        assert not (home / "out").exists()
