"""Answers about one image from a folder of registered artifacts, through onnxruntime: no framework is imported."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

from eyebright_torch.detection.decode import Finds, decoded
from eyebright_torch.inference import labels_of, outputs, session, square_of
from eyebright_torch.preprocess import Frame, Preprocessing, frame, normalise, upright_size
from eyebright_wire.predictions import FoundObject, Ring

OUTPUTS = ("boxes", "scores", "masks")
_EDGE = 0.5  # the probability at which an outline runs


def predict(model: Path, image: Path) -> tuple[FoundObject, ...]:
    """The objects, best first, in pixels of the upright image. `model` holds `model.onnx` and `labels.json`."""
    labels = labels_of(model)
    rule = Preprocessing.from_json(labels["preprocessing"])
    pixels = square_of(image, rule)
    boxes, scores, *masks = outputs(session(model / "model.onnx"), normalise(pixels[np.newaxis], rule))
    finds = decoded(boxes[0], scores[0], labels["max_detections"], labels["suppression"], labels["score"])
    size = upright_size(image)
    place = frame(*size, rule)
    return tuple(_objects(finds, masks[0][0] if masks else None, place, size, rule.imgsz, labels))


def _objects(
    finds: Finds,
    masks: NDArray[np.float32] | None,
    place: Frame,
    size: tuple[int, int],
    side: int,
    labels: dict[str, Any],
) -> Iterator[FoundObject]:
    for number in range(len(finds)):
        corners = place.back(finds.boxes[number].reshape(2, 2) * side).clip(0, size)
        rings = () if masks is None else tuple(outline(masks[finds.rows[number]], place, size, side))
        yield FoundObject(
            label=labels["classes"][finds.labels[number]],
            score=float(finds.scores[number]),
            box=tuple(corners.ravel().tolist()),
            polygons=rings,
        )


def outline(mask: NDArray[np.float32], place: Frame, size: tuple[int, int], side: int) -> Iterator[Ring]:
    """The outer rings of a mask of probabilities [h, w] over the square, in pixels of the image. Holes are filled."""
    surrounded = np.pad(mask, 1)  # so that an outline that leaves the picture is closed along its edge
    shapes, breaks = contour_generator(z=surrounded, fill_type=FillType.OuterOffset).filled(_EDGE, np.inf)
    for points, offsets in zip(shapes, breaks, strict=True):
        ring = points[: offsets[1] - 1]  # the first is the outer one; its last point is its first
        shares = (ring - 0.5) / mask.shape[::-1]  # counted from the middle of a pixel of the margin
        if len(ring) >= 3:
            yield tuple(place.back(shares * side).clip(0, size).ravel().tolist())
