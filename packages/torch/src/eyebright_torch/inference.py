"""What answering about one image from a folder of registered artifacts needs in every task. No framework is imported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid
from eyebright_torch.preprocess import UNREADABLE, Pixels, Preprocessing, read_square

INPUT = "images"


def session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """An onnxruntime session on the CPU; `threads=0` takes all cores."""
    if not path.is_file():
        raise ConfigInvalid(f"the model has no {path.name}, which predicting needs: export it as onnx first")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def outputs(session: onnxruntime.InferenceSession, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """All outputs for normalised images [N, 3, side, side]."""
    return [np.asarray(output) for output in session.run(None, {INPUT: batch})]


def labels_of(model: Path) -> dict[str, Any]:
    """What `labels.json` tells. Raises ConfigInvalid for a folder without it."""
    try:
        return json.loads((model / "labels.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigInvalid(f"{model} has no labels.json; expected a folder of registered artifacts") from None


def square_of(image: Path, rule: Preprocessing) -> Pixels:
    """The image as the model sees it. Raises DatasetInvalid for what is no image."""
    try:
        return read_square(image, rule)
    except FileNotFoundError:
        raise DatasetInvalid(f"there is no file {image}") from None
    except UNREADABLE as error:
        raise DatasetInvalid(
            f"{image.name} cannot be read as an image ({error}); give a JPEG, PNG or WebP file"
        ) from error
