"""Data sets of JPEG files that cost what photographs cost to decode."""

import random
from pathlib import Path

from PIL import Image, ImageFilter

CLASSES = 4


def photographs(folder: Path, *, train: int, val: int, size: tuple[int, int]) -> Path:
    """An ImageFolder of `train` and `val` pictures in four classes: soft shapes with fine grain, at JPEG quality 90.

    At 500 × 375 such a file has about 100 kB, as those of ImageNet do.
    """
    numbers = random.Random(3)  # noqa: S311 - pictures, not secrets
    for split, count in (("train", train), ("val", val)):
        for at in range(count):
            path = folder / split / f"class-{at % CLASSES}" / f"{at:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            _photograph(numbers, at % CLASSES, size).save(path, quality=90)
    return folder


def _photograph(numbers: random.Random, label: int, size: tuple[int, int]) -> Image.Image:
    coarse = Image.frombytes("RGB", (8, 6), numbers.randbytes(8 * 6 * 3)).resize(size, Image.Resampling.BICUBIC)
    tint = Image.new("RGB", size, ((255, 60, 60), (60, 255, 60), (60, 60, 255), (200, 200, 60))[label])
    grain = Image.frombytes("RGB", size, numbers.randbytes(size[0] * size[1] * 3)).filter(ImageFilter.GaussianBlur(1))
    return Image.blend(Image.blend(coarse, tint, 0.35), grain, 0.25)
