"""Real scans of digits, pasted on textures: pictures with boxes, outlines and masks, there to be learnt in a few steps."""

from pathlib import Path
from random import Random

from PIL import Image
from sklearn.datasets import load_digits

from eyebright_kit.data.annotations import Instance, box_around
from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_wire.datasets import Split

SIDE = 64
CLASSES = ("ground", "digit")


def make_street(root: Path, counts: dict[Split, int]) -> LocalDataset:
    scans = load_digits().images
    splits = {
        split: tuple(_sample(root, scans, f"{split}/{number}") for number in range(count))
        for split, count in counts.items()
    }
    return LocalDataset(root, CLASSES, splits)


def _sample(root: Path, scans, name: str) -> LocalSample:
    numbers = Random(name)
    ground = Image.frombytes("RGB", (4, 4), bytes(numbers.randrange(140) for _ in range(48)))
    picture = ground.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    mask = Image.new("L", (SIDE, SIDE), 0)
    instances = tuple(_pasted(picture, mask, scans, half, numbers) for half in range(numbers.randint(1, 2)))
    image, painted = root / f"{name}.png", root / f"{name}-mask.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    picture.save(image)
    mask.save(painted)
    return LocalSample(image, None, f"{name}.png", SIDE, SIDE, instances, painted)


def _pasted(picture: Image.Image, mask: Image.Image, scans, half: int, numbers: Random) -> Instance:
    """A digit in one half of the picture. Its outline is the box that just holds the ink."""
    shades = bytes(int(shade * 15) for shade in scans[numbers.randrange(len(scans))].flatten())
    ink = Image.frombytes("L", (8, 8), shades).resize((28, 28), Image.Resampling.BICUBIC)
    ink = ink.point(lambda shade: 255 if shade > 90 else 0)
    place = (half * SIDE // 2 + numbers.randint(0, 4), numbers.randint(0, SIDE - 28))
    picture.paste((250, 250, 240), place, ink)
    mask.paste(1, place, ink)
    x0, y0, x1, y1 = ink.getbbox() or (0, 0, 1, 1)
    left, top, right, bottom = x0 + place[0], y0 + place[1], x1 + place[0], y1 + place[1]
    outline = tuple(float(edge) for edge in (left, top, right, top, right, bottom, left, bottom))
    return Instance(label=1, box=box_around(outline), polygons=(outline,))
