"""Answers about one image from a folder of registered artifacts, through onnxruntime: no framework is imported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid
from eyebright_torch.classification.preprocess import UNREADABLE, Preprocessing, normalise, read_square
from eyebright_wire.predictions import ClassScore

INPUT = "images"
OUTPUT = "logits"


def predict(model: Path, image: Path) -> tuple[ClassScore, ...]:
    """All classes, best first; the scores sum to 1. `model` holds `model.onnx` and `labels.json`."""
    labels = _labels(model)
    rule = Preprocessing.from_json(labels["preprocessing"])
    batch = normalise(_pixels(image, rule)[np.newaxis], rule)
    scores = softmax(run(session(model / "model.onnx"), batch)[0])
    order = np.argsort(-scores, kind="stable")
    return tuple(ClassScore(label=labels["classes"][index], score=float(scores[index])) for index in order)


def session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """An onnxruntime session on the CPU; `threads=0` takes all cores."""
    if not path.is_file():
        raise ConfigInvalid(f"{path.parent} has no {path.name}; train with exports=[onnx], then predict")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits [N, classes] of normalised images [N, 3, side, side]."""
    return np.asarray(session.run([OUTPUT], {INPUT: batch})[0])


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _labels(model: Path) -> dict[str, Any]:
    try:
        return json.loads((model / "labels.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigInvalid(f"{model} has no labels.json; expected a folder of registered artifacts") from None


def _pixels(image: Path, rule: Preprocessing) -> NDArray[np.uint8]:
    try:
        return read_square(image, rule)
    except FileNotFoundError:
        raise DatasetInvalid(f"there is no file {image}") from None
    except UNREADABLE as error:
        raise DatasetInvalid(
            f"{image.name} cannot be read as an image ({error}); give a JPEG, PNG or WebP file"
        ) from error
