"""Which class each pixel of one image is of, from a folder of registered artifacts, through onnxruntime."""

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyebright_kit.data.hues import colour_of
from eyebright_torch.inference import labels_of, outputs, session, square_of
from eyebright_torch.preprocess import Preprocessing, frame, normalise, upright_size
from eyebright_wire.predictions import ClassArea, ClassMask

OUTPUT = "logits"


def predict(model: Path, image: Path) -> ClassMask:
    """As large as the image is when it is held upright. `model` holds `model.onnx` and `labels.json`."""
    labels = labels_of(model)
    rule = Preprocessing.from_json(labels["preprocessing"])
    batch = normalise(square_of(image, rule)[np.newaxis], rule)
    (logits,) = outputs(session(model / "model.onnx"), batch)
    size = upright_size(image)
    mask = unsquared(Image.fromarray(logits[0].argmax(axis=0).astype(np.uint8)), size, rule)
    return ClassMask(width=size[0], height=size[1], areas=_areas(np.asarray(mask), labels["classes"]), png=_png(mask))


def unsquared(mask: Image.Image, size: tuple[int, int], rule: Preprocessing) -> Image.Image:
    """The mask of a square as that of the image which became the square: without its bars, or stretched back."""
    left, top, right, bottom = frame(*size, rule).into(np.array([[0, 0], size])).clip(0, rule.imgsz).ravel().tolist()
    return mask.resize(size, Image.Resampling.NEAREST, box=(left, top, right, bottom))


def _areas(mask: NDArray[np.uint8], classes: list[str]) -> tuple[ClassArea, ...]:
    counts = np.bincount(mask.ravel(), minlength=len(classes))
    order = np.argsort(-counts, kind="stable")
    shown = [int(index) for index in order if counts[index]]
    return tuple(ClassArea(label=classes[i], index=i, share=float(counts[i] / mask.size)) for i in shown)


def _png(mask: Image.Image) -> str:
    """With a colour for each class, for viewers; the pixels stay indices."""
    mask.putpalette([part for label in range(256) for part in colour_of(label)])
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
