"""The objects of an image as arrays, in pixels of the square that the model sees. Needs no framework."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as run_lengths

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.bitmaps import bitmap_of
from eyebright_kit.data.local import LocalSample
from eyebright_kit.data.rle import expand
from eyebright_torch.preprocess import Frame, Preprocessing, frame

Boxes = NDArray[np.float32]  # [n, 4]: left, top, right, bottom
Masks = NDArray[np.uint8]  # [n, side, side], 1 inside
Lengths = dict[str, Any]  # a mask as pycocotools keeps it


def inside(mask: Lengths) -> NDArray[np.bool_]:
    """[height, width]. pycocotools' own `decode` warns with numpy 2."""
    height, width = mask["size"]
    return np.asarray(bitmap_of(expand(mask["counts"].decode()), (width, height))) > 0


@dataclass(frozen=True)
class Objects:
    """All that are known in one image. `masks` is there where outlines are asked for."""

    boxes: Boxes
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    masks: Masks | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, chosen: NDArray[np.bool_]) -> "Objects":
        masks = None if self.masks is None else self.masks[chosen]
        return Objects(self.boxes[chosen], self.labels[chosen], self.crowd[chosen], masks)


@dataclass(frozen=True)
class Annotations:
    """The objects of each image of a split, by index."""

    samples: Sequence[LocalSample]
    rule: Preprocessing
    outlines: bool = False

    def __getitem__(self, index: int) -> Objects:
        sample = self.samples[index]
        known = [each for each in sample.instances if not self.outlines or each.polygons or each.rle]
        place = frame(sample.width, sample.height, self.rule)
        return Objects(
            boxes=_boxes(known, place),
            labels=np.array([each.label for each in known], dtype=np.int64),
            crowd=np.array([each.crowd for each in known], dtype=np.bool_),
            masks=_masks(known, sample, place, self.rule.imgsz) if self.outlines else None,
        )


def _boxes(instances: Sequence[Instance], place: Frame) -> Boxes:
    known = np.array([each.box for each in instances], dtype=np.float64).reshape(-1, 2, 2)
    known[:, 1] += known[:, 0]  # left, top, width, height → left, top, right, bottom
    return place.into(known).reshape(-1, 4).astype(np.float32)


def _masks(instances: Sequence[Instance], sample: LocalSample, place: Frame, side: int) -> Masks:
    masks = np.zeros((len(instances), side, side), dtype=np.uint8)
    for row, instance in enumerate(instances):
        masks[row] = (
            _from_lengths(instance, sample, place, side) if instance.rle else _from_rings(instance, place, side)
        )
    return masks


def _from_rings(instance: Instance, place: Frame, side: int) -> NDArray[np.uint8]:
    """As COCO's own tools fill them: a pen would draw the outline too, and make what is small a fifth too large."""
    rings = [place.into(np.array(ring).reshape(-1, 2)).ravel() for ring in instance.polygons]
    return inside(run_lengths.merge(run_lengths.frPyObjects(rings, side, side))).astype(np.uint8)


def _from_lengths(instance: Instance, sample: LocalSample, place: Frame, side: int) -> NDArray[np.uint8]:
    """Each pixel of the square is what its middle is in the image."""
    bitmap = bitmap_of(expand(instance.rle), (sample.width, sample.height))
    (across, down), (left, top) = 1 / place.scale, -place.shift / place.scale
    found = bitmap.transform((side, side), Image.Transform.AFFINE, (across, 0, left, 0, down, top))
    return (np.asarray(found) > 0).astype(np.uint8)
