"""Look at image files without trusting them: `examine(path)` for one, `examine_all(paths)` for many.

The bytes are read once: for their sha256, their header, and one decoding that proves them whole. Dimensions are checked before
anything is decoded, because a 230 kB PNG can unpack to hundreds of megabytes. The type is what the content says.
"""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from eyebright_kit.data.fingerprint import thumbnail_of
from eyebright_kit.data.tree import NotOpened, opened

# The plug-ins are named here so that they are loaded, and because no other may be: some of Pillow's start programs.
_PLUGINS = (
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    TiffImagePlugin,
    PpmImagePlugin,
)
_TYPES = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_EXTENSIONS = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif"),
    "MPO": ("jpg", "jpeg", "jpe", "jfif", "mpo"),  # a JPEG with a second picture, as some phones make
    "PNG": ("png", "apng"),
    "WEBP": ("webp",),
    "BMP": ("bmp", "dib"),
    "GIF": ("gif",),
    "TIFF": ("tif", "tiff"),
    "PPM": ("ppm", "pgm", "pbm", "pnm"),
}
_WEAK_MAGIC = frozenset({"BMP", "PPM"})  # two letters, with which a text can begin too
_UNSUPPORTED = {
    "heic",
    "heif",
    "avif",
    "jp2",
    "jxl",
    "psd",
    "svg",
    "raw",
    "dng",
    "cr2",
    "nef",
    "arw",
    "ico",
    "tga",
    "eps",
}

#: Names that promise an image, with the dot, in lower case.
IMAGE_SUFFIXES = frozenset(f".{name}" for names in (*_EXTENSIONS.values(), _UNSUPPORTED) for name in names)

#: What makes a stored picture lie as its EXIF note says that it is to be held. Source: CIPA DC-008 (Exif), tag Orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = range(5, 9)  # those that make width of height

_BATCH = 32  # files per task: smaller costs more in handing over than in work
#: Tasks that wait: the walk of a million files must not run ahead of the reading. The same on every machine, because what the
#: walk finds and what the reading finds come onto one list, in this order.
_AHEAD = 32
#: Whatever is larger is looked at by one thread at a time, from reading the file to its thumbnail: eight with the largest files
#: and pictures would hold 7 GB, this way they hold 1 GB.
_LARGE_BYTES = 8 * 2**20
_MANY_PIXELS = 8_000_000
_one_at_a_time = threading.RLock()


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What one image may cost. 64 megapixels decode to 192 MB."""

    max_pixels: int = 64_000_000
    max_bytes: int = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Usable:
    """An image that was decoded once without complaint, in the size that it has when held upright. `notes` are finding codes
    worth telling."""

    sha256: str
    extension: str
    size_bytes: int
    width: int
    height: int
    notes: tuple[str, ...] = ()
    thumbnail: bytes = field(default=b"", repr=False, compare=False)  # for fingerprint.near_pairs


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that training cannot use: a finding code, and what is special about this file."""

    code: str
    detail: str = ""


class _Refused(Exception):
    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.verdict = Unusable(code, detail)


def examine(path: Path, limits: ImageLimits | None = None, root: Path | None = None) -> Usable | Unusable:
    """What the file is. Never raises for what is in it. With `root`, a link that leads out of that folder is not followed."""
    try:
        return _examine(path, limits or ImageLimits(), root)
    except _Refused as refused:
        return refused.verdict
    except NotOpened as error:
        return Unusable(error.code, error.detail)
    except OSError as error:
        return Unusable("unreadable_file", error.strerror or str(error))


