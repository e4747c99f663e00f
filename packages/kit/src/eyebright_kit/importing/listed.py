"""A list of images of which each has an address of its own: brought into one folder, under names of ours."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from eyebright_kit.data.images import IMAGE_SUFFIXES
from eyebright_kit.egress import shown
from eyebright_kit.errors import DatasetInvalid, StorageUnavailable, TrainerFailure
from eyebright_kit.importing.fetching import images_fetched
from eyebright_kit.importing.order import Fetching
from eyebright_kit.importing.source import Source
from eyebright_kit.remote.failure import PASSING, FetchFailed
from eyebright_kit.runtime import Context
from eyebright_wire.resources import ImageSource

#: How each type begins. Only for a name: the worker looks closer.
_BEGINNINGS = (
    (re.compile(rb"\xff\xd8\xff"), ".jpg"),
    (re.compile(rb"\x89PNG\r\n"), ".png"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), ".webp"),
    (re.compile(rb"GIF8[79]a"), ".gif"),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), ".tif"),
    (re.compile(rb"BM"), ".bmp"),
    (re.compile(rb"P[1-6]\s"), ".ppm"),
)
_SHOWN = 10
_NAMED = 1000  # of those that did not come, for programs


def listed(ctx: Context, images: Sequence[ImageSource], rules: Fetching, work: Path, *, leave_out: bool) -> Source:
    """`00001.jpg` beside `00001.txt`, which has its caption, in the order of the list.

    Raises TrainerFailure when an image did not come, unless such may be left out and there are others.
    """
    came = images_fetched(ctx, [image.url for image in images], rules, work / "fetched")
    failed = {place: outcome for place, outcome in enumerate(came) if isinstance(outcome, FetchFailed)}
    for failure in failed.values():
        ctx.log.warning("%s", failure.message)
    if failed and not (leave_out and len(failed) < len(images)):
        raise _refusal(images, failed)
    folder = work / "images"
    folder.mkdir()
    return Source(
        folder,
        missing=tuple((shown(images[place].url), failure.message) for place, failure in failed.items()),
        addresses=dict(_placed(images, came, folder)),
    )


def read_list(file: Path) -> tuple[ImageSource, ...]:
    """A list as the server keeps it: an image in each line."""
    with file.open("rb") as lines:
        return tuple(map(ImageSource.model_validate_json, lines))


def _placed(
    images: Sequence[ImageSource], came: Sequence[Path | FetchFailed], folder: Path
) -> Iterator[tuple[str, str]]:
    """Each file's name and its address."""
    for image, file in zip(images, came, strict=True):
        if isinstance(file, FetchFailed):
            continue
        placed = file.rename(folder / f"{file.name}{_suffix(file, image.url)}")
        if image.caption:
            placed.with_suffix(".txt").write_text(f"{image.caption}\n", encoding="utf-8")
        yield placed.name, shown(image.url)


def _suffix(file: Path, url: str) -> str:
    """By what the bytes are. What is none of the known means to be an image all the same, and will be judged as one."""
    with file.open("rb") as opened:
        start = opened.read(16)
    told = PurePosixPath(shown(url)).suffix.lower()
    meant = told if told in IMAGE_SUFFIXES else ".jpg"
    return next((suffix for pattern, suffix in _BEGINNINGS if pattern.match(start)), meant)


def _refusal(images: Sequence[ImageSource], failed: dict[int, FetchFailed]) -> TrainerFailure:
    """Names those that did not come. Places that only stay away say nothing against the list."""
    messages = [failure.message for failure in failed.values()]
    more = f"; and {len(messages) - _SHOWN:,} more" if len(messages) > _SHOWN else ""
    message = (
        f"{len(failed):,} of {len(images):,} images could not be fetched; mend the list, or import again leaving such images "
        f"out (leave_out_broken): {'; '.join(messages[:_SHOWN])}{more}"
    )
    away = all(failure.code in PASSING for failure in failed.values())
    refusal = StorageUnavailable(message, retryable=False) if away else DatasetInvalid(message)
    refusal.errors = tuple(
        {"code": str(failure.code), "field": f"images.{place}", "message": failure.message}
        for place, failure in list(failed.items())[:_NAMED]
    )
    return refusal
