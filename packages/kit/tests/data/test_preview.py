"""What is drawn lies where it should, pixel by pixel, whatever the image is."""

import io
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from eyebright_kit.data.annotations import IGNORED, Instance, Mask, Skeleton
from eyebright_kit.data.hues import colour_of, ink_on
from eyebright_kit.data.images import ImageLimits, decoded
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.preview import Subject, sheet, thumbnail
from eyebright_kit.data.rle import compress
from eyebright_kit.errors import StorageUnavailable
from eyebright_wire.datasets import Split

GREY, RED = (120, 120, 120), colour_of(0)
_MARGIN = 6  # of a sheet

Pixel = tuple[int, ...]


def plain(path: Path, size: tuple[int, int] = (64, 64), colour: Pixel = GREY) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def sample(*instances: Instance, size: tuple[int, int] = (64, 64), **more: object) -> Sample:
    known = {"sha256": "0" * 64, "extension": "png", "size_bytes": 1, "split": Split.TRAIN, "source": "1.png"}
    return Sample(width=size[0], height=size[1], instances=instances, **{**known, **more})  # type: ignore[arg-type]


def drawn(
    path: Path,
    what: Sample,
    *,
    side: int = 64,
    classes: tuple[str, ...] = (),
    skeletons: dict[int, Skeleton] | None = None,
    mask: Path | None = None,
) -> Image.Image:
    """The picture without the margin and the name: a sheet is a PNG, so every pixel is as it was drawn."""
    page = Image.open(io.BytesIO(sheet([Subject(path, what, mask)], classes, skeletons or {}, side=side)))
    wide, high = (max(1, round(length * side / max(what.width, what.height))) for length in (what.width, what.height))
    left = _MARGIN + (side - wide) // 2
    return page.crop((left, _MARGIN, left + wide, _MARGIN + high))


def at(image: Image.Image, x: int, y: int) -> Pixel:
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return found


def changed(image: Image.Image, ground: Pixel = GREY) -> tuple[int, int, int, int] | None:
    """The box around all pixels that are not of the ground."""
    return ImageChops.difference(image, Image.new("RGB", image.size, ground)).getbbox()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def is_near(one: Pixel, other: Pixel, by: int = 30) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


# Boxes and outlines


def test_a_red_box_is_where_it_should_be(tmp_path: Path) -> None:
    path = plain(tmp_path / "1.png", (128, 64))
    image = drawn(path, sample(Instance(label=0, box=(32, 16, 64, 32)), size=(128, 64)))
    assert image.size == (64, 32)
    assert changed(image) == (16, 8, 48, 24)
    assert {at(image, x, y) for x, y in ((16, 8), (47, 8), (16, 23), (47, 23), (30, 8), (16, 15))} == {RED}
    assert at(image, 30, 15) == GREY


def test_a_small_image_grows_with_its_boxes(tmp_path: Path) -> None:
    path = plain(tmp_path / "1.png", (8, 8))
    image = drawn(path, sample(Instance(label=0, box=(2, 4, 2, 1)), size=(8, 8)))
    assert changed(image) == (16, 32, 32, 40)


def test_an_outline_is_filled_so_that_the_image_shows_through(tmp_path: Path) -> None:
    ring = (8.0, 8.0, 56.0, 8.0, 56.0, 56.0, 8.0, 56.0)
    image = drawn(plain(tmp_path / "1.png"), sample(Instance(label=0, box=(8, 8, 48, 48), polygons=(ring,))))
    mixed = at(image, 30, 30)
    assert GREY[0] < mixed[0] < RED[0]
    assert at(image, 8, 30) == RED
    assert at(image, 4, 30) == GREY


