from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from segmentation.painted import make_painted

from eyebright_kit.data.annotations import IGNORED
from eyebright_kit.data.local import LocalDataset
from eyebright_kit.errors import DatasetInvalid
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.segmentation import readiness
from eyebright_torch.segmentation.augment import Augment
from eyebright_torch.segmentation.config import SegmentationConfig
from eyebright_torch.segmentation.data import MaskedImages, squared
from eyebright_torch.segmentation.inference import unsquared
from eyebright_wire.datasets import Split

PLAIN = {"flip": 0, "crop_scale": 1, "brightness": 0, "contrast": 0, "saturation": 0}


def squares(data: LocalDataset, rule: Preprocessing) -> np.ndarray:
    images = MaskedImages(data.samples(Split.TRAIN), rule, threads=2)
    try:
        return images.take(np.arange(len(images)))
    finally:
        images.close()


def seen(pixels: np.ndarray) -> np.ndarray:
    """The class by the colour alone: boxes are red or blue. [N, S, S]."""
    red, blue = pixels[..., 0].astype(int), pixels[..., 2].astype(int)
    return np.where(red - blue > 100, 1, np.where(blue - red > 100, 2, 0))


def agreement(pixels: np.ndarray, labels: np.ndarray) -> float:
    known = labels != IGNORED
    return float((seen(pixels) == labels)[known].mean())


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_a_mask_lies_on_its_image_however_that_becomes_a_square(painted: LocalDataset, fit: str):
    found = squares(painted, Preprocessing(32, fit))
    assert agreement(found[..., :3], found[..., 3]) > 0.97
    assert set(np.unique(found[..., 3])) == {0, 1, 2, IGNORED}
    bars = found[:, [0, -1], :, 3]
    assert (bars == IGNORED).all() == (fit == "pad")


def test_an_image_without_a_mask_teaches_nothing(painted: LocalDataset):
    bare = LocalDataset(
        painted.root, painted.classes, {Split.TRAIN: (replace(painted.samples(Split.TRAIN)[0], mask=None),)}
    )
    assert (squares(bare, Preprocessing(32, "stretch"))[..., 3] == IGNORED).all()


def test_a_damaged_mask_is_named_by_its_image(tmp_path: Path):
    data = make_painted(tmp_path, {Split.TRAIN: 2})
    data.samples(Split.TRAIN)[1].mask.write_bytes(b"no picture")
    with pytest.raises(DatasetInvalid, match=r"train/1\.png cannot be decoded"):
        squares(data, Preprocessing(32, "stretch"))


@pytest.mark.parametrize(
    "changes",
    [
        {"flip": 1},
        {"flip_vertical": 1},
        {"crop_scale": 0.3},
        {"rotate": 40, "translate": 0.2},
        {"flip": 0.5, "flip_vertical": 0.5, "crop_scale": 0.4, "rotate": 20, "translate": 0.1},
    ],
)
def test_image_and_mask_are_moved_together(painted: LocalDataset, changes: dict[str, float]):
    config = SegmentationConfig(imgsz=64, **{**PLAIN, **changes})
    rule = Preprocessing(64, "stretch", mean=(0, 0, 0), std=(1, 1, 1))
    before = torch.from_numpy(squares(painted, rule))
    images, labels = Augment(config, rule)(before, np.random.default_rng(3))
    pixels = (images.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    assert labels.shape == (12, 64, 64)
    assert not torch.equal(labels, before[..., 3].long())
    assert agreement(pixels, labels.numpy()) > 0.97


def test_what_comes_from_outside_an_image_is_unknown():
    config = SegmentationConfig(imgsz=64, **{**PLAIN, "rotate": 45})
    whole = torch.full((8, 64, 64, 4), 2, dtype=torch.uint8)
    _, labels = Augment(config, Preprocessing(64, "stretch"))(whole, np.random.default_rng(0))
    assert labels.unique().tolist() == [2, IGNORED]
    assert 0.02 < (labels == IGNORED).double().mean() < 0.3


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("size", [(120, 40), (40, 120), (64, 64), (31, 33)])
def test_a_mask_comes_back_to_where_its_image_was(fit: str, size: tuple[int, int]):
    width, height = size
    values = np.zeros((height, width), dtype=np.uint8)
    values[: height // 2, : width // 3] = 1
    values[height // 2 :, width // 2 :] = 2
    rule = Preprocessing(96, fit)
    back = np.asarray(unsquared(squared(Image.fromarray(values), rule), size, rule))
    assert back.shape == values.shape
    assert (back == values).mean() > 0.94


def test_what_cannot_be_trained_on_is_told(painted: LocalDataset):
    readiness.check(painted)
    one = replace(painted, classes=("ground",))
    with pytest.raises(DatasetInvalid, match=r"1 class \(ground\); semantic segmentation needs 2 or more"):
        readiness.check(one)
    bare = tuple(replace(sample, mask=None) for sample in painted.samples(Split.VAL))
    with pytest.raises(DatasetInvalid, match="no validation image has a mask"):
        readiness.check(replace(painted, splits={**painted.splits, Split.VAL: bare}))
    with pytest.raises(DatasetInvalid, match="no training images"):
        readiness.check(replace(painted, splits={Split.VAL: painted.samples(Split.VAL)}))
