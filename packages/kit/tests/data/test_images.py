"""A file is what its content says; the header is believed before anything is decoded; one decoding proves it whole."""

import hashlib
import os
import stat
import struct
import threading
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from eyebright_kit.data import images
from eyebright_kit.data.conformance import write_image
from eyebright_kit.data.findings import CATALOGUE
from eyebright_kit.data.fingerprint import near_pairs
from eyebright_kit.data.images import ImageLimits, Unusable, Usable, examine, examine_all


def usable(path: Path) -> Usable:
    found = examine(path)
    assert isinstance(found, Usable), found
    return found


def unusable(path: Path, limits: ImageLimits | None = None) -> Unusable:
    found = examine(path, limits)
    assert isinstance(found, Unusable), found
    assert found.code in CATALOGUE
    return found


def png_of_size(width: int, height: int) -> bytes:
    """A header that claims any size, with almost nothing behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))

    header = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def encoded(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object) -> bytes:
    buffer = BytesIO()
    noise = Image.frombytes("L", size, Random(0).randbytes(size[0] * size[1]))
    noise.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


TYPES = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF", "ppm": "PPM"}


@pytest.mark.parametrize("extension", TYPES)
def test_each_type_is_read(tmp_path: Path, extension: str) -> None:
    data = encoded(TYPES[extension])
    (tmp_path / f"a.{extension}").write_bytes(data)
    found = usable(tmp_path / f"a.{extension}")
    assert found == Usable(hashlib.sha256(data).hexdigest(), extension, len(data), 40, 30, notes=())


@pytest.mark.parametrize("extension", TYPES)
def test_each_type_cut_off_is_damaged(tmp_path: Path, extension: str) -> None:
    data = encoded(TYPES[extension], (64, 64))
    (tmp_path / f"a.{extension}").write_bytes(data[: len(data) // 2])
    assert unusable(tmp_path / f"a.{extension}").code == "damaged_image"


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
def test_a_header_alone_is_damaged(tmp_path: Path, extension: str) -> None:
    (tmp_path / f"a.{extension}").write_bytes(encoded(TYPES[extension])[:24])
    assert unusable(tmp_path / f"a.{extension}").code == "damaged_image"


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"quality": 5}])
def test_a_jpeg_that_lacks_its_last_bytes_is_damaged(tmp_path: Path, options: dict[str, object]) -> None:
    """Also when it is decoded at an eighth of its size."""
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", (640, 480), **options)[:-200])
    assert unusable(tmp_path / "a.jpg").code == "damaged_image"


def test_the_full_size_of_a_jpeg_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", (1000, 700)))
    assert (usable(tmp_path / "a.jpg").width, usable(tmp_path / "a.jpg").height) == (1000, 700)


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_of_size(14_000, 14_000))
    found = unusable(tmp_path / "a.png")
    assert found == Unusable("image_too_large", "14000×14000 is 196 megapixels, the limit is 64")


def test_the_largest_picture_that_png_can_claim_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_of_size(2**31 - 1, 2**31 - 1))
    assert unusable(tmp_path / "a.png").code == "image_too_large"


def test_the_limit_on_pixels_is_inclusive(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG", (40, 30)))
    assert isinstance(examine(tmp_path / "a.png", ImageLimits(max_pixels=1200)), Usable)
    assert unusable(tmp_path / "a.png", ImageLimits(max_pixels=1199)).code == "image_too_large"


def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path) -> None:
    data = encoded("BMP")
    (tmp_path / "a.bmp").write_bytes(data)
    assert unusable(tmp_path / "a.bmp", ImageLimits(max_bytes=len(data) - 1)).code == "file_too_large"


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"", "empty_file", ""),
        (b"hello, I am a text", "not_an_image", "text"),
        ("ä".encode() * 40, "not_an_image", "text"),
        (b"x" + "ä".encode() * 40, "not_an_image", "text"),
        (b"<!DOCTYPE html><html>404", "not_an_image", "web page"),
        (b"%PDF-1.7\n", "not_an_image", "PDF"),
        (b"PK\x03\x04....", "not_an_image", "zip"),
        (b"\x00\x01\x02\x03" * 9, "not_an_image", "no known image type"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "unsupported_image", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "unsupported_image", "AVIF"),
        (b"P", "not_an_image", "text"),
    ],
)
def test_a_file_that_is_no_image_is_named_for_what_it_is(tmp_path: Path, content: bytes, code: str, word: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    found = unusable(tmp_path / "a.jpg")
    assert found.code == code
    assert word in found.detail


def test_an_image_type_that_is_not_supported_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert unusable(tmp_path / "a.svg") == Unusable("unsupported_image", "SVG")


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"P1 is our first prototype", b"BMW, Audi, Opel"])
def test_a_file_that_does_not_claim_to_be_an_image_is_just_another_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.txt").write_bytes(content)
    assert unusable(tmp_path / "notes.txt").code == "other_file"


def test_an_image_without_an_extension_is_an_image(tmp_path: Path) -> None:
    (tmp_path / "img_0001").write_bytes(encoded("JPEG"))
    assert usable(tmp_path / "img_0001").extension == "jpg"


def test_a_damaged_image_without_an_extension_is_a_damaged_image(tmp_path: Path) -> None:
    (tmp_path / "img_0001").write_bytes(encoded("PNG")[:30])
    assert unusable(tmp_path / "img_0001").code == "damaged_image"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert unusable(tmp_path / "gone.jpg") == Unusable("unreadable_file", "No such file or directory")


@pytest.mark.timeout(20)
def test_a_file_that_became_a_pipe_since_it_was_looked_at_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    monkeypatch.setattr(stat, "S_ISREG", lambda mode: True)
    assert unusable(tmp_path / "a.jpg").code == "unreadable_file"


def test_a_file_that_became_a_link_since_it_was_looked_at_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "secret.png", 1)
    (tmp_path / "a.png").symlink_to("secret.png")
    monkeypatch.setattr(stat, "S_ISLNK", lambda mode: False)
    monkeypatch.setattr(stat, "S_ISREG", lambda mode: True)
    assert unusable(tmp_path / "a.png").code == "unreadable_file"


def test_postscript_is_never_started(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n")
    assert unusable(tmp_path / "a.jpg").code == "not_an_image"


# Notes


def two_frames(kind: str) -> bytes:
    buffer = BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", exif=exif)


@pytest.mark.parametrize(
    ("name", "make", "note"),
    [
        ("a.png", lambda: encoded("JPEG"), "extension_mismatch"),
        ("a.png", lambda: encoded("PNG", mode="RGBA"), "transparency"),
        ("a.png", lambda: encoded("PNG", mode="I;16"), "high_bit_depth"),
        ("a.jpg", lambda: encoded("JPEG", mode="CMYK"), "cmyk"),
        ("a.jpg", turned, "exif_orientation"),
        ("a.gif", lambda: two_frames("GIF"), "several_frames"),
        ("a.webp", lambda: two_frames("WEBP"), "several_frames"),
        ("a.png", lambda: two_frames("PNG"), "several_frames"),
        ("a.tif", lambda: two_frames("TIFF"), "several_frames"),
    ],
)
def test_what_is_worth_telling_is_noted(tmp_path: Path, name: str, make: Callable[[], bytes], note: str) -> None:
    (tmp_path / name).write_bytes(make())
    assert usable(tmp_path / name).notes == (note,)
    assert note in CATALOGUE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_as_wide_and_looks_as_exif_says_to_hold_it(tmp_path: Path, kind: str, orientation: int) -> None:
    """As ImageOps.exif_transpose, by which trainers open it, makes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.linear_gradient("L").resize((900, 600)).rotate(20).convert("RGB").save(
        tmp_path / "a", kind, exif=exif, quality=95
    )
    found = usable(tmp_path / "a")
    with Image.open(tmp_path / "a") as image:
        held = ImageOps.exif_transpose(image)
    assert (found.width, found.height) == held.size == ((900, 600) if orientation < 5 else (600, 900))
    held.save(tmp_path / "held.png")
    likes = [found.thumbnail, usable(tmp_path / "held.png").thumbnail]
    assert list(near_pairs(likes)) == [(0, 1)]


