import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eyebright_torch.colour import normalised
from eyebright_torch.preprocess import Preprocessing, frame, normalise, read_square, upright_size

RULE = Preprocessing(16)


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("size", [(64, 64), (90, 40), (33, 70), (8, 8)])
def test_every_shape_becomes_a_square(tmp_path: Path, fit: str, size: tuple[int, int]):
    Image.new("RGB", size, (200, 10, 10)).save(tmp_path / "a.png")
    square = read_square(tmp_path / "a.png", Preprocessing(32, fit))
    assert square.shape == (32, 32, 3)
    assert square[16, 16].tolist() == [200, 10, 10]


def test_crop_keeps_the_middle_and_pad_keeps_everything(tmp_path: Path):
    image = Image.new("RGB", (96, 32), "black")
    image.paste((255, 255, 255), (0, 0, 32, 32))
    image.save(tmp_path / "a.png")
    assert read_square(tmp_path / "a.png", Preprocessing(32, "crop")).max() < 10
    assert read_square(tmp_path / "a.png", Preprocessing(32, "pad")).max() == 255
    assert read_square(tmp_path / "a.png", Preprocessing(32, "stretch"))[:, 0].max() == 255


def test_training_and_inference_normalise_alike():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    ours = normalised(torch.from_numpy(pixels), RULE).numpy()
    assert np.abs(ours - normalise(pixels, RULE)).max() < 1e-5


def test_a_photo_is_turned_upright(tmp_path: Path):
    image = Image.new("RGB", (32, 32), "black")
    image.paste((255, 0, 0), (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen turned by 90 degrees
    image.save(tmp_path / "a.png", exif=exif)
    square = read_square(tmp_path / "a.png", Preprocessing(32, "crop"))
    assert square[16, 31].tolist() == [255, 0, 0]
    assert square[16, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("L", 77, 77), ("RGBA", (0, 0, 0, 0), 255), ("LA", (9, 255), 9), ("1", 1, 255), ("I;16", 0x8000, 128)],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, colour: object, expected: int):
    scan = mode == "I;16"  # which Pillow cannot make from a colour
    image = Image.fromarray(np.full((32, 32), colour, np.uint16)) if scan else Image.new(mode, (32, 32), colour)
    image.save(tmp_path / "a.png")
    assert (read_square(tmp_path / "a.png", Preprocessing(32, "crop")) == expected).all()


def test_a_large_jpeg_may_be_decoded_smaller_and_looks_the_same(tmp_path: Path):
    gradient = np.linspace(0, 255, 1024).astype(np.uint8)
    Image.fromarray(np.dstack([np.tile(gradient, (1024, 1))] * 3)).save(tmp_path / "a.jpg", quality=95)
    Image.open(tmp_path / "a.jpg").save(tmp_path / "a.png")
    small, full = (
        read_square(tmp_path / f"a.{kind}", Preprocessing(64, "crop")).astype(int) for kind in ("jpg", "png")
    )
    assert np.abs(small - full).max() <= 4


def test_the_rule_survives_json():
    for rule in (Preprocessing(96, "pad"), Preprocessing(64, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")):
        assert Preprocessing.from_json(json.loads(json.dumps(rule.as_json()))) == rule


def test_bars_are_of_the_mean_colour_and_become_nothing(tmp_path: Path):
    Image.new("RGB", (96, 32), "white").save(tmp_path / "a.png")
    rule = Preprocessing(32, "pad", mean=(0.2, 0.4, 0.6))
    square = read_square(tmp_path / "a.png", rule)
    assert square[0, 0].tolist() == [51, 102, 153]
    assert np.abs(normalise(square[None], rule)[0, :, 0, 0]).max() < 1e-6


@pytest.mark.parametrize(("size", "side"), [((553, 419), 64), ((468, 303), 64), ((275, 526), 64), ((1992, 2765), 320)])
def test_a_jpeg_that_is_decoded_smaller_lies_where_its_frame_says(tmp_path: Path, size: tuple[int, int], side: int):
    """Its decoded size is rounded up, which may add a row that its annotations know nothing of."""
    Image.new("RGB", size, "white").save(tmp_path / "a.jpg")
    rule = Preprocessing(side, "pad", mean=(0.0, 0.0, 0.0))
    shown = np.argwhere(read_square(tmp_path / "a.jpg", rule)[..., 0] > 127)[:, ::-1]
    corners = frame(*upright_size(tmp_path / "a.jpg"), rule).into(np.array([[0, 0], size]))
    assert [shown.min(axis=0).tolist(), (shown.max(axis=0) + 1).tolist()] == corners.round(6).tolist()


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("size", [(900, 1), (1, 900)])
def test_even_a_line_becomes_a_square(tmp_path: Path, fit: str, size: tuple[int, int]):
    Image.new("RGB", size, "white").save(tmp_path / "a.png")
    assert read_square(tmp_path / "a.png", Preprocessing(32, fit)).max() == 255
