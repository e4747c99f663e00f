"""Copies are found whatever was done to them; pictures that only resemble each other are not."""

import io
from itertools import combinations
from random import Random

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from eyebright_kit.data.fingerprint import hash_of, near_pairs, thumbnail_of


def scene(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Soft patches of light and shade, as photographs have."""
    random = Random(seed)
    noise = Image.frombytes("RGB", (8, 6), random.randbytes(8 * 6 * 3))
    return noise.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue()))


COPIES = {
    "recompressed": lambda image: recompressed(image, 40),
    "scaled": lambda image: image.resize((317, 240)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.02),
    "grey": lambda image: image.convert("L"),
    "with an alpha channel": lambda image: image.convert("RGBA"),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("seed", range(5))
def test_a_copy_is_found(how: str, seed: int) -> None:
    image = scene(seed)
    assert list(near_pairs([thumbnail_of(image), thumbnail_of(COPIES[how](image))])) == [(0, 1)]


def test_different_pictures_are_not_alike() -> None:
    assert list(near_pairs([thumbnail_of(scene(seed)) for seed in range(300)])) == []


def test_pictures_without_contrast_say_nothing() -> None:
    assert thumbnail_of(Image.new("RGB", (50, 50), (200, 10, 10))) == b""
    assert list(near_pairs([b"", b""])) == []


def test_the_same_composition_in_other_light_is_no_copy() -> None:
    image = scene(1)
    dark = image.point(lambda value: value // 3)
    assert list(near_pairs([thumbnail_of(image), thumbnail_of(dark)])) == []


def test_each_pair_is_told_once_and_the_earlier_first() -> None:
    thumbnail = thumbnail_of(scene(1))
    assert sorted(near_pairs([thumbnail] * 4)) == list(combinations(range(4), 2))


def test_a_thousand_frames_of_one_scene_are_one_group_of_few_pairs() -> None:
    pairs = list(near_pairs([thumbnail_of(scene(1))] * 1000))
    assert len(pairs) <= 8 * 1000
    linked = {0}
    for one, other in sorted(pairs, key=lambda pair: pair[1]):
        if one in linked:
            linked.add(other)
    assert len(linked) == 1000


def test_a_sixteen_bit_picture_has_a_thumbnail() -> None:
    values = [value // 5 for value in range(40 * 30)]
    image = Image.frombytes("I;16", (40, 30), b"".join(value.to_bytes(2, "little") for value in values))
    assert len(thumbnail_of(image)) == 81


def test_a_hash_has_one_bit_for_each_comparison() -> None:
    falling = bytes(range(200, 200 - 81, -1))
    assert hash_of(falling) == 2**128 - 1
    assert hash_of(bytes(range(81))) == 0
