"""Outlines as rings of points, also of an object whose outline came as run lengths."""

import cv2
import numpy as np
from msgspec.structs import replace

from eyebright_kit.data.annotations import Instance, Ring
from eyebright_kit.data.bitmaps import bitmap_of
from eyebright_kit.data.rle import expand


def outlined(instance: Instance, width: int, height: int) -> Instance:
    """The object with polygons, if it has any outline. Holes are filled: a YOLO label has no word for them."""
    if instance.polygons or not instance.rle:
        return instance
    pixels = np.asarray(bitmap_of(expand(instance.rle), (width, height)))
    contours, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return replace(instance, polygons=tuple(_ring(contour) for contour in contours if len(contour) >= 3))


def _ring(contour: np.ndarray) -> Ring:
    """OpenCV counts pixels, our coordinates begin at their corner: a pixel's middle lies half a pixel further."""
    return tuple(float(number) + 0.5 for number in contour.reshape(-1))
