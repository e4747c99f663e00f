from pathlib import Path

import pytest
from PIL import Image

from eyebright_diffusion.sheet import draw_sheet


@pytest.mark.parametrize("count", [1, 4, 5])
def test_a_sheet_shows_every_picture_below_its_prompt(count: int, tmp_path: Path):
    prompts = ["a $photo$ of sks_dog " * 20, "", "größe", "two", "three"][:count]
    shades = [40, 80, 120, 160, 200][:count]
    pictures = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in shades]
    draw_sheet(tmp_path / "sheet.png", prompts, pictures, "Epoch 10")
    with Image.open(tmp_path / "sheet.png") as sheet:
        seen = {pixel for _, pixel in sheet.convert("RGB").getcolors(1 << 20)}
    assert {(shade, 0, 0) for shade in shades} <= seen
