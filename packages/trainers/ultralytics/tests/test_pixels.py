"""One reading of an image, for training and for the question about a single one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from eyebright_ultralytics.pixels import upright


@pytest.mark.parametrize(("value", "shade"), [(0, 0), (0x0100, 1), (0x8000, 128), (0xFFFF, 255)])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_a_16_bit_scan_keeps_its_shades(kind: str, value: int, shade: int, tmp_path: Path):
    path = tmp_path / f"scan.{kind}"
    Image.fromarray(np.full((4, 6), value, np.uint16)).save(path)
    with Image.open(path) as image:
        assert upright(image).getpixel((0, 0)) == (shade, shade, shade)


def test_an_image_is_turned_as_its_exif_says(tmp_path: Path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (20, 40), (200, 0, 0)).save(tmp_path / "photo.png", exif=exif)
    with Image.open(tmp_path / "photo.png") as image:
        assert upright(image).size == (40, 20)
