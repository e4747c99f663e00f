from dataclasses import replace

import numpy as np
import pytest
import torch

from eyebright_torch.colour import normalised
from eyebright_torch.detection.augment import Augment, _left_over
from eyebright_torch.detection.config import DetectionConfig
from eyebright_torch.detection.data import Batch
from eyebright_torch.detection.objects import Objects
from eyebright_torch.preprocess import Preprocessing

SIDE = 96
RULE = Preprocessing(SIDE, "stretch", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
STILL = {"flip": 0, "scale": 0, "translate": 0, "brightness": 0, "contrast": 0, "saturation": 0}
WILD = {**STILL, "flip": 0.5, "flip_vertical": 0.5, "scale": 0.5, "translate": 0.2}


def batch(count: int = 16) -> Batch:
    """White slabs on black, each with its box and its mask."""
    rng = np.random.default_rng(1)
    pixels = np.zeros((count, SIDE, SIDE, 3), dtype=np.uint8)
    objects = []
    for image in pixels:
        left, top = rng.integers(10, 50, 2)
        box = left, top, left + rng.integers(12, 36), top + rng.integers(12, 36)
        image[box[1] : box[3], box[0] : box[2]] = 255
        boxes = np.array([box], dtype=np.float32)
        mask = (image[None, ..., 0] > 0).astype(np.uint8)
        objects.append(Objects(boxes, np.array([3]), np.array([False]), mask))
    return Batch(torch.from_numpy(pixels), tuple(objects))


def augmented(settings: dict, given: Batch, seed: int = 0):
    return Augment(DetectionConfig(imgsz=SIDE, **settings), RULE)(given, np.random.default_rng(seed))


@pytest.mark.parametrize("settings", [WILD, {**WILD, "scale": 0, "translate": 0}])
def test_boxes_and_masks_stay_on_their_objects(settings: dict):
    images, targets = augmented(settings, batch())
    seen = 0
    for image, target in zip(images, targets, strict=True):
        assert target.masks is not None
        for box, mask in zip(target.boxes, target.masks, strict=True):
            rows, columns = torch.nonzero(image[0] > 0.5, as_tuple=True)
            shown = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert [float(edge) for edge in shown] == pytest.approx(box.tolist(), abs=1.5)
            assert ((image[0] > 0.5) != mask).float().mean() < 0.02
            seen += 1
    assert seen >= 12


def test_without_augmentation_nothing_changes():
    given = batch()
    images, targets = augmented(STILL, given)
    assert torch.equal(images, normalised(given.pixels, RULE))
    for objects, target in zip(given.objects, targets, strict=True):
        assert target.boxes.numpy() == pytest.approx(objects.boxes)
        assert target.labels.tolist() == [3]


def test_the_generator_alone_decides():
    first, again, other = (augmented(WILD, batch(), seed) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert all(torch.equal(a.boxes, b.boxes) for a, b in zip(first[1], again[1], strict=True))
    assert not torch.equal(first[0], other[0])


def test_crowds_and_what_lies_outside_are_not_learned():
    boxes = np.array([[10, 10, 30, 30], [10, 10, 30, 30], [-20, 10, 1, 30], [40, 40, 40.5, 60]], dtype=np.float32)
    objects = Objects(boxes, np.arange(4), np.array([False, True, False, False]))
    given = Batch(torch.zeros((1, SIDE, SIDE, 3), dtype=torch.uint8), (objects,))
    _, (target,) = augmented(STILL, given)
    assert target.labels.tolist() == [0]


def test_an_image_whose_objects_are_all_gone_has_an_empty_target():
    none = Objects(
        np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros((0, SIDE, SIDE), np.uint8)
    )
    _, (target,) = augmented(WILD, Batch(torch.zeros((1, SIDE, SIDE, 3), dtype=torch.uint8), (none,)))
    assert target.boxes.shape == (0, 4)
    assert target.masks is not None
    assert target.masks.shape == (0, SIDE, SIDE)


def bars(count: int = 24) -> Batch:
    """Slanting bars, whose boxes are mostly empty."""
    pixels, objects = np.zeros((count, SIDE, SIDE, 3), dtype=np.uint8), []
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    for number in range(count):
        mask = np.abs(across - (down if number % 2 else SIDE - 1 - down)) < 4
        pixels[number][mask] = 255
        boxes = np.array([[0, 0, SIDE, SIDE]], dtype=np.float32)
        objects.append(Objects(boxes, np.array([0]), np.array([False]), mask[None].astype(np.uint8)))
    return Batch(torch.from_numpy(pixels), tuple(objects))


def test_what_is_cut_has_a_box_around_the_rest_of_it():
    _, targets = augmented({**WILD, "scale": 2, "translate": 0.5}, bars())
    cut = 0
    for target in targets:
        assert target.masks is not None
        for box, mask in zip(target.boxes, target.masks, strict=True):
            rows, columns = torch.nonzero(mask, as_tuple=True)
            shown = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert [float(edge) for edge in shown] == pytest.approx(box.tolist(), abs=3.5)  # a pixel before, magnified
            cut += float(box[2] - box[0]) < SIDE - 5
    assert cut >= 8


def test_an_object_of_which_only_an_empty_part_of_its_box_is_shown_is_not_learned():
    mask = np.zeros((1, SIDE, SIDE), np.uint8)
    mask[0, :20, :20] = mask[0, -4:, -4:] = 1
    given = Objects(np.array([[0, 0, SIDE, SIDE]], np.float32), np.array([0]), np.array([False]), mask)
    right_half = np.array([[0.5, 0, 0.5], [0, 0.9, -0.1]], dtype=np.float32)
    assert len(_left_over(given, right_half, SIDE)) == 0
    whole = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)
    assert _left_over(given, whole, SIDE).boxes.tolist() == [[0, 0, SIDE, SIDE]]
    invisible = replace(given, masks=np.zeros_like(mask))
    assert len(_left_over(invisible, whole, SIDE)) == 0
