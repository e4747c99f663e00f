"""Real scans of digits, pasted on textures, with their boxes and outlines."""

from pathlib import Path
from random import Random

from PIL import Image
from sklearn.datasets import load_digits

from eyebright_kit.data.annotations import Instance, box_around
from eyebright_kit.data.bitmaps import counts_of
from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_kit.data.rle import compress
from eyebright_wire.datasets import Split

SIDE = 64
CLASSES = ("even", "odd")


def make_digits(root: Path, counts: dict[Split, int]) -> LocalDataset:
    scans = load_digits()
    splits = {
        split: tuple(_sample(root / split / f"{number:06d}.png", scans, number) for number in range(count))
        for split, count in counts.items()
    }
    return LocalDataset(root, CLASSES, splits)


def _sample(path: Path, scans, number: int) -> LocalSample:
    numbers = Random(f"{path.parent.name}/{number}")
    ground = Image.frombytes("RGB", (4, 4), bytes(numbers.randrange(120) for _ in range(48)))
    picture = ground.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    halves = numbers.sample(range(2), numbers.randint(1, 2))
    instances = tuple(_pasted(picture, scans, half, numbers) for half in halves)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return LocalSample(path, None, f"{path.parent.name}/{path.name}", SIDE, SIDE, instances)


def _pasted(picture: Image.Image, scans, half: int, numbers: Random) -> Instance:
    """A digit somewhere in the left or the right half."""
    which, side = numbers.randrange(len(scans.images)), numbers.randint(22, 30)
    shades = bytes(int(shade * 15) for shade in scans.images[which].flatten())
    ink = Image.frombytes("L", (8, 8), shades).resize((side, side), Image.Resampling.BICUBIC)
    ink = ink.point(lambda shade: 255 if shade > 90 else 0)
    left, top = half * SIDE // 2 + numbers.randint(0, SIDE // 2 - side), numbers.randint(0, SIDE - side)
    picture.paste((250, 250, 240), (left, top), ink)
    x0, y0, x1, y1 = ink.getbbox()
    return Instance(
        label=int(scans.target[which]) % 2,
        box=box_around((left + x0, top + y0, left + x1, top + y1)),
        rle=compress(counts_of(ink, left, top, (SIDE, SIDE))),
    )