def examine_all(
    paths: Iterable[Path], limits: ImageLimits | None = None, root: Path | None = None
) -> Iterator[Usable | Unusable]:
    """A verdict for each path, in order. Reading, hashing and decoding release the interpreter lock, so threads suffice."""
    remaining = iter(paths)
    waiting: deque[Future[list[Usable | Unusable]]] = deque()
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="images") as pool:
        try:
            while True:
                while len(waiting) < _AHEAD and (batch := list(islice(remaining, _BATCH))):
                    waiting.append(pool.submit(_examine_batch, batch, limits or ImageLimits(), root))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _examine_batch(batch: list[Path], limits: ImageLimits, root: Path | None) -> list[Usable | Unusable]:
    return [examine(path, limits, root) for path in batch]


def decoded(
    path: Path, limits: ImageLimits, root: Path | None, *, near: tuple[int, int] | None = None
) -> tuple[Image.Image, bytes] | Unusable:
    """The whole picture and the bytes of its file, for one whose pixels are needed. Never raises for what is in it.

    Where a picture of the size `near` suffices, a JPEG is decoded at a fraction of its size, no smaller than that.
    """
    try:
        data = _read(path, limits, root)
    except _Refused as refused:
        return refused.verdict
    except NotOpened as error:
        return Unusable(error.code, error.detail)
    except OSError as error:
        return Unusable("unreadable_file", error.strerror or _first_line(error))
    image = decoded_bytes(data, limits, path, near=near)
    return image if isinstance(image, Unusable) else (image, data)


def decoded_bytes(
    data: bytes, limits: ImageLimits, path: Path, *, near: tuple[int, int] | None = None
) -> Image.Image | Unusable:
    """The whole picture that these bytes are; `path` says where they come from. Never raises for what is in them."""
    try:
        image = _open_within(path, data, limits)
        if near:
            image.draft(image.mode, near)
        image.load()
    except _Refused as refused:
        return refused.verdict
    except Exception as error:  # whatever a decoder raises over hostile bytes
        return Unusable("damaged_image", _first_line(error))
    return image


def upright(image: Image.Image) -> Image.Image:
    """A picture that was decoded, as its EXIF note says that it is to be held: as people see it, and annotate it. To be called
    once, as the note stays."""
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _open_within(path: Path, data: bytes, limits: ImageLimits) -> ImageFile.ImageFile:
    image = _open(path, data)
    width, height = image.size
    if width * height > limits.max_pixels:
        raise _Refused(
            "image_too_large",
            f"{width}×{height} is {width * height / 1e6:.0f} megapixels, the limit is {limits.max_pixels / 1e6:.0f}",
        )
    return image


def _examine(path: Path, limits: ImageLimits, root: Path | None) -> Usable:
    with opened(path, root) as file, _in_turn(os.fstat(file.fileno()).st_size > _LARGE_BYTES):
        return _judged(path, _whole(path, file, limits), limits)


def _judged(path: Path, data: bytes, limits: ImageLimits) -> Usable:
    image = _open_within(path, data, limits)
    size, kind = image.size, str(image.format)
    thumbnail = _proven(image)
    width, height = size[::-1] if _orientation(image) in _LYING else size
    return Usable(
        sha256=hashlib.sha256(data).hexdigest(),
        extension=_EXTENSIONS[kind][0],
        size_bytes=len(data),
        width=width,
        height=height,
        notes=tuple(_notes(image, kind, path)),
        thumbnail=thumbnail,
    )


def _in_turn(large: bool) -> AbstractContextManager[object]:
    return _one_at_a_time if large else nullcontext()


def _read(path: Path, limits: ImageLimits, root: Path | None) -> bytes:
    with opened(path, root) as file:
        return _whole(path, file, limits)


def _whole(path: Path, file: BinaryIO, limits: ImageLimits) -> bytes:
    """The whole file, if its first bytes could be an image: a table of ten gigabytes beside the photographs is not read."""
    size = os.fstat(file.fileno()).st_size
    start = os.pread(file.fileno(), 64, 0)
    if not any(_accepts(kind, start) for kind in _TYPES):
        raise _no_image(path, start)
    if size > limits.max_bytes:
        raise _Refused("file_too_large", f"{size / 1e6:,.0f} MB, the limit is {limits.max_bytes / 1e6:,.0f} MB")
    return file.read(size)  # no more than that, should it be growing


