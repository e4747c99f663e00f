"""What the platform adds to a training: `eyebright train` on a running server, minus the same sealed order run by hand.

Each round makes a small data set that the server has never seen (30 pictures of three classes, each with noise of its own),
trains the toy on it through the command line from spawning to exit, and runs the very order that the server sealed for it,
`python -m eyebright_toy run runs/JOB/a1/spec.json --into FOLDER`, with the same interpreter; the figure is the median of the
differences. So it holds the command line's own start, the import, submitting, dispatching, spawning, watching, verifying what
was produced and showing the outcome. What a second training on the same data costs is said on stderr.
"""

import json
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from benchmarks.figure import Family, Figure
from benchmarks.server import EYEBRIGHT, ROOT, Server, serving, timed
from benchmarks.spread import middle

OVERHEAD = Figure(
    name="train_overhead",
    unit="s",
    bar=1.0,
    lower_is_better=True,
    against="the same sealed order run by hand; first training on a new data set of 30 pictures",
)

ROUNDS = 7
TOY = ROOT / "packages/trainers/toy/.venv/bin/python"
_CLASSES, _TRAIN, _VAL, _SIDE = 3, 8, 2, 64


def train_overhead() -> Mapping[str, float]:
    with serving() as server, tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder:
        rounds = [_round(server, Path(folder), number) for number in range(ROUNDS + 1)][1:]
    first, again, by_hand = zip(*rounds, strict=True)
    middle("by hand", by_hand)
    middle("train, data imported before", again)
    middle("train", first)
    middle("overhead, data imported before", [a - b for a, b in zip(again, by_hand, strict=True)])
    return {OVERHEAD.name: middle("overhead", [a - b for a, b in zip(first, by_hand, strict=True)])}


def _round(server: Server, folder: Path, number: int) -> tuple[float, float, float]:
    """Seconds of: the first training on new data, a second one on it, and the first one's order by hand."""
    pictures = _pictures(folder / f"pictures-{number}", number)
    before = _orders(server)
    first = _trained(server, pictures)
    (order,) = _orders(server) - before
    return first, _trained(server, pictures), _by_hand(server, order, folder / f"by-hand-{number}")


def _orders(server: Server) -> set[Path]:
    """The trainings that the server has sealed so far; imports are orders too."""
    sealed = (server.data_dir / "runs").glob("*/a1/spec.json")
    return {path for path in sealed if json.loads(path.read_text())["trainer"] == "toy"}


def _trained(server: Server, pictures: Path) -> float:
    return timed([EYEBRIGHT, "train", pictures, "--trainer", "toy"], server)[0]


def _by_hand(server: Server, spec: Path, into: Path) -> float:
    return timed([TOY, "-m", "eyebright_toy", "run", spec, "--into", into], server)[0]


def _pictures(folder: Path, seed: int) -> Path:
    """Classes that a glance tells apart, in bytes that no other round has."""
    numbers = random.Random(seed)  # noqa: S311 - pictures, not secrets
    for label in range(_CLASSES):
        for split, count in (("train", _TRAIN), ("val", _VAL)):
            for at in range(count):
                path = folder / split / f"class-{label}" / f"{at}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                noise = Image.frombytes("RGB", (_SIDE, _SIDE), numbers.randbytes(3 * _SIDE * _SIDE))
                Image.blend(noise, Image.new("RGB", noise.size, (label * 100, 128, 255 - label * 100)), 0.7).save(path)
    return folder


FAMILIES = (Family((OVERHEAD,), train_overhead),)