def test_a_turned_box_is_drawn_turned_and_not_as_its_box(tmp_path: Path) -> None:
    corners = (32.0, 8.0, 56.0, 32.0, 32.0, 56.0, 8.0, 32.0)
    image = drawn(plain(tmp_path / "1.png"), sample(Instance(label=0, box=(8, 8, 48, 48), corners=corners)))
    assert at(image, 20, 20) == RED
    assert at(image, 8, 8) == at(image, 55, 8) == GREY


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), side=st.integers(5, 90))
def test_run_lengths_tint_exactly_the_pixels_they_cover(tmp_path: Path, seed: int, side: int) -> None:
    dice = Random(seed)
    size = dice.randint(2, 40), dice.randint(2, 40)
    covered = Image.new("L", size)
    for _ in range(dice.randint(1, 4)):
        left, top = dice.randrange(size[0]), dice.randrange(size[1])
        covered.paste(
            255, (left, top, min(left + dice.randint(1, 20), size[0]), min(top + dice.randint(1, 20), size[1]))
        )
    path = plain(tmp_path / "1.png", size)
    instance = Instance(label=0, box=(0, 0, 0, 0), rle=compress(runs(covered)))
    image = drawn(path, sample(instance, size=size), side=side)
    expected = by_middles(covered, image.size)
    tinted = image.getchannel("R").point([255 if value > GREY[0] else 0 for value in range(256)])
    tinted.putpixel((0, 0), expected.getpixel((0, 0)))  # where the box without area is
    assert tinted.tobytes() == expected.tobytes()