def _accepts(kind: str, start: bytes) -> bool:
    accept = Image.OPEN[kind][1]
    # Padded, because some plug-ins look at bytes that a tiny file does not have.
    return accept is None or accept(start[:16].ljust(16, b"\0")) is True


def _no_image(path: Path, start: bytes) -> _Refused:
    named_like_one = path.suffix.lower() in IMAGE_SUFFIXES
    if found := _unsupported(start, path):
        return _Refused("unsupported_image", found)
    if not named_like_one:
        return _Refused("other_file")
    return _Refused("empty_file") if not start else _Refused("not_an_image", _guess(start))


def _unsupported(start: bytes, path: Path) -> str:
    """The name of an image type that people do have but that is not read here; empty when it is none."""
    if start[4:8] == b"ftyp" and start[8:11] in (b"hei", b"hev", b"mif", b"msf", b"avi"):
        return "AVIF" if start[8:11] == b"avi" else "HEIC"
    if path.suffix.lower().removeprefix(".") in _UNSUPPORTED and start:
        return path.suffix.lower().removeprefix(".").upper()
    return ""


def _guess(start: bytes) -> str:
    if start.startswith(b"%PDF"):
        return "it is a PDF"
    if start.startswith(b"PK\x03\x04"):
        return "it is a zip"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page, perhaps a failed download"
    return "it is text" if _is_text(start) else "its content is of no known image type"


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # The 64th byte may cut a letter in two.
        text = start[: error.start].decode("utf-8") if error.start > len(start) - 4 else "\0"
    return all(letter.isprintable() or letter.isspace() for letter in text)


def _open(path: Path, data: bytes) -> ImageFile.ImageFile:
    """Read the header only. Not by Image.open: that refuses large pictures before telling how large they are."""
    likely: list[str] = []
    for kind in (kind for kind in _TYPES if _accepts(kind, data)):
        # Whatever a decoder raises over hostile bytes means the same: this is not a picture that can be used.
        with suppress(Exception):
            return Image.OPEN[kind][0](BytesIO(data), "")
        likely.append(kind)
    if path.suffix.lower() in IMAGE_SUFFIXES or not _WEAK_MAGIC.issuperset(likely):
        raise _Refused("damaged_image", "its header is broken")
    raise _Refused("other_file")


def _proven(image: ImageFile.ImageFile) -> bytes:
    """The thumbnail of a picture that was decoded to its end. JPEGs in grey at an eighth of their size: every byte is still
    read, at a quarter of the time."""
    full = image.width * image.height
    image.draft("L", (1, 1))
    held = (
        full if "progressive" in image.info else image.width * image.height
    )  # libjpeg keeps those whole until their end
    with _in_turn(held > _MANY_PIXELS):
        try:
            image.load()
        except Exception as error:
            raise _Refused("damaged_image", _first_line(error)) from error
        return thumbnail_of(upright(image))


def _first_line(error: Exception) -> str:
    if isinstance(error, MemoryError):  # its numbers are absurd, or the machine is short
        return "it cannot be decoded in the memory that there is"
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _notes(image: ImageFile.ImageFile, kind: str, path: Path) -> Iterator[str]:
    if path.suffix and path.suffix.lower().removeprefix(".") not in _EXTENSIONS[kind]:
        yield "extension_mismatch"
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        yield "transparency"
    if image.mode.startswith(("I", "F")):
        yield "high_bit_depth"
    if image.mode == "CMYK":
        yield "cmyk"
    if _orientation(image) in _TURNS:
        yield "exif_orientation"
    if kind != "MPO" and _has_several_frames(image):
        yield "several_frames"


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # a broken note is no note
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _has_several_frames(image: ImageFile.ImageFile) -> bool:
    with suppress(Exception):
        return bool(getattr(image, "is_animated", False))
    return False
