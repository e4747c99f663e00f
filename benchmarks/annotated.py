"""Large data sets to import and inspect: photographs in a zip, and small pictures with a million boxes."""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from itertools import islice
from multiprocessing import Pool
from pathlib import Path
from random import Random

from PIL import Image

CLASSES = 80
_GRAIN = (40, 30)


def photographs(folder: Path, count: int) -> Path:
    """Class folders of distinct JPEGs of about 100 kB each, drawn with a seed."""
    with Pool(os.cpu_count()) as pool:
        for _ in pool.imap_unordered(_photograph, ((folder, number) for number in range(count)), chunksize=50):
            pass
    return folder


def zipped(folder: Path, archive: Path) -> Path:
    """As `zip -r` makes it: deflated, though pictures hardly give way."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(folder.rglob("*.jpg")):
            target.write(path, path.relative_to(folder))
    return archive


def thumbnails(folder: Path, count: int) -> Path:
    """`0.jpg` … of 64 × 48 pixels, all different."""
    folder.mkdir(parents=True)
    with Pool(os.cpu_count()) as pool:
        for _ in pool.imap_unordered(_thumbnail, ((folder, number) for number in range(count)), chunksize=500):
            pass
    return folder


def boxes(images: int, total: int) -> Iterator[list[tuple[int, float, float, float, float]]]:
    """For each picture of 64 × 48 its boxes: class, left, top, width, height."""
    random = Random(0)  # noqa: S311 - boxes, not secrets
    for number in range(images):
        count = total * (number + 1) // images - total * number // images
        yield [_box(random) for _ in range(count)]


def write_coco(root: Path, images: int, total: int) -> Path:
    """`train/` and `annotations/instances_train.json`."""
    thumbnails(root / "train", images)
    listed = [{"id": number, "file_name": f"{number}.jpg", "width": 64, "height": 48} for number in range(images)]
    found = [
        {
            "id": 0,
            "image_id": number,
            "category_id": label + 1,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": [],
        }
        for number, objects in enumerate(boxes(images, total))
        for label, *box in objects
    ]
    for number, annotation in enumerate(found):
        annotation["id"] = number
    categories = [{"id": label + 1, "name": f"class {label:02d}"} for label in range(CLASSES)]
    (root / "annotations").mkdir()
    path = root / "annotations" / "instances_train.json"
    path.write_text(json.dumps({"images": listed, "annotations": found, "categories": categories}))
    return root


def write_yolo(root: Path, images: int, total: int) -> Path:
    """`images/train`, `labels/train` and data.yaml."""
    thumbnails(root / "images" / "train", images)
    labels = root / "labels" / "train"
    labels.mkdir(parents=True)
    for number, objects in enumerate(boxes(images, total)):
        lines = (
            f"{label} {(left + wide / 2) / 64:.6f} {(top + high / 2) / 48:.6f} {wide / 64:.6f} {high / 48:.6f}\n"
            for label, left, top, wide, high in objects
        )
        (labels / f"{number}.txt").write_text("".join(lines))
    names = "".join(f"  {label}: class {label:02d}\n" for label in range(CLASSES))
    (root / "data.yaml").write_text(f"train: images/train\nval: images/train\nnames:\n{names}")
    return root


def write_voc(root: Path, images: int, total: int) -> Path:
    """`JPEGImages`, `Annotations` and `ImageSets/Main/train.txt`."""
    thumbnails(root / "JPEGImages", images)
    (root / "Annotations").mkdir()
    for number, objects in enumerate(boxes(images, total)):
        (root / "Annotations" / f"{number}.xml").write_text(_voc(number, objects))
    labels = "".join(f"class {label:02d}:::\n" for label in range(CLASSES))
    (root / "labelmap.txt").write_text("background:::\n" + labels)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Main" / "train.txt").write_text("".join(f"{number}\n" for number in range(images)))
    return root


def _photograph(order: tuple[Path, int]) -> None:
    folder, number = order
    random = Random(number)  # noqa: S311 - pictures, not secrets
    size = (720, 540)
    soft = Image.frombytes("RGB", _GRAIN, random.randbytes(_GRAIN[0] * _GRAIN[1] * 3)).resize(
        size, Image.Resampling.BICUBIC
    )
    grain = Image.frombytes("L", size, random.randbytes(size[0] * size[1])).point(lambda value: value // 10)
    picture = Image.merge("RGB", [Image.blend(band, grain, 0.3) for band in soft.split()])
    path = folder / f"class-{number % 10}" / f"{number:05d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_jpeg(picture, 92))


def _thumbnail(order: tuple[Path, int]) -> None:
    folder, number = order
    soft = Image.frombytes("RGB", (8, 6), Random(number).randbytes(8 * 6 * 3))  # noqa: S311 - pictures, not secrets
    (folder / f"{number}.jpg").write_bytes(_jpeg(soft.resize((64, 48), Image.Resampling.BILINEAR), 85))


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _box(random: Random) -> tuple[int, float, float, float, float]:
    left, top = random.randrange(0, 48), random.randrange(0, 36)
    wide, high = random.randrange(4, 64 - left), random.randrange(4, 48 - top)
    return random.randrange(CLASSES), float(left), float(top), float(wide), float(high)


def _voc(number: int, objects: list[tuple[int, float, float, float, float]]) -> str:
    found = "".join(
        f"<object><name>class {label:02d}</name><bndbox><xmin>{left:g}</xmin><ymin>{top:g}</ymin>"
        f"<xmax>{left + wide:g}</xmax><ymax>{top + high:g}</ymax></bndbox></object>"
        for label, left, top, wide, high in objects
    )
    size = "<size><width>64</width><height>48</height><depth>3</depth></size>"
    return f"<annotation><folder>JPEGImages</folder><filename>{number}.jpg</filename>{size}{found}</annotation>"


def changed(folder: Path, share: float) -> int:
    """Give every n-th photograph another picture; how many bytes the new ones have."""
    paths = sorted(folder.rglob("*.jpg"))
    step = round(1 / share)
    total = 0
    for path in islice(paths, 0, None, step):
        number = 10_000_000 + int(path.stem)
        _photograph((folder.parent / "changed", number))
        (fresh,) = (folder.parent / "changed").rglob(f"{number:05d}.jpg")
        total += fresh.stat().st_size
        fresh.replace(path)
    return total
