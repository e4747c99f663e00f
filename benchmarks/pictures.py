"""Data sets of JPEG files that cost what photographs cost to decode."""

import io
import json
import random
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter

CLASSES = 4
_DISTINCT = 256  # pictures that are drawn; more files than that are these again, each with a comment of its own
_OBJECTS = 5  # on each picture of a data set of objects
_START = b"\xff\xd8"  # of every JPEG
_TINTS = ((255, 60, 60), (60, 255, 60), (60, 60, 255), (200, 200, 60))


def photographs(folder: Path, *, train: int, val: int, size: tuple[int, int]) -> Path:
    """An ImageFolder of `train` and `val` pictures in four classes: soft shapes with fine grain, at JPEG quality 90.

    At 500 × 375 such a file has 84 kB; those of ImageNet have 110 kB on average. No two files are equal.
    """
    drawn = [_jpeg(number, size) for number in range(min(_DISTINCT, train + val))]
    for split, count in (("train", train), ("val", val)):
        for at, content in enumerate(islice(cycle(drawn), count)):
            path = folder / split / f"class-{at % CLASSES}" / f"{at:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_signed(content, f"{split} {at}"))
    return folder


def photographed_objects(folder: Path, *, train: int, val: int, size: tuple[int, int]) -> Path:
    """The same pictures in COCO's layout, with five boxes on each."""
    numbers = random.Random(0)  # noqa: S311 - boxes, not secrets
    drawn = [_jpeg(number, size) for number in range(min(_DISTINCT, train + val))]
    (folder / "annotations").mkdir(parents=True)
    for split, count in (("train", train), ("val", val)):
        (folder / split).mkdir()
        for at, content in enumerate(islice(cycle(drawn), count)):
            (folder / split / f"{at:05d}.jpg").write_bytes(_signed(content, f"{split} {at}"))
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(_coco(count, size, numbers)))
    return folder


def boxed_for_yolo(folder: Path, *, train: int, val: int, size: tuple[int, int]) -> Path:
    """The same in YOLO's layout, and the rectangles are in the picture, in the colour of their class: they can be learnt."""
    numbers = random.Random(0)  # noqa: S311 - boxes, not secrets
    for split, count in (("train", train), ("val", val)):
        images, labels = folder / "images" / split, folder / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for at in range(count):
            boxes = [_coarse_box(*size, numbers) for _ in range(_OBJECTS)]
            (images / f"{at:05d}.jpg").write_bytes(_jpeg(at if split == "train" else train + at, size, boxes))
            lines = (_yolo_line(label % CLASSES, box, size) for label, box in enumerate(boxes))
            (labels / f"{at:05d}.txt").write_text("".join(lines))
    names = "".join(f"  {label}: class-{label}\n" for label in range(CLASSES))
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames:\n{names}")
    return folder


def _yolo_line(label: int, box: tuple[int, int, int, int], size: tuple[int, int]) -> str:
    left, top, width, height = box
    at = ((left + width / 2) / size[0], (top + height / 2) / size[1], width / size[0], height / size[1])
    return " ".join((str(label), *(f"{share:.6f}" for share in at))) + "\n"


def _coco(images: int, size: tuple[int, int], numbers: random.Random) -> dict[str, Any]:
    width, height = size
    boxes = [(image, *_box(width, height, numbers)) for image in range(images) for _ in range(_OBJECTS)]
    return {
        "images": [{"id": at, "file_name": f"{at:05d}.jpg", "width": width, "height": height} for at in range(images)],
        "categories": [{"id": label, "name": f"class-{label}"} for label in range(CLASSES)],
        "annotations": [
            {
                "id": at,
                "image_id": image,
                "category_id": at % CLASSES,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for at, (image, *box) in enumerate(boxes)
        ],
    }


def _box(width: int, height: int, numbers: random.Random) -> tuple[int, int, int, int]:
    """Left, top, width, height."""
    wide, high = numbers.randint(width // 10, width // 2), numbers.randint(height // 10, height // 2)
    return numbers.randint(0, width - wide), numbers.randint(0, height - high), wide, high


def _coarse_box(width: int, height: int, numbers: random.Random) -> tuple[int, int, int, int]:
    """In steps of 8 pixels: at sizes like 320 × 256 its shares have six decimals and no more, so nobody rounds them."""
    left, top, wide, high = (8 * cells for cells in _box(width // 8, height // 8, numbers))
    return left, top, wide, high


def _signed(jpeg: bytes, comment: str) -> bytes:
    """The same picture in other bytes."""
    text = comment.encode()
    return b"".join((_START, b"\xff\xfe", (len(text) + 2).to_bytes(2, "big"), text, jpeg.removeprefix(_START)))


def _jpeg(number: int, size: tuple[int, int], boxes: Sequence[tuple[int, int, int, int]] = ()) -> bytes:
    numbers, tint = random.Random(number), _TINTS[number % CLASSES]  # noqa: S311 - pictures, not secrets
    coarse = Image.frombytes("RGB", (8, 6), numbers.randbytes(8 * 6 * 3)).resize(size, Image.Resampling.BICUBIC)
    grain = Image.frombytes("RGB", size, numbers.randbytes(size[0] * size[1] * 3)).filter(ImageFilter.GaussianBlur(0.7))
    picture = Image.blend(Image.blend(coarse, Image.new("RGB", size, tint), 0.35), grain, 0.5)
    for label, (left, top, width, height) in enumerate(boxes):
        picture.paste(_TINTS[label % CLASSES], (left, top, left + width, top + height))
    picture.save(into := io.BytesIO(), "JPEG", quality=90)
    return into.getvalue()
