"""Answers about one image from a folder of registered artifacts, through onnxruntime: no framework is imported."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyebright_torch.inference import labels_of, outputs, session, square_of
from eyebright_torch.preprocess import Preprocessing, normalise
from eyebright_wire.predictions import ClassScore

OUTPUT = "logits"


def predict(model: Path, image: Path) -> tuple[ClassScore, ...]:
    """All classes, best first; the scores sum to 1. `model` holds `model.onnx` and `labels.json`."""
    labels = labels_of(model)
    rule = Preprocessing.from_json(labels["preprocessing"])
    batch = normalise(square_of(image, rule)[np.newaxis], rule)
    (logits,) = outputs(session(model / "model.onnx"), batch)
    scores = softmax(logits[0])
    order = np.argsort(-scores, kind="stable")
    return tuple(ClassScore(label=labels["classes"][index], score=float(scores[index])) for index in order)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