def by_middles(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Each pixel has the value that lies at its middle. (Pillow's own way rounds where that is between two.)"""
    scaled = Image.new("L", size)
    for x in range(size[0]):
        for y in range(size[1]):
            place = (2 * x + 1) * image.width // (2 * size[0]), (2 * y + 1) * image.height // (2 * size[1])
            scaled.putpixel((x, y), image.getpixel(place))  # type: ignore[arg-type]
    return scaled


def runs(covered: Image.Image) -> list[int]:
    """COCO's run lengths, column by column."""
    counts, value = [0], 0
    for pixel in covered.transpose(Image.Transpose.TRANSPOSE).tobytes():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


@pytest.mark.timeout(20)  # a frame is drawn pixel by pixel, and would have billions
@pytest.mark.parametrize(
    "box",
    [
        (-1e9, -1e9, 2e9, 2e9),
        (1e308, 1e308, 1e308, 1e308),
        (-1e300, -1e300, 2e300, 2e300),
        (5, 5, 0, 0),
        (5, 5, -9, -9),
        (100, 100, 5, 5),
    ],
)
def test_boxes_that_make_no_sense_are_drawn_without_a_complaint(tmp_path: Path, box: tuple[float, ...]) -> None:
    left, top, wide, high = box
    wild = Instance(
        label=7,
        box=(left, top, wide, high),
        polygons=((left, top, wide, high), (left, top, wide, high, 0.0, left)),
        corners=(left, top, wide, high) * 2,
        keypoints=(left, top, 2.0, wide, high, 1.0),
    )
    box_alone = Instance(label=0, box=(left, top, wide, high))
    thumbnail(
        plain(tmp_path / "1.png"), sample(wild, box_alone), ("a",), {7: Skeleton(keypoints=("a",), edges=((0, 9),))}
    )


def test_of_thousands_of_objects_the_first_are_drawn(tmp_path: Path) -> None:
    path = plain(tmp_path / "1.png")
    many = [Instance(label=0, box=(1, 1, 2, 2))] * 2000
    image = drawn(path, sample(*many, Instance(label=0, box=(40, 40, 9, 9))))
    assert changed(image) == (1, 1, 3, 3)


# Keypoints


def test_keypoints_are_drawn_as_far_as_they_are_known(tmp_path: Path) -> None:
    points = (10, 10, 2, 50, 10, 2, 50, 50, 1, 10, 50, 0)
    instance = Instance(label=1, box=(63, 63, 1, 1), keypoints=tuple(float(number) for number in points))
    skeleton = Skeleton(keypoints=("a", "b", "c", "d"), edges=((0, 1), (1, 2), (2, 3)))
    image = drawn(plain(tmp_path / "1.png"), sample(instance), skeletons={1: skeleton})
    assert at(image, 10, 10) == at(image, 50, 10) == colour_of(1)  # seen
    assert at(image, 30, 10) == at(image, 50, 30) == colour_of(1)  # joined
    assert at(image, 52, 50) == colour_of(1)  # hidden: a ring
    assert at(image, 51, 51) == GREY
    assert changed(image.crop((0, 14, 46, 60))) is None  # nothing to or at what is unknown


# Masks


def test_a_mask_tints_exactly_its_region(tmp_path: Path) -> None:
    values = Image.new("L", (64, 64), IGNORED)
    values.paste(1, (0, 0, 20, 64))
    values.paste(0, (20, 0, 40, 64))
    values.save(tmp_path / "mask.png")
    what = sample(mask=Mask(sha256="1" * 64, size_bytes=1, classes=(0, 1)))
    image = drawn(plain(tmp_path / "1.png"), what, classes=("Background", "road"), mask=tmp_path / "mask.png")
    assert changed(image) == (0, 0, 20, 64)
    assert {at(image, x, y) for x in range(20) for y in range(64)} == {at(image, 5, 5)}
    assert not is_near(at(image, 5, 5), GREY)


def test_a_first_class_that_is_no_background_is_tinted_too(tmp_path: Path) -> None:
    Image.new("L", (64, 64), 0).save(tmp_path / "mask.png")
    what = sample(mask=Mask(sha256="1" * 64, size_bytes=1, classes=(0,)))
    image = drawn(plain(tmp_path / "1.png"), what, classes=("sky", "road"), mask=tmp_path / "mask.png")
    assert changed(image) == (0, 0, 64, 64)


# Names and captions


def test_the_name_of_the_class_stands_above_its_box(tmp_path: Path) -> None:
    what = sample(Instance(label=1, box=(20, 80, 60, 30)), size=(128, 128))
    path = plain(tmp_path / "1.png", (128, 128))
    with_name = opened(thumbnail(path, what, ("cat", "dog"), {}, side=128))
    without = opened(thumbnail(path, what, ("cat", "dog"), {}, side=128, labels=False))
    above = (20, 68, 40, 79)
    assert sum(is_near(pixel, colour_of(1)) for pixel in colours(with_name.crop(above))) > 60
    assert all(is_near(pixel, GREY) for pixel in colours(without.crop(above)))


def colours(image: Image.Image) -> list[Pixel]:
    content = image.tobytes()
    return [tuple(content[place : place + 3]) for place in range(0, len(content), 3)]


def test_the_class_of_the_image_stands_in_its_corner(tmp_path: Path) -> None:
    image = drawn(plain(tmp_path / "1.png"), sample(label=0), classes=("cat",))
    assert at(image, 0, 0) == RED
    assert at(image, 63, 63) == GREY


def test_a_name_never_leaves_the_image(tmp_path: Path) -> None:
    what = sample(Instance(label=0, box=(60, 0, 4, 4)))
    image = drawn(plain(tmp_path / "1.png"), what, classes=("a name that is much longer than its image is wide",))
    assert at(image, 2, 0) == at(image, 2, 12) == RED


@pytest.mark.parametrize(("name", "shown"), [("Köter", "Koter"), ("犬", "#0"), ("", "")])
def test_a_name_in_letters_that_cannot_be_drawn_is_told_otherwise(tmp_path: Path, name: str, shown: str) -> None:
    path, what = plain(tmp_path / "1.png", (128, 128)), sample(label=0, size=(128, 128))
    assert thumbnail(path, what, (name,), {}) == thumbnail(path, what, (shown,), {})


def test_a_crowd_gets_no_names(tmp_path: Path) -> None:
    path = plain(tmp_path / "1.png", (128, 128))
    crowd = sample(*[Instance(label=0, box=(20, 80, 60, 30))] * 61, size=(128, 128))
    assert thumbnail(path, crowd, ("cat",), {}) == thumbnail(path, crowd, ("cat",), {}, labels=False)


def test_the_caption_stands_below_when_it_is_asked_for(tmp_path: Path) -> None:
    path, what = plain(tmp_path / "1.png"), sample(caption="a photo of sks dog " * 30)
    bare, told = opened(thumbnail(path, what, (), {})), opened(thumbnail(path, what, (), {}, caption=True))
    assert bare.size == (256, 256)
    assert told.width == 256
    below = told.crop((0, 258, 256, told.height)).convert("L")
    assert below.getextrema()[0] < 80  # type: ignore[operator]
    assert 30 < told.height - 256 < 70  # three lines, whatever its length
    assert opened(thumbnail(path, sample(), (), {}, caption=True)).size == (256, 256)


# Images of all kinds


def in_mode(mode: str) -> tuple[Image.Image, str]:
    """A picture whose left half is dark and whose right half is bright, and a type that keeps the mode."""
    grey = Image.new("L", (40, 20), 40)
    grey.paste(200, (20, 0, 40, 20))
    if mode in ("I;16", "I", "F"):
        wide = grey.convert("I").point(lambda value: value * 16)  # 12 bits in 16
        return (wide.convert(mode), "TIFF")
    if mode == "P;transparent":
        palette = grey.convert("RGB").quantize(4)
        palette.info["transparency"] = bytes([0, 128, 255, 0])
        return palette, "PNG"
    return grey.convert(mode), {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")


@pytest.mark.parametrize(
    "mode", ["RGB", "L", "LA", "RGBA", "P", "P;transparent", "1", "CMYK", "YCbCr", "I;16", "I", "F"]
)
def test_an_image_of_any_kind_is_shown(tmp_path: Path, mode: str) -> None:
    image, kind = in_mode(mode)
    image.save(tmp_path / "1", kind)
    shown = drawn(tmp_path / "1", sample(size=(40, 20)), side=40)
    assert shown.mode == "RGB"
    if mode != "1":  # which has dots instead
        dark, bright = at(shown, 5, 10), at(shown, 35, 10)
        assert max(dark) < 90
        assert min(bright) > 160


def test_what_transparency_hides_is_shown_as_training_sees_it(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (200, 10, 10, 0)).save(tmp_path / "1.png")
    assert at(drawn(tmp_path / "1.png", sample(), side=32), 16, 16) == (200, 10, 10)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_images_are_held_as_exif_says(tmp_path: Path, kind: str) -> None:
    image = Image.new("RGB", (64, 32), GREY)
    image.paste(RED, (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "1", kind, exif=exif, quality=95)
    shown = drawn(tmp_path / "1", sample(size=(32, 64)), side=64)
    assert shown.size == (32, 64)
    assert is_near(at(shown, 16, 5), RED)
    assert is_near(at(shown, 16, 60), GREY)


@pytest.mark.parametrize(("size", "shown"), [((1000, 1), (256, 1)), ((1, 1000), (1, 256)), ((1, 1), (256, 256))])
def test_the_longer_side_is_as_long_as_asked(tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]) -> None:
    path = plain(tmp_path / "1.png", size)
    what = sample(Instance(label=0, box=(0, 0, 1, 1)), size=size, label=0, caption="a dog")
    assert opened(thumbnail(path, what, ("cat",), {})).size == shown
    thumbnail(path, what, ("cat",), {}, caption=True)


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(tmp_path: Path) -> None:
    path = plain(tmp_path / "1.jpg", (2000, 1000))
    found = decoded(path, ImageLimits(), None, near=(200, 100))
    assert isinstance(found, tuple)
    assert found[0].size == (250, 125)
    image = drawn(path, sample(Instance(label=0, box=(500, 250, 1000, 500)), size=(2000, 1000)))
    assert at(image, 16, 12) == at(image, 47, 20) == RED
    assert is_near(at(image, 30, 16), GREY)


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    path, what = plain(tmp_path / "1.png"), sample(Instance(label=0, box=(1, 1, 9, 9)), label=0)
    assert thumbnail(path, what, ("cat",), {}) == thumbnail(path, what, ("cat",), {})


# What cannot be drawn


def test_what_is_above_the_limits_is_not_decoded(tmp_path: Path) -> None:
    path = plain(tmp_path / "1.png", (100, 100))
    with pytest.raises(StorageUnavailable, match=r"1\.png cannot be drawn: 100×100 is .* import the data set again"):
        thumbnail(path, sample(size=(100, 100)), (), {}, limits=ImageLimits(max_pixels=9999))


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 30])
def test_a_file_that_is_no_image_any_more_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.png").write_bytes(content)
    with pytest.raises(StorageUnavailable, match=r"1\.png cannot be drawn: "):
        thumbnail(tmp_path / "1.png", sample(), (), {})


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match=r"1\.png cannot be drawn: No such file"):
        thumbnail(tmp_path / "gone", sample(), (), {})


