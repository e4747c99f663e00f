"""Colours, and one for each class: `colour_of(3)` is the same everywhere and always."""

import colorsys
from functools import cache
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]  # red, green and blue, of 255

_GOLDEN = (5**0.5 - 1) / 2  # of the circle: each new hue falls into the largest gap that is left
_SHADES = ((0.95, 1.0), (0.6, 0.95), (1.0, 0.65))  # saturation and brightness, in turn: neighbours differ in these too
_DARK = 118  # of 255


@cache
def colour_of(label: int) -> Colour:
    """Red for the first class. The first twenty can be told apart at a glance."""
    saturation, brightness = _SHADES[label % len(_SHADES)]
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN % 1, saturation, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever can be read on it. Source of the weights: ITU-R BT.601."""
    red, green, blue = colour
    return (255, 255, 255) if 0.299 * red + 0.587 * green + 0.114 * blue < _DARK else (0, 0, 0)
