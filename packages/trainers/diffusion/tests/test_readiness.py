from pathlib import Path

import pytest
from PIL import Image

from eyebright_diffusion import readiness
from eyebright_kit.data.local import LocalSample
from eyebright_kit.errors import DatasetInvalid


@pytest.fixture
def images(tmp_path: Path):
    def make(*sides: tuple[int, int], equal: bool = False) -> list[LocalSample]:
        return [_image(tmp_path, place, side, 0 if equal else place) for place, side in enumerate(sides)]

    return make


def _image(folder: Path, place: int, side: tuple[int, int], shade: int) -> LocalSample:
    path = folder / f"{place}.png"
    Image.new("L", side, shade * 9).save(path)
    return LocalSample(path, None, f"photos/{place}.png", *side)


def test_no_image_is_refused():
    with pytest.raises(DatasetInvalid, match="no training images; put some pictures into it"):
        readiness.check([])


def test_one_image_is_enough_and_sound_ones_need_no_remark(images):
    readiness.check(images((512, 512)))
    assert list(readiness.remarks(images(*[(512, 512)] * 3, (640, 512), (768, 320)), 512)) == []


def test_few_images_are_told_of(images):
    assert list(readiness.remarks(images((512, 512)), 512)) == [
        "there is 1 image to learn from; with fewer than 5 a LoRA repeats the pictures themselves rather than what they have "
        "in common"
    ]
    (remark,) = readiness.remarks(images(*[(512, 512)] * 4), 512)
    assert remark.startswith("there are 4 images to learn from")


def test_small_images_are_told_of_with_the_smallest(images):
    (remark,) = readiness.remarks(images(*[(512, 512)] * 4, (256, 256), (400, 512)), 512)
    assert remark == (
        "2 of 6 images are too small for resolution=512 and are enlarged, which teaches blur: the smallest, photos/4.png of "
        "256×256, 2.0 times; use larger images, or a lower resolution"
    )
    assert list(readiness.remarks(images(*[(512, 512)] * 4, (256, 256)), 256)) == []


def test_images_of_extreme_shapes_are_told_of(images):
    (remark,) = readiness.remarks(images(*[(512, 512)] * 4, (4096, 512)), 512)
    assert remark == (
        "1 of 5 images is too long or too wide for any shape that is trained at resolution=512 and is cropped around the centre: "
        "photos/4.png of 4096×512 to 30%; crop by hand what matters"
    )


def test_equal_files_are_told_of_and_alike_ones_are_not(images):
    (remark,) = readiness.remarks(images(*[(512, 512)] * 5, equal=True), 512)
    assert remark == (
        "4 of 5 images are byte for byte equal to another, such as photos/1.png to photos/0.png: they count more than others; "
        "remove them unless that is meant"
    )
    assert list(readiness.remarks(images(*[(512, 512)] * 5), 512)) == []
