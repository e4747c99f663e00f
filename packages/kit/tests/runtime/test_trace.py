"""What the promises of a trainer are judged by."""

import base64
import io

import pytest
from PIL import Image

from eyebright_kit.runtime.trace import mask_fits
from eyebright_wire.predictions import ClassArea, ClassMask

CLASSES = ("ground", "dart")
HALVES = (ClassArea(label="ground", index=0, share=0.5), ClassArea(label="dart", index=1, share=0.5))


def painted(mode: str = "L", areas: tuple[ClassArea, ...] = HALVES) -> ClassMask:
    """Two pixels, one of each class."""
    image = Image.new(mode, (2, 1))
    image.putpixel((1, 0), 1 if mode in ("L", "P") else (1, 1, 1))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return ClassMask(width=2, height=1, areas=areas, png=base64.b64encode(buffer.getvalue()).decode())


def test_a_mask_of_indices_with_true_areas_fits():
    mask_fits((2, 1), painted(), CLASSES)
    mask_fits((2, 1), painted("P"), CLASSES)


@pytest.mark.parametrize(
    ("size", "mask"),
    [
        ((2, 1), None),
        ((4, 2), painted()),
        ((2, 1), painted("RGB")),
        ((2, 1), painted(areas=HALVES[:1])),
        ((2, 1), painted(areas=(HALVES[0], HALVES[1].model_copy(update={"share": 0.4})))),
        ((2, 1), painted(areas=(HALVES[0], HALVES[1].model_copy(update={"label": "slab"})))),
    ],
)
def test_a_mask_that_is_not_what_it_says_is_found_out(size: tuple[int, int], mask: ClassMask | None):
    with pytest.raises(AssertionError, match=r"mask|PNG|area|class|pixels"):
        mask_fits(size, mask, CLASSES)
