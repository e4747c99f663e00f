"""Real scans of digits, pasted on textures: a detection set that can be learnt in minutes on a CPU."""

import hashlib
import io
from pathlib import Path
from random import Random

from PIL import Image
from sklearn.datasets import load_digits

from eyebright_kit.data.annotations import Instance, box_around
from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.manifest import Header, Sample, line_of, write_manifest
from eyebright_wire.datasets import Split

SIDE = 128
CLASSES = ("digit",)
IMAGES = {Split.TRAIN: 48, Split.VAL: 12}


def store(blobs: Path) -> str:
    """Stores the set below the blob root; answers the sha256 of its manifest."""
    scans = load_digits().images
    samples = [
        _sample(blobs, split, scans, Random(f"{split}/{number}"))
        for split, count in IMAGES.items()
        for number in range(count)
    ]
    draft = blobs / "manifest.jsonl"
    write_manifest(draft, Header(format="drawn", classes=CLASSES), map(line_of, samples))
    return _store(blobs, draft.read_bytes())


def _sample(blobs: Path, split: Split, scans, numbers: Random) -> Sample:
    ground = Image.frombytes("RGB", (8, 8), bytes(numbers.randrange(160) for _ in range(192)))
    picture = ground.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    objects = tuple(
        _pasted(picture, scans, quarter, numbers) for quarter in numbers.sample(range(4), numbers.randint(1, 3))
    )
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    content = buffer.getvalue()
    return Sample(
        sha256=_store(blobs, content), extension="png", size_bytes=len(content), width=SIDE, height=SIDE, split=split,
        instances=objects,
    )  # fmt: skip


def _pasted(picture: Image.Image, scans, quarter: int, numbers: Random) -> Instance:
    """A digit somewhere in one quarter of the picture, and its box."""
    side = numbers.randint(36, 60)
    shades = bytes(int(shade * 15) for shade in scans[numbers.randrange(len(scans))].flatten())
    ink = Image.frombytes("L", (8, 8), shades).resize((side, side), Image.Resampling.BICUBIC)
    ink = ink.point(lambda shade: 255 if shade > 90 else 0)
    left = quarter % 2 * SIDE // 2 + numbers.randint(0, SIDE // 2 - side)
    top = quarter // 2 * SIDE // 2 + numbers.randint(0, SIDE // 2 - side)
    picture.paste((250, 250, 240), (left, top), ink)
    x0, y0, x1, y1 = ink.getbbox()
    return Instance(label=0, box=box_around((left + x0, top + y0, left + x1, top + y1)))


def _store(blobs: Path, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    path = blob_path(blobs, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return sha256
