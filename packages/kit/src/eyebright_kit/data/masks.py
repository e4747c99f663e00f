"""Make a mask of any colours the one kind of mask that a version holds: a PNG of 8 bits whose pixels are class indices."""

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from PIL import Image, ImageChops

from eyebright_kit.data.annotations import IGNORED, Mask
from eyebright_kit.data.format import MaskFile
from eyebright_kit.data.hues import Colour
from eyebright_kit.data.images import ImageLimits, Unusable, decoded

#: The modes of pictures whose pixels are colours.
RGB = ("RGB", "RGBA", "RGBX")

_MAX_COLOURS = 4096  # of a picture in RGB; one with more is no mask


@dataclass(frozen=True, slots=True)
class Painted:
    """A mask and its bytes. `dropped` are the old numbers of classes that had pixels in it and are IGNORED now."""

    mask: Mask
    content: bytes
    dropped: tuple[int, ...] = ()


def painted(
    file: MaskFile, size: tuple[int, int], labels: Mapping[int, int], limits: ImageLimits, root: Path
) -> Painted | str:
    """The mask under the new class numbers `labels` (a class that is not in it becomes IGNORED), or what is wrong with it."""
    opened = decoded(file.path, limits, root)
    if isinstance(opened, Unusable):
        return opened.detail or opened.code.replace("_", " ")
    image, content = opened
    if image.format in ("JPEG", "MPO"):
        return "it is a JPEG, which blurs where classes meet; masks must be saved without loss, as PNG"
    if image.size != size:
        return f"it has {image.width}×{image.height} pixels, its image {size[0]}×{size[1]}"
    if _is_in_colours(image, file):
        return _of_colours(image, file, labels)
    return _of_values(image, content, file, labels)


def colours_of(image: Image.Image, most: int) -> list[Colour] | None:
    """Each colour that occurs; None when there are more than `most`."""
    found = image.convert("RGB").getcolors(most)
    return None if found is None else [_three(colour) for _, colour in found]


def pixel_values(image: Image.Image, content: bytes) -> Image.Image | str:
    """The numbers that stand in the file of a picture that is grey or has a palette, or why that cannot be.

    Pillow gives the indices of a palette as they are, but stretches grey of fewer than 8 bits to the whole range; of one bit, it
    makes 0 and 255 of 0 and 1.
    """
    if image.mode.startswith("I"):
        return "its pixels have 16 or more bits; expected 8 bits, a palette or RGB"
    if image.mode in ("LA", *RGB):
        return image.getchannel(0)
    if image.mode not in ("L", "P", "1"):
        return f"its pixels are of the mode {image.mode}; expected 8 bits, a palette or RGB"
    grey = image.convert("L") if image.mode == "1" else image
    step = 255 if image.mode == "1" else _GREY_STEPS.get(_depth(image, content), 1)
    plain = Image.frombytes("L", grey.size, grey.tobytes())  # a palette's indices, not its colours
    return plain if step == 1 else plain.point([value // step for value in range(256)])


_GREY_STEPS = {2: 85, 4: 17}  # what Pillow multiplies pixels of so many bits by


def _depth(image: Image.Image, content: bytes) -> int:
    """How many bits a grey pixel has in the file. A PNG tells it in its 25th byte."""
    return content[24] if image.format == "PNG" and image.mode == "L" else 8


def _is_in_colours(image: Image.Image, file: MaskFile) -> bool:
    """A palette is read by its colours where these have classes, else by its indices: many palettes are only for show. Grey
    that was saved as RGB is read by its values where no colour has a class."""
    if image.mode == "P" and file.colours:
        return all(colour in file.colours for colour in colours_of(image, _MAX_COLOURS) or [])
    return image.mode in RGB and (bool(file.colours) or not _is_grey(image))


def _of_values(image: Image.Image, content: bytes, file: MaskFile, labels: Mapping[int, int]) -> Painted | str:
    plain = pixel_values(image, content)
    if isinstance(plain, str):
        return plain
    present = [value for value, count in enumerate(plain.histogram()) if count]
    if unknown := [value for value in present if value not in file.values]:
        return f"its value {unknown[0]} has no class" + (f", nor have {len(unknown) - 1} others" if unknown[1:] else "")
    table = {value: _new_label(file.values[value], labels) for value in present}
    classes = tuple(sorted({label for label in table.values() if label != IGNORED}))
    as_we_write = image.format == "PNG" and image.mode == "L" and _depth(image, content) == 8
    if as_we_write and all(value == label for value, label in table.items()):
        return _kept(content, classes)  # the bytes stay, and so does their name
    dropped = _dropped((file.values[value] for value in present), labels)
    return _written(plain.point([table.get(value, IGNORED) for value in range(256)]), classes, dropped)


def _of_colours(image: Image.Image, file: MaskFile, labels: Mapping[int, int]) -> Painted | str:
    picture = image.convert("RGB")
    colours = colours_of(picture, _MAX_COLOURS)
    if colours is None:
        return f"it has more than {_MAX_COLOURS} colours; expected one for each class, without blurred edges"
    if unknown := next((colour for colour in colours if colour not in file.colours), None):
        return f"its colour {unknown} has no class"
    canvas = Image.new("L", picture.size, IGNORED)
    for colour in colours:
        canvas.paste(_new_label(file.colours[colour], labels), mask=_where(picture, colour))
    classes = {_new_label(file.colours[colour], labels) for colour in colours}
    dropped = _dropped((file.colours[colour] for colour in colours), labels)
    return _written(canvas, tuple(sorted(classes - {IGNORED})), dropped)


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = image.convert("RGB").split()
    return not any(ImageChops.difference(red, other).getbbox() for other in (green, blue))


def _three(colour: object) -> Colour:
    assert isinstance(colour, tuple)
    red, green, blue = cast("tuple[int, int, int]", colour)
    return red, green, blue


def _new_label(label: int, labels: Mapping[int, int]) -> int:
    return labels.get(label, IGNORED)


def _dropped(old: Iterable[int], labels: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(sorted({label for label in old if label != IGNORED and label not in labels}))


def _where(picture: Image.Image, colour: Colour) -> Image.Image:
    """255 where the picture has exactly this colour, 0 elsewhere."""
    red, green, blue = (
        band.point([255 if value == wanted else 0 for value in range(256)])
        for band, wanted in zip(picture.split(), colour, strict=True)
    )
    return ImageChops.darker(ImageChops.darker(red, green), blue)


def _written(canvas: Image.Image, classes: tuple[int, ...], dropped: tuple[int, ...]) -> Painted:
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", compress_level=6)
    return _kept(buffer.getvalue(), classes, dropped)


def _kept(content: bytes, classes: tuple[int, ...], dropped: tuple[int, ...] = ()) -> Painted:
    mask = Mask(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), classes=classes)
    return Painted(mask, content, dropped)
