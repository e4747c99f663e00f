"""How a file becomes the square the model sees: one function, shared by training, evaluation and inference.

Needs Pillow and numpy only, so that inference starts without the framework.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

# The statistics of ImageNet, which most published weights were trained with.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

Pixels = NDArray[np.uint8]  # [side, side, 3]

#: What Pillow raises of a file that it cannot or will not decode; SyntaxError is its word for a broken PNG.
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations
_ANTIALIASED = ", antialiased"


@dataclass(frozen=True)
class Preprocessing:
    """What must happen to an image before the model, in words and numbers that `labels.json` carries."""

    imgsz: int
    fit: str = "crop"
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    interpolation: str = "bilinear"
    layout: str = "float32 NCHW RGB, value / 255, minus mean, divided by std"

    @property
    def scale(self) -> NDArray[np.float32]:
        """What a byte of each channel is multiplied by; then `shift` is added."""
        return np.array([1 / (255 * s) for s in self.std], dtype=np.float32)

    @property
    def shift(self) -> NDArray[np.float32]:
        return np.array([-m / s for m, s in zip(self.mean, self.std, strict=True)], dtype=np.float32)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "interpolation": self.interpolation + _ANTIALIASED}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Preprocessing":
        return cls(
            imgsz=values["imgsz"],
            fit=values["fit"],
            mean=tuple(values["mean"]),
            std=tuple(values["std"]),
            interpolation=values["interpolation"].removesuffix(_ANTIALIASED),
        )


def read_square(path: Path, rule: Preprocessing) -> Pixels:
    """The image as an upright RGB square of `rule.imgsz` pixels. Raises one of UNREADABLE when it cannot be decoded."""
    enough = (2 * rule.imgsz, 2 * rule.imgsz)
    with Image.open(path) as image:
        size = _upright(image)
        image.draft("RGB", enough)  # JPEG only: decode at 1/2, 1/4 or 1/8 where that is still enough
        return np.asarray(square(rgb(ImageOps.exif_transpose(image)), rule, size), dtype=np.uint8)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of the image as it is to be held, without decoding it."""
    with Image.open(path) as image:
        return _upright(image)


def rgb(image: Image.Image) -> Image.Image:
    """Of an image in any mode: 16 bits become 8, what is transparent is seen on white."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return _from_16_bit(image)
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        return _on_white(image)
    return image.convert("RGB")


def square(image: Image.Image, rule: Preprocessing, size: tuple[int, int] | None = None) -> Image.Image:
    """`crop` keeps the middle, `stretch` squeezes, `pad` adds bars of the mean colour, which becomes 0 once normalised.

    `size` is that of the file, where `image` was decoded smaller.
    """
    whole, resampling = (rule.imgsz, rule.imgsz), _RESAMPLING[rule.interpolation]
    if image.size == whole:
        return image
    match rule.fit:
        case "crop":
            return ImageOps.fit(image, whole, resampling)
        case "pad":
            colour = tuple(round(255 * mean) for mean in rule.mean)
            return padded(image, size or image.size, rule.imgsz, resampling, colour)
        case _:
            return image.resize(whole, resampling)


def padded(
    image: Image.Image,
    size: tuple[int, int],
    side: int,
    resampling: Image.Resampling,
    colour: int | tuple[int, ...],
) -> Image.Image:
    """The image, whose file has this size, in the middle of a square with bars of this colour: just where `frame` says."""
    left, top, right, bottom = _between_bars(*size, side)
    canvas = Image.new(image.mode, (side, side), colour)
    canvas.paste(image.resize((right - left, bottom - top), resampling), (left, top))
    return canvas


@dataclass(frozen=True)
class Frame:
    """Where an image lies in its square: a point (x, y) in pixels of the image becomes `point * scale + shift` in those of the
    square."""

    scale: NDArray[np.float64]  # of x and y
    shift: NDArray[np.float64]

    def into(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """[…, 2] of the image to [..., 2] of the square."""
        return points * self.scale + self.shift

    def back(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """[…, 2] of the square to [..., 2] of the image."""
        return (points - self.shift) / self.scale


def frame(width: int, height: int, rule: Preprocessing) -> Frame:
    """Of an image of this size, where `rule.fit` is `stretch` or `pad`: what `square` does to it."""
    assert rule.fit in ("stretch", "pad"), "a crop loses what lies outside"
    if rule.fit == "stretch":
        return Frame(np.array([rule.imgsz / width, rule.imgsz / height]), np.zeros(2))
    left, top, right, bottom = _between_bars(width, height, rule.imgsz)
    return Frame(np.array([(right - left) / width, (bottom - top) / height]), np.array([left, top], dtype=np.float64))


def _between_bars(width: int, height: int, side: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of an image of this size in its square: as large as fits, a pixel at least, in the middle."""
    longer = max(width, height)
    across, down = (max(1, round(length / longer * side)) for length in (width, height))
    left, top = round((side - across) / 2), round((side - down) / 2)
    return left, top, left + across, top + down


def normalise(pixels: Pixels, rule: Preprocessing) -> NDArray[np.float32]:
    """[N, side, side, 3] bytes to the float32 [N, 3, side, side] that the model takes."""
    return np.ascontiguousarray((pixels.astype(np.float32) * rule.scale + rule.shift).transpose(0, 3, 1, 2))


def _upright(image: Image.Image) -> tuple[int, int]:
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _ON_ITS_SIDE
    return (image.height, image.width) if turned else image.size


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Pillow's own conversion clips at 255, which turns a 16-bit scan white."""
    values = np.asarray(image, dtype=np.int64)
    shift = 8 if values.max(initial=0) > 255 else 0
    return Image.fromarray(np.clip(values >> shift, 0, 255).astype(np.uint8)).convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """Transparent parts are white, as a viewer shows them; their hidden colour is arbitrary."""
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