def test_a_mask_that_is_gone_is_told(tmp_path: Path) -> None:
    what = sample(mask=Mask(sha256="1" * 64, size_bytes=1, classes=(0,)))
    with pytest.raises(StorageUnavailable):
        thumbnail(plain(tmp_path / "1.png"), what, ("a",), {}, tmp_path / "gone")


# Sheets


def test_a_sheet_has_its_pictures_in_rows_with_their_names(tmp_path: Path) -> None:
    shapes = [(64, 64), (32, 64), (64, 32), (64, 64), (64, 64)]
    pictures = [
        Subject(plain(tmp_path / f"{n}.png", size, colour_of(n)), sample(size=size, source=f"train/{n}.png"))
        for n, size in enumerate(shapes)
    ]
    page = opened(sheet(iter(pictures), (), {}, columns=2, side=64))
    assert page.format == "PNG"
    assert page.width == 2 * 64 + 3 * _MARGIN
    assert at(page, 10, 10) == colour_of(0)
    assert at(page, 64 + 2 * _MARGIN + 32, 10) == colour_of(1)  # in the middle of its column
    assert at(page, 64 + 2 * _MARGIN + 5, 10) == (255, 255, 255)
    below = page.crop((_MARGIN, _MARGIN + 65, _MARGIN + 64, _MARGIN + 75)).convert("L")
    assert below.getextrema()[0] < 80  # type: ignore[operator]
    seen = {colour for _, colour in page.getcolors(100_000) or ()}
    assert {colour_of(n) for n in range(5)} <= seen


