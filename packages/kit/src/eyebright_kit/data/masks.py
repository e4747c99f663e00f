"""Make a mask of any colours the one kind of mask that a version holds: a PNG of 8 bits whose pixels are class indices."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops

from eyebright_kit.data.annotations import IGNORED, Mask
from eyebright_kit.data.format import MaskFile
from eyebright_kit.data.images import ImageLimits, Unusable, decoded

_MAX_COLOURS = 4096  # of a picture in RGB; one with more was saved as a JPEG or is no mask


@dataclass(frozen=True, slots=True)
class Painted:
    """A mask and its bytes."""

    mask: Mask
    content: bytes


def painted(
    file: MaskFile, size: tuple[int, int], labels: Mapping[int, int], limits: ImageLimits, root: Path
) -> Painted | str:
    """The mask under the new class numbers `labels` (a class that is not in it becomes IGNORED), or what is wrong with it."""
    opened = decoded(file.path, limits, root)
    if isinstance(opened, Unusable):
        return opened.detail or opened.code.replace("_", " ")
    image, content = opened
    if image.size != size:
        return f"it has {image.width}×{image.height} pixels, its image {size[0]}×{size[1]}"
    return _of_colours(image, file, labels) if _in_colours(image) else _of_values(image, content, file, labels)


def _in_colours(image: Image.Image) -> bool:
    return image.mode in ("RGB", "RGBA", "RGBX")


def _of_values(image: Image.Image, content: bytes, file: MaskFile, labels: Mapping[int, int]) -> Painted | str:
    if image.mode not in ("L", "P", "1"):
        return f"its pixels are of the mode {image.mode}; expected 8 bits, a palette or RGB"
    grey = image.convert("L") if image.mode == "1" else image
    present = [value for value, count in enumerate(grey.histogram()) if count]
    if unknown := [value for value in present if value not in file.values]:
        return f"its value {unknown[0]} has no class" + (f", nor have {len(unknown) - 1} others" if unknown[1:] else "")
    table = {value: _new_label(file.values[value], labels) for value in present}
    classes = tuple(sorted({label for label in table.values() if label != IGNORED}))
    if image.format == "PNG" and image.mode == "L" and all(value == label for value, label in table.items()):
        return _kept(content, classes)  # it is what we would write: the bytes stay, and so does their name
    canvas = Image.frombytes("L", grey.size, grey.tobytes())  # a palette's indices, not its colours
    return _written(canvas.point([table.get(value, IGNORED) for value in range(256)]), classes)


def _of_colours(image: Image.Image, file: MaskFile, labels: Mapping[int, int]) -> Painted | str:
    picture = image.convert("RGB")
    present = picture.getcolors(_MAX_COLOURS)
    if present is None:
        return f"it has more than {_MAX_COLOURS} colours; masks must not be saved as JPEG"
    colours = [colour for _, colour in present if isinstance(colour, tuple)]
    if unknown := next((colour for colour in colours if colour not in file.colours), None):
        return f"its colour {unknown} has no class"
    canvas = Image.new("L", picture.size, IGNORED)
    for red, green, blue in colours:
        canvas.paste(_new_label(file.colours[red, green, blue], labels), mask=_where(picture, (red, green, blue)))
    classes = {_new_label(file.colours[red, green, blue], labels) for red, green, blue in colours}
    return _written(canvas, tuple(sorted(classes - {IGNORED})))


def _new_label(label: int, labels: Mapping[int, int]) -> int:
    return labels.get(label, IGNORED)


def _where(picture: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """255 where the picture has exactly this colour, 0 elsewhere."""
    red, green, blue = (
        band.point([255 if value == wanted else 0 for value in range(256)])
        for band, wanted in zip(picture.split(), colour, strict=True)
    )
    return ImageChops.darker(ImageChops.darker(red, green), blue)


def _written(canvas: Image.Image, classes: tuple[int, ...]) -> Painted:
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", compress_level=6)
    return _kept(buffer.getvalue(), classes)


def _kept(content: bytes, classes: tuple[int, ...]) -> Painted:
    mask = Mask(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), classes=classes)
    return Painted(mask, content)
