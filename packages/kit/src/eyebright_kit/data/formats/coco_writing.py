"""Write a version as COCO, one image at a time: `annotations/instances_{split}.json` and `images/{split}/`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from eyebright_kit.data.annotations import Instance, Ring
from eyebright_kit.data.features import Feature
from eyebright_kit.data.manifest import Header, Sample
from eyebright_kit.data.rle import expand
from eyebright_kit.data.writing import Target

_Row = dict[str, Any]

_encode = msgspec.json.Encoder().encode


def write_folder(target: Target) -> None:
    """Images are numbered in the order of the version, from 1; so are objects and captions, over all files."""
    kinds = ("instances", "captions") if target.has(Feature.CAPTION) else ("instances",)
    splits = sorted({sample.split for sample in target.samples()})
    folder, categories = target.folder("annotations"), _categories(target.header)
    with ExitStack() as stack:
        files = {
            (kind, split): stack.enter_context(closing(_File(folder / f"{kind}_{split}.json", categories)))
            for kind in kinds
            for split in splits
        }
        for number, sample in enumerate(target.samples(), 1):
            row = _image(number, sample, target.place_image(sample, target.folder("images", sample.split)))
            for kind in kinds:
                files[kind, sample.split].image(row)
        numbers = {kind: count(1) for kind in kinds}
        for number, sample in enumerate(target.samples(), 1):
            for kind in kinds:
                for row in _ANNOTATIONS[kind](sample):
                    files[kind, sample.split].annotation({"id": next(numbers[kind]), "image_id": number, **row})


class _File:
    """A file while it is written: its images, then its annotations, each on a line of its own."""

    def __init__(self, path: Path, categories: list[_Row]) -> None:
        self._file = path.open("xb")
        head = _encode({"info": {}, "licenses": [], "categories": categories})
        self._file.write(head[:-1] + b',\n"images":[')
        self._between = b"\n"
        self._in_images = True

    def image(self, row: _Row) -> None:
        self._file.write(self._between + _encode(row))
        self._between = b",\n"

    def annotation(self, row: _Row) -> None:
        if self._in_images:
            self._turn_to_annotations()
        self._file.write(self._between + _encode(row))
        self._between = b",\n"

    def close(self) -> None:
        if self._in_images:
            self._turn_to_annotations()
        self._file.write(b"\n]}\n")
        self._file.close()

    def _turn_to_annotations(self) -> None:
        self._file.write(b'\n],\n"annotations":[')
        self._between = b"\n"
        self._in_images = False


# Rows


def _categories(header: Header) -> list[_Row]:
    return [_category(label, name, header) for label, name in enumerate(header.classes)]


def _category(label: int, name: str, header: Header) -> _Row:
    row: _Row = {"id": label + 1, "name": name, "supercategory": ""}
    if skeleton := header.skeletons.get(label):
        lines = [(start + 1, end + 1) for start, end in skeleton.edges]
        row |= {"keypoints": skeleton.keypoints, "skeleton": lines}
    return row


def _image(number: int, sample: Sample, path: Path) -> _Row:
    return {"id": number, "file_name": path.name, "width": sample.width, "height": sample.height}


def _objects(sample: Sample) -> Iterator[_Row]:
    for instance in sample.instances:
        yield _object(instance, sample.width, sample.height)


def _captions(sample: Sample) -> Iterator[_Row]:
    if sample.caption is not None:
        yield {"caption": sample.caption}


_ANNOTATIONS: Mapping[str, Callable[[Sample], Iterator[_Row]]] = MappingProxyType(
    {"instances": _objects, "captions": _captions}
)


def _object(instance: Instance, width: int, height: int) -> _Row:
    row: _Row = {
        "category_id": instance.label + 1,
        "bbox": instance.box,
        "area": _area(instance),
        "iscrowd": int(instance.crowd),
        "segmentation": {"size": (height, width), "counts": instance.rle} if instance.rle else instance.polygons,
    }
    if instance.keypoints:
        visible = instance.keypoints[2::3]
        row |= {"keypoints": _whole_visibilities(instance.keypoints), "num_keypoints": sum(map(bool, visible))}
    if instance.attributes:
        row["attributes"] = instance.attributes
    return row


def _whole_visibilities(keypoints: tuple[float, ...]) -> list[float]:
    return [int(number) if place % 3 == 2 else number for place, number in enumerate(keypoints)]


def _area(instance: Instance) -> float:
    """In pixels: of the outline if there is one, else of the box."""
    if instance.rle:
        return sum(expand(instance.rle)[1::2])
    if instance.polygons:
        return round(sum(map(_ring_area, instance.polygons)), 4)
    return round(instance.box[2] * instance.box[3], 4)


def _ring_area(ring: Ring) -> float:
    """Gauss's shoelace."""
    xs, ys = ring[0::2], ring[1::2]
    nexts = zip(xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True)
    return abs(sum(x * next_y - next_x * y for x, y, (next_x, next_y) in zip(xs, ys, nexts, strict=True))) / 2
