"""Look at what a data set version holds: its images page by page, drawn with their labels."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from eyebright.core.records import Version
from eyebright.core.resolve import nearest
from eyebright.errors import InvalidRequest, NotFound, Unavailable
from eyebright.ports.objects import ObjectStore, blob_key
from eyebright.ports.registry import DatasetStore
from eyebright.services.datasets import find, find_version
from eyebright.services.views import picture_view
from eyebright_kit.data.manifest import Manifest, Sample
from eyebright_kit.data.pages import Pages
from eyebright_kit.data.preview import Subject, sheet, thumbnail
from eyebright_kit.errors import StorageUnavailable
from eyebright_wire.datasets import PictureView, Split
from eyebright_wire.resources import Page

#: Manifests whose lines are known where they begin: 8 bytes for each of their images.
_PAGES_KEPT = 16
#: Images that are decoded at the same time: one of 64 megapixels takes 200 MB.
_DRAWN_AT_ONCE = 2
#: Whoever comes when so many wait would wait for too long.
_WAITING = 64
#: Pictures on one sheet, and the pixels that they may come to: tiles and sheet are in memory together.
MOST_ON_A_SHEET = 400
MOST_SHEET_PIXELS = 32_000_000
#: Samples that are looked at together where only their places are wanted.
_BATCH = 500
_AT_ONCE = nullcontext()


class Pictures:
    def __init__(self, store: DatasetStore, objects: ObjectStore) -> None:
        self._store = store
        self._objects = objects
        self._drawing = asyncio.Semaphore(_DRAWN_AT_ONCE)
        self._sheets = asyncio.Lock()  # a long one leaves a place for thumbnails
        self._waiting = 0
        self._pages = lru_cache(_PAGES_KEPT)(_pages_of)

    async def list(
        self,
        version_id: str,
        after: int = -1,
        limit: int = 50,
        *,
        split: Split | None = None,
        class_name: str | None = None,
    ) -> Page[PictureView]:
        """In the version's own order. Raises NotFound, InvalidRequest for a class that the version does not have."""
        pages = await self._of(version_id)
        wanted = _filter(pages, split, class_name)
        found = await asyncio.to_thread(pages.after, after, limit + 1, wanted)
        page = found[:limit]
        more = str(page[-1][0]) if len(found) > limit else None
        classes = pages.header.classes
        return Page[PictureView](items=tuple(picture_view(number, s, classes) for number, s in page), next=more)

    async def thumbnail(self, version_id: str, number: int, side: int, *, labels: bool = True) -> bytes:
        """A JPEG of at most `side` pixels, with the annotations drawn unless told otherwise. Raises NotFound."""
        pages = await self._of(version_id)
        sample, header = await _sample(pages, number), pages.header
        picture = await self._picture(sample if labels else _bare(sample))
        draw = partial(
            thumbnail,
            picture.image,
            picture.sample,
            header.classes,
            header.skeletons,
            picture.mask,
            side=side,
            labels=labels,
        )
        return await self._drawn(draw)

    async def sheet(self, version_id: str, limit: int, columns: int, side: int, *, split: Split | None = None) -> bytes:
        """A PNG with the images, evenly chosen from the whole version, and their names. Raises NotFound, or InvalidRequest for
        one that would be too large."""
        _require_drawable(limit, side)
        pages = await self._of(version_id)
        samples = await asyncio.to_thread(_spread, pages, min(limit, MOST_ON_A_SHEET), split)
        pictures = [await self._picture(sample) for sample in samples]
        if not pictures:
            raise NotFound(f"the version has no image in {split}")
        header = pages.header
        draw = partial(sheet, pictures, header.classes, header.skeletons, columns=columns, side=side)
        return await self._drawn(draw, self._sheets)

    async def changes(self, version_id: str, dataset: str | None = None) -> AsyncIterator[bytes]:
        """What was left out or altered against the source: JSON lines. Raises NotFound.

        Two sources can come to the same version, one by leaving something out; `dataset` says whose list is meant.
        """
        version = (
            await find_version(self._store, version_id) if dataset is None else await self._in(dataset, version_id)
        )
        summary = version.report.get("changes")
        return self._objects.open(blob_key(summary["sha256"])) if summary else _nothing()

    async def _in(self, dataset: str, version_id: str) -> Version:
        versions = (await find(self._store, dataset)).versions
        found = next((version for version in versions if version.id == version_id), None)
        if found is None:
            raise NotFound(f"data set {dataset} has no version {version_id}")
        return found

    async def _of(self, version_id: str) -> Pages:
        version = await find_version(self._store, version_id)
        path = await self._objects.local(blob_key(version.manifest_sha256))
        return await asyncio.to_thread(self._pages, path)

    async def _drawn(self, draw: Callable[[], bytes], turn: AbstractAsyncContextManager[Any] = _AT_ONCE) -> bytes:
        if self._waiting >= _WAITING:
            raise Unavailable(f"{self._waiting} pictures are waiting to be drawn already; ask again in a moment")
        self._waiting += 1
        try:
            async with turn, self._drawing:
                return await asyncio.to_thread(draw)
        except StorageUnavailable as error:
            raise Unavailable(error.message) from error
        finally:
            self._waiting -= 1

    async def _picture(self, sample: Sample) -> Subject:
        return Subject(
            image=await self._objects.local(blob_key(sample.sha256)),
            sample=sample,
            mask=await self._objects.local(blob_key(sample.mask.sha256)) if sample.mask else None,
        )


