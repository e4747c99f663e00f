"""Write a version as Datumaro JSON, one image at a time: `annotations/{split}.json` and `images/{split}/`."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.formats.datumaro_objects import CROWD
from eyebright_kit.data.manifest import Header, Sample
from eyebright_kit.data.writing import Target

_Row = dict[str, Any]

_IMAGES = 2  # Datumaro's number for sets of images
_encode = msgspec.json.Encoder().encode


def write_folder(target: Target) -> None:
    """Each object is a group: its box, and its outline and keypoints if it has them."""
    splits = sorted({sample.split for sample in target.samples()})
    folder, categories = target.folder("annotations"), _categories(target.header)
    with ExitStack() as stack:
        files = {split: stack.enter_context(closing(_File(folder / f"{split}.json", categories))) for split in splits}
        for sample in target.samples():
            path = target.place_image(sample, target.folder("images", sample.split))
            files[sample.split].add(_item(sample, path))


class _File:
    """A file while it is written: each item on a line of its own."""

    def __init__(self, path: Path, categories: _Row) -> None:
        head = {"dm_format_version": "1.0", "media_type": _IMAGES, "infos": {}, "categories": categories}
        self._file = path.open("xb")
        self._file.write(_encode(head)[:-1] + b',\n"items":[')
        self._between = b"\n"

    def add(self, item: _Row) -> None:
        self._file.write(self._between + _encode(item))
        self._between = b",\n"

    def close(self) -> None:
        self._file.write(b"\n]}\n")
        self._file.close()


def _categories(header: Header) -> _Row:
    labels: list[_Row] = [{"name": name, "parent": "", "attributes": []} for name in header.classes]
    points = [
        {
            "label_id": label,
            "labels": skeleton.keypoints,
            "joints": [(start + 1, end + 1) for start, end in skeleton.edges],
        }
        for label, skeleton in header.skeletons.items()
    ]
    found: _Row = {"label": {"labels": labels, "label_groups": [], "attributes": []}}
    return found | ({"points": {"items": points}} if points else {})


def _item(sample: Sample, path: Path) -> _Row:
    rows = [row for rows in (_whole(sample), _objects(sample)) for row in rows]
    annotations = [{"id": number, **row} for number, row in enumerate(rows, 1)]
    image = {"path": path.name, "size": (sample.height, sample.width)}
    return {"id": path.stem, "annotations": annotations, "image": image}


def _whole(sample: Sample) -> Iterator[_Row]:
    """What is said of the image, and not of an object in it."""
    if sample.label is not None:
        yield {"type": "label", "attributes": {}, "group": 0, "label_id": sample.label}
    if sample.caption is not None:
        yield {"type": "caption", "attributes": {}, "group": 0, "caption": sample.caption}


def _objects(sample: Sample) -> Iterator[_Row]:
    for group, instance in enumerate(sample.instances, 1):
        for row in _parts(instance, sample.width, sample.height):
            yield {"attributes": {}, "group": group, "label_id": instance.label, "z_order": 0, **row}


def _parts(instance: Instance, width: int, height: int) -> Iterator[_Row]:
    crowd: _Row = {CROWD: True} if instance.crowd else {}
    yield {"type": "bbox", "bbox": instance.box, "attributes": instance.attributes | crowd}
    for ring in instance.polygons:
        yield {"type": "polygon", "points": ring}
    if instance.rle:
        yield {"type": "mask", "rle": {"counts": instance.rle, "size": (height, width)}}
    if points := instance.keypoints:
        coordinates = [number for place, number in enumerate(points) if place % 3 != 2]
        yield {"type": "points", "points": coordinates, "visibility": [int(number) for number in points[2::3]]}
