"""What a model makes of one image. Coordinates are pixels of the image as it is to be held, from its left upper corner."""

from typing import TypeAlias

from pydantic import Field

from eyebright_wire.model import WireModel

Ring: TypeAlias = tuple[float, ...]  # x, y, x, y, … of a closed outline, without repeating the first point


class ClassScore(WireModel):
    """How much an image is of a class."""

    label: str
    score: float  # 0…1


class Keypoint(WireModel):
    x: float
    y: float
    score: float  # 0…1: is it there to be seen?


class FoundObject(WireModel):
    """One object in an image; what is known besides its box depends on the model's task."""

    label: str
    score: float  # 0…1
    box: tuple[float, float, float, float]  # left, top, right, bottom
    polygons: tuple[Ring, ...] = ()  # the parts of its outline
    keypoints: tuple[Keypoint, ...] = ()  # in the order of the model's skeleton
    corners: Ring = ()  # of a turned box, in order round it


class ClassArea(WireModel):
    """How much of an image is of a class."""

    label: str
    index: int  # the value of its pixels in the mask
    share: float  # of all pixels, 0…1


class ClassMask(WireModel):
    """Which class each pixel of an image is of."""

    width: int
    height: int
    areas: tuple[ClassArea, ...]  # of the classes that it shows, largest first
    png: str = Field(
        description="Base64 of a PNG of 8 bits, as large as the image: pixels are class indices, 255 where none was told",
        json_schema_extra={"contentEncoding": "base64", "contentMediaType": "image/png"},
    )


#: A classifier's scores or the objects that a detector found, best first; or what each pixel is.
Found: TypeAlias = tuple[ClassScore, ...] | tuple[FoundObject, ...] | ClassMask