@pytest.mark.parametrize("name", ["a.JPG", "a.jpeg", "a.JPE", "a.jfif"])
def test_every_spelling_of_jpeg_is_no_mismatch(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encoded("JPEG"))
    assert usable(tmp_path / name).notes == ()


def test_the_second_picture_that_phones_hide_in_a_jpeg_is_no_frame(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(two_frames("MPO"))
    found = usable(tmp_path / "a.jpg")
    assert (found.extension, found.notes) == ("jpg", ())


# Many


def test_verdicts_come_in_the_order_of_the_paths(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{n}.png", n) for n in range(300)]
    paths[77].write_text("no image")
    verdicts = list(examine_all(iter(paths)))
    assert verdicts == [examine(path) for path in paths]
    assert isinstance(verdicts[77], Unusable)


def test_the_walk_does_not_run_far_ahead_of_the_reading(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", 1)
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield path

    verdicts = examine_all(endless())  # type: ignore[arg-type]
    next(verdicts)
    verdicts.close()  # type: ignore[attr-defined]
    assert taken < 5000


def test_giving_up_early_leaves_no_thread_behind(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{n}.png", n) for n in range(100)]
    verdicts = examine_all(paths)
    next(verdicts)
    verdicts.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("images")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_whatever_the_bytes_there_is_a_verdict(tmp_path: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(TYPES.values())))
    mutable = bytearray(encoded(kind, (12, 9)))
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(mutable) - 1), st.integers(0, 255)), max_size=8)
    ):
        mutable[position] = value
    path = tmp_path / "a.jpg"
    path.write_bytes(bytes(mutable[: data.draw(st.integers(0, len(mutable)))]))
    verdict = examine(path)
    assert isinstance(verdict, Usable) or verdict.code in CATALOGUE


