import numpy as np
import pytest
import torch

from eyebright_torch.classification.augment import Augment
from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.colour import normalised
from eyebright_torch.geometry import _grid
from eyebright_torch.placing import cached_side
from eyebright_torch.preprocess import Preprocessing

OFF = {"flip": 0, "crop_scale": 1, "brightness": 0, "contrast": 0, "saturation": 0}
RULE = Preprocessing(32)
PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8))

EACH = [
    {"flip": 1.0},
    {"flip_vertical": 1.0},
    {"crop_scale": 0.4},
    {"rotate": 30},
    {"translate": 0.2},
    {"brightness": 0.5},
    {"contrast": 0.5},
    {"saturation": 0.5},
    {"hue": 0.3},
    {"erasing": 1.0},
]


def augmented(seed: int = 1, pixels: torch.Tensor = PIXELS, **config: object) -> torch.Tensor:
    settings = ClassificationConfig.model_validate({"imgsz": 32, **OFF, **config})
    return Augment(settings, RULE)(pixels, np.random.default_rng(seed))


def test_with_everything_off_an_image_is_only_normalised():
    assert torch.allclose(augmented(), normalised(PIXELS, RULE))


@pytest.mark.parametrize("config", EACH, ids=lambda config: next(iter(config)))
def test_each_setting_changes_the_image_and_nothing_else_of_the_batch(config: dict[str, float]):
    found = augmented(**config)
    assert found.shape == (5, 3, 32, 32)
    assert found.isfinite().all()
    assert not torch.allclose(found, normalised(PIXELS, RULE))


@pytest.mark.parametrize("config", EACH, ids=lambda config: next(iter(config)))
def test_the_same_draws_give_the_same_images_and_others_do_not(config: dict[str, float]):
    assert torch.equal(augmented(**config), augmented(**config))
    if next(iter(config.values())) != 1.0:
        assert not torch.equal(augmented(**config), augmented(seed=2, **config))


def test_a_sure_flip_mirrors():
    assert torch.allclose(augmented(flip=1), normalised(PIXELS, RULE).flip(3))
    assert torch.allclose(augmented(flip_vertical=1), normalised(PIXELS, RULE).flip(2))


def test_a_flip_within_a_resampling_is_the_same_flip():
    found = augmented(flip=1, translate=1e-9)
    assert torch.allclose(found, normalised(PIXELS, RULE).flip(3), atol=1e-3)


def test_the_grid_is_torchs_own():
    placements = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32))
    theirs = torch.nn.functional.affine_grid(placements, [4, 3, 17, 17], align_corners=False)
    assert torch.allclose(_grid(placements, 17), theirs, atol=1e-5)


def test_a_turn_of_180_degrees_is_both_flips(monkeypatch: pytest.MonkeyPatch):
    class Most(np.random.Generator):
        def uniform(self, low, high, size):
            return np.full(size, high) if low == -1 else np.zeros(size)

    settings = ClassificationConfig.model_validate({"imgsz": 32, **OFF, "rotate": 180})
    found = Augment(settings, RULE)._placed(PIXELS.permute(0, 3, 1, 2), Most(np.random.PCG64(0)))
    # with crops off the centre has no room to move, so only the angle remains
    assert torch.allclose(found, PIXELS.permute(0, 3, 1, 2).float().flip(2, 3), atol=0.1)


def test_hue_keeps_luma():
    luma = torch.tensor([0.299, 0.587, 0.114])
    std = torch.tensor([0.229, 0.224, 0.225])
    weights = (luma * std).view(1, 3, 1, 1)
    turned, plain = augmented(hue=0.5), normalised(PIXELS, RULE)
    assert torch.allclose((turned * weights).sum(1), (plain * weights).sum(1), atol=1e-3)


def test_saturation_leaves_grey_alone_and_contrast_leaves_an_even_image_alone():
    grey = PIXELS[..., :1].expand(-1, -1, -1, 3).contiguous()
    assert torch.allclose(augmented(pixels=grey, saturation=0.9), normalised(grey, RULE), atol=1e-4)
    even = torch.full_like(PIXELS, 90)
    assert torch.allclose(augmented(pixels=even, contrast=0.9), normalised(even, RULE), atol=1e-4)


def test_erasing_leaves_most_of_the_image():
    share = (augmented(erasing=1.0) == 0).all(dim=1).float().mean(dim=(1, 2))
    assert (share > 0).all()
    assert (share < 0.5).all()


def test_crops_are_cut_from_a_larger_picture():
    assert cached_side(ClassificationConfig(imgsz=224)) == 256
    assert cached_side(ClassificationConfig(imgsz=224, crop_scale=1)) == 224


def test_a_framework_may_change_the_bytes_before_anything_else_does():
    settings = ClassificationConfig.model_validate({"imgsz": 32, **OFF})
    black = Augment(settings, RULE, lambda images, rng: images * 0)(PIXELS, np.random.default_rng(1))
    assert torch.allclose(black, normalised(PIXELS * 0, RULE))


def test_means_and_deviations_are_the_rules():
    rule = Preprocessing(32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    plain = ClassificationConfig.model_validate({"imgsz": 32, **OFF})
    coloured = ClassificationConfig.model_validate({"imgsz": 32, **OFF, "brightness": 1e-9})
    for settings in (plain, coloured):
        found = Augment(settings, rule)(PIXELS, np.random.default_rng(1))
        assert torch.allclose(found, PIXELS.permute(0, 3, 1, 2) / 127.5 - 1, atol=1e-4)