def _pages_of(path: Path) -> Pages:
    """A manifest never changes, so neither does where its lines begin."""
    return Pages(Manifest(path))


async def _sample(pages: Pages, number: int) -> Sample:
    try:
        return await asyncio.to_thread(pages.sample, number)
    except IndexError:
        raise NotFound(f"the version has no image {number}; it has {len(pages):,}, numbered from 0") from None


def _bare(sample: Sample) -> Sample:
    return replace(sample, label=None, instances=(), mask=None, caption=None)


def _filter(pages: Pages, split: Split | None, class_name: str | None) -> Callable[[Sample], bool]:
    classes = pages.header.classes
    if class_name is not None and class_name not in classes:
        raise InvalidRequest(f"the version has no class {class_name!r}.{nearest(class_name, classes)}")
    label = classes.index(class_name) if class_name is not None else None

    def wanted(sample: Sample) -> bool:
        return (split is None or sample.split == split) and (label is None or _shows(sample, label))

    return wanted


def _shows(sample: Sample, label: int) -> bool:
    return (
        sample.label == label
        or any(instance.label == label for instance in sample.instances)
        or (sample.mask is not None and label in sample.mask.classes)
    )


def _require_drawable(count: int, side: int) -> None:
    if count * side * side > MOST_SHEET_PIXELS:
        raise InvalidRequest(
            f"{count} pictures of {side} pixels make a sheet of {count * side * side / 1e6:.0f} megapixels, and "
            f"{MOST_SHEET_PIXELS / 1e6:.0f} can be drawn at once; ask for fewer or for smaller ones"
        )


def _spread(pages: Pages, limit: int, split: Split | None) -> list[Sample]:
    """As many as asked for, at even distances, so that a sheet shows all classes of a set that is ordered by class."""
    numbers = range(len(pages)) if split is None else array("Q", _numbers(pages, split))
    count = min(limit, len(numbers))
    return [pages.sample(numbers[len(numbers) * place // count]) for place in range(count)]


def _numbers(pages: Pages, split: Split) -> Iterator[int]:
    """Of a million images their annotations are never in memory together."""
    last = -1
    while found := pages.after(last, _BATCH, lambda sample: sample.split == split):
        yield from (number for number, _ in found)
        last = found[-1][0]


async def _nothing() -> AsyncIterator[bytes]:
    for nothing in ():
        yield nothing