def at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many threads have a picture in memory at the same time."""
    inside, most, thumbnail_of = 0, 0, images.thumbnail_of

    def watched(image: Image.Image) -> bytes:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.005)
        inside -= 1
        return thumbnail_of(image)

    monkeypatch.setattr(images, "_BATCH", 1)
    monkeypatch.setattr(images, "thumbnail_of", watched)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert all(isinstance(found, Usable) for found in examine_all(sorted(folder.iterdir())))
    return most


@pytest.mark.parametrize(
    ("kind", "options", "limit", "value", "several"),
    [
        ("PNG", {}, "_MANY_PIXELS", 40 * 30, True),
        ("PNG", {}, "_MANY_PIXELS", 40 * 30 - 1, False),
        ("PNG", {}, "_LARGE_BYTES", 40 * 30 // 2, False),
        ("JPEG", {}, "_MANY_PIXELS", 5 * 4, True),  # at an eighth of its size
        ("JPEG", {"progressive": True}, "_MANY_PIXELS", 5 * 4, False),
    ],
)
def test_whatever_is_large_is_held_by_one_thread_at_a_time(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    options: dict[str, object],
    limit: str,
    value: int,
    several: bool,
) -> None:
    for number in range(20):
        (tmp_path / str(number)).write_bytes(encoded(kind, **options))
    monkeypatch.setattr(images, limit, value)
    assert (at_once(tmp_path, monkeypatch) > 1) == several


def test_a_file_that_grows_while_it_is_read_is_read_as_far_as_it_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded("PNG")
    (tmp_path / "a.png").write_bytes(data)
    accepts = images._accepts

    def growing(kind: str, start: bytes) -> bool:
        with (tmp_path / "a.png").open("ab") as file:
            file.write(b"more")
        return accepts(kind, start)

    monkeypatch.setattr(images, "_accepts", growing)
    assert usable(tmp_path / "a.png").size_bytes == len(data)


def test_a_picture_that_takes_more_memory_than_there_is_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(self: object) -> None:
        raise MemoryError

    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", exhausted)
    found = unusable(tmp_path / "a.png")
    assert (found.code, found.detail) == ("damaged_image", "it cannot be decoded in the memory that there is")
