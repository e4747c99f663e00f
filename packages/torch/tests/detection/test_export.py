"""What the certificate of an exported detector compares."""

import math

import pytest
import torch

from eyebright_torch.detection.evaluate import Reading
from eyebright_torch.detection.export import Comparison

READING = Reading(side=64, limit=100, suppression=None)
BOXES = torch.tensor([[[0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9], [0.0, 0.0, 1.0, 1.0]]])
SCORES = torch.tensor([[[0.9, 0.1], [0.2, 0.7], [0.01, 0.02]]])
MASKS = torch.zeros(1, 3, 8, 8)
MASKS[0, 0, 1:4, 1:4] = 0.9
MASKS[0, 1, 4:7, 4:7] = 0.8


def compared(*answers: tuple[torch.Tensor, ...], enough: float = 0.0) -> Comparison:
    comparison = Comparison(enough)
    comparison.add(*answers, reading=READING)
    return comparison


def changed(tensor: torch.Tensor, where: tuple[int, ...], value: float) -> torch.Tensor:
    other = tensor.clone()
    other[where] = value
    return other


def test_the_same_finds_in_another_order_are_the_same():
    turned = tuple(part.flip(1) for part in (BOXES, SCORES, MASKS))
    found = compared((BOXES, SCORES, MASKS), turned)
    assert (found.greatest, found.agreement, found.images) == (0, 1, 1)


def test_a_find_that_only_the_export_tells_is_a_difference():
    more = changed(SCORES, (0, 2, 0), 0.95)
    found = compared((BOXES, SCORES), (BOXES, more))
    assert found.greatest == pytest.approx(0.6)  # its box is that far from the nearest one
    assert compared((BOXES, more), (BOXES, SCORES)).greatest == pytest.approx(found.greatest)


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("broken", ["native", "exported", "both"])
def test_a_score_that_is_no_number_is_never_alike(place: int, broken: str):
    nan = changed(SCORES, (0, place, 1), math.nan)
    native = SCORES if broken == "exported" else nan
    exported = SCORES if broken == "native" else nan
    assert math.isnan(compared((BOXES, native), (BOXES, exported)).greatest)


def test_masks_are_compared_too():
    other = changed(MASKS, (0, 1, 5, 5), 0.6)
    assert compared((BOXES, SCORES, MASKS), (BOXES, SCORES, other)).greatest == pytest.approx(0.2)


def test_a_box_may_leap_with_a_pixel_on_the_brink_and_with_nothing_else():
    leapt, brink = changed(BOXES, (0, 0, 2), 1.0), changed(MASKS, (0, 0, 2, 7), 0.5)
    over = changed(MASKS, (0, 0, 2, 7), 0.500001)
    assert compared((BOXES, SCORES, brink), (leapt, SCORES, over)).greatest < 1e-5
    assert compared((BOXES, SCORES, brink), (leapt, SCORES, brink)).greatest == pytest.approx(0.6)


def test_only_what_differs_in_its_own_place_is_looked_for_elsewhere():
    """A model with anchors has so many places that looking for each find in all of them takes minutes for an image."""
    boxes, scores = BOXES[:, :1].repeat(1, 2, 1), torch.tensor([[[0.9, 0.1], [0.895, 0.1]]])
    swapped = scores.flip(1)
    assert compared((boxes, scores), (boxes, swapped), enough=0.01).greatest == pytest.approx(0.005, abs=1e-6)
    assert compared((boxes, scores), (boxes, swapped), enough=0.001).greatest == 0
