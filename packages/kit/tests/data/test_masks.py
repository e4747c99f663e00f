"""Masks of any kind become one kind, and what cannot is told."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from eyebright_kit.data.annotations import IGNORED
from eyebright_kit.data.format import MaskFile
from eyebright_kit.data.images import ImageLimits
from eyebright_kit.data.masks import Painted, painted

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
SAME = {label: label for label in range(4)}


def made(
    tmp_path: Path,
    image: Image.Image,
    *,
    values: dict[int, int] | None = None,
    colours: dict[tuple[int, int, int], int] | None = None,
    labels: dict[int, int] = SAME,
    name: str = "mask.png",
    size: tuple[int, int] | None = None,
) -> Painted | str:
    image.save(tmp_path / name)
    file = MaskFile(tmp_path / name, values or {}, colours or {})
    return painted(file, size or image.size, labels, ImageLimits(), tmp_path)


def pixels(painted: Painted | str) -> bytes:
    assert isinstance(painted, Painted), painted
    image = Image.open(io.BytesIO(painted.content))
    assert (image.format, image.mode) == ("PNG", "L")
    return image.tobytes()


def grey(*values: int) -> Image.Image:
    return Image.frombytes("L", (len(values), 1), bytes(values))


def coloured(*colours: tuple[int, int, int]) -> Image.Image:
    return Image.frombytes("RGB", (len(colours), 1), bytes(sum(colours, ())))


def indexed(palette: list[tuple[int, int, int]], *values: int) -> Image.Image:
    image = Image.frombytes("P", (len(values), 1), bytes(values))
    image.putpalette(bytes(sum(palette, ())))
    return image


def png(depth: int, row: bytes, width: int) -> bytes:
    """A grey PNG of one row as few tools write it, and as Pillow cannot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, 1, depth, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_mask_that_is_what_a_version_holds_keeps_its_bytes(tmp_path: Path) -> None:
    found = made(tmp_path, grey(0, 1, 2, 255), values={0: 0, 1: 1, 2: 2, 255: IGNORED})
    assert isinstance(found, Painted)
    assert found.content == (tmp_path / "mask.png").read_bytes()
    assert found.mask.classes == (0, 1, 2)
    assert found.mask.size_bytes == len(found.content)


def test_values_become_classes_and_only_those_that_occur_are_named(tmp_path: Path) -> None:
    found = made(tmp_path, grey(10, 20, 10, 30), values={10: 1, 20: 0, 30: IGNORED, 40: 3})
    assert pixels(found) == bytes((1, 0, 1, 255))
    assert isinstance(found, Painted)
    assert found.mask.classes == (0, 1)


def test_a_class_that_the_plan_drops_is_ignored(tmp_path: Path) -> None:
    assert pixels(made(tmp_path, grey(0, 1, 2), values=SAME, labels={0: 0, 2: 1})) == bytes((0, 255, 1))
    assert pixels(made(tmp_path, coloured(RED, GREEN), colours={RED: 0, GREEN: 1}, labels={1: 0})) == bytes((255, 0))


def test_colours_become_classes(tmp_path: Path) -> None:
    found = made(tmp_path, coloured(RED, GREEN, BLUE, RED), colours={RED: 2, GREEN: 0, BLUE: IGNORED})
    assert pixels(found) == bytes((2, 0, 255, 2))


def test_a_picture_with_an_opacity_is_read_by_its_colours(tmp_path: Path) -> None:
    assert pixels(made(tmp_path, coloured(RED, GREEN).convert("RGBA"), colours={RED: 1, GREEN: 0})) == bytes((1, 0))


def test_grey_in_colours_is_read_by_colour_where_colours_have_classes(tmp_path: Path) -> None:
    grey_class = {(0, 0, 0): 1, (9, 9, 9): 0}
    found = made(tmp_path, coloured((0, 0, 0), (9, 9, 9)), colours=grey_class, values={0: 3, 9: 3})
    assert pixels(found) == bytes((1, 0))


def test_grey_in_colours_is_read_by_value_where_only_values_have_classes(tmp_path: Path) -> None:
    assert pixels(made(tmp_path, coloured((0, 0, 0), (1, 1, 1)), values={0: 0, 1: 1})) == bytes((0, 1))


def test_a_palette_is_read_by_its_indices(tmp_path: Path) -> None:
    """Index 1 is painted white, which is not the value 255."""
    assert pixels(made(tmp_path, indexed([(0, 0, 0), (255, 255, 255)], 0, 1, 1), values=SAME)) == bytes((0, 1, 1))