def test_a_sheet_of_one_is_as_narrow_as_that(tmp_path: Path) -> None:
    page = opened(sheet([Subject(plain(tmp_path / "1.png"), sample())], (), {}, columns=4, side=64))
    assert page.width == 64 + 2 * _MARGIN


def test_of_a_long_name_the_end_is_shown(tmp_path: Path) -> None:
    path = plain(tmp_path / "1.png")
    long = [sheet([Subject(path, sample(source=f"{'x' * length}/1.png"))], (), {}, side=64) for length in (90, 99)]
    assert long[0] == long[1]
    assert long[0] != sheet([Subject(path, sample(source=f"{'x' * 90}/2.png"))], (), {}, side=64)


def test_a_sheet_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        sheet([], (), {})


# Colours


def test_a_class_has_the_same_colour_always() -> None:
    assert [colour_of(n) for n in range(3)] == [(255, 13, 13), (97, 139, 242), (97, 166, 0)]


def test_the_first_twenty_colours_can_be_told_apart() -> None:
    first = [colour_of(n) for n in range(20)]
    apart = [
        sum(abs(a - b) for a, b in zip(one, other, strict=True)) for one in first for other in first if one < other
    ]
    assert min(apart) > 40


@pytest.mark.parametrize("label", range(40))
def test_a_name_can_be_read_on_its_colour(label: int) -> None:
    """A contrast of 3 is what WCAG asks for large letters."""
    light, dark = sorted((luminance(colour_of(label)), luminance(ink_on(colour_of(label)))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def luminance(colour: Pixel) -> float:
    """Relative luminance as in WCAG 2."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