def test_a_palette_is_read_by_its_colours_where_all_of_them_have_classes(tmp_path: Path) -> None:
    found = made(tmp_path, indexed([RED, GREEN], 0, 1, 1), values=SAME, colours={RED: 2, GREEN: 3})
    assert pixels(found) == bytes((2, 3, 3))
    found = made(tmp_path, indexed([RED, BLUE], 0, 1, 1), values=SAME, colours={RED: 2, GREEN: 3})
    assert pixels(found) == bytes((0, 1, 1))


def test_one_bit_is_nought_or_one(tmp_path: Path) -> None:
    assert pixels(made(tmp_path, grey(0, 255, 255).convert("1"), values={0: 0, 1: 1})) == bytes((0, 1, 1))


@pytest.mark.parametrize(("depth", "row"), [(2, 0b00_01_10_11), (4, 0x01)])
def test_few_bits_of_grey_are_not_stretched(tmp_path: Path, depth: int, row: int) -> None:
    width = 8 // depth
    (tmp_path / "mask.png").write_bytes(png(depth, bytes([row]), width))
    found = painted(MaskFile(tmp_path / "mask.png", SAME), (width, 1), SAME, ImageLimits(), tmp_path)
    assert pixels(found) == bytes(range(width))


def test_grey_with_an_opacity_is_read_by_its_grey(tmp_path: Path) -> None:
    image = Image.merge("LA", (grey(0, 1), grey(0, 255)))
    assert pixels(made(tmp_path, image, values=SAME)) == bytes((0, 1))


# What cannot become a mask


def test_another_size_than_the_images_is_told(tmp_path: Path) -> None:
    found = made(tmp_path, grey(0, 1), values=SAME, size=(4, 3))
    assert found == "it has 2×1 pixels, its image 4×3"


@pytest.mark.parametrize(("name", "mode"), [("mask.jpg", "L"), ("mask.png", "RGB")])
def test_a_jpeg_is_refused_whatever_it_is_called(tmp_path: Path, name: str, mode: str) -> None:
    Image.new(mode, (2, 2)).save(tmp_path / name, "JPEG")
    found = painted(MaskFile(tmp_path / name, SAME), (2, 2), SAME, ImageLimits(), tmp_path)
    assert found == "it is a JPEG, which blurs where classes meet; masks must be saved without loss, as PNG"


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    found = made(tmp_path, Image.new("I;16", (2, 2)), values=SAME)
    assert found == "its pixels have 16 or more bits; expected 8 bits, a palette or RGB"


def test_values_without_a_class_are_told(tmp_path: Path) -> None:
    assert made(tmp_path, grey(0, 1, 7), values={0: 0, 1: 1}) == "its value 7 has no class"
    assert made(tmp_path, grey(0, 7, 8, 9), values={0: 0}) == "its value 7 has no class, nor have 2 others"


def test_a_colour_without_a_class_is_told(tmp_path: Path) -> None:
    assert made(tmp_path, coloured(RED, BLUE), colours={RED: 0}) == "its colour (0, 0, 255) has no class"
    assert made(tmp_path, coloured(RED, BLUE), values=SAME) in (
        "its colour (255, 0, 0) has no class",
        "its colour (0, 0, 255) has no class",
    )


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    photograph = Image.merge(
        "RGB", (Image.linear_gradient("L"), Image.radial_gradient("L"), Image.linear_gradient("L").rotate(90))
    )
    found = made(tmp_path, photograph, colours={RED: 0})
    assert found == "it has more than 4096 colours; expected one for each class, without blurred edges"


def test_what_is_no_picture_is_told(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_text("no picture")
    found = painted(MaskFile(tmp_path / "mask.png", SAME), (2, 2), SAME, ImageLimits(), tmp_path)
    assert found == "it is text"


def test_a_link_out_of_the_data_set_is_not_followed(tmp_path: Path) -> None:
    grey(0, 1).save(tmp_path / "secret.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mask.png").symlink_to(tmp_path / "secret.png")
    found = painted(MaskFile(tmp_path / "set" / "mask.png", SAME), (2, 1), SAME, ImageLimits(), tmp_path / "set")
    assert isinstance(found, str)
    assert found.startswith("it leads to")


def test_a_mask_with_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    grey(*[0] * 100).save(tmp_path / "mask.png")
    found = painted(MaskFile(tmp_path / "mask.png", SAME), (100, 1), SAME, ImageLimits(max_pixels=99), tmp_path)
    assert isinstance(found, str)
    assert "megapixels" in found
