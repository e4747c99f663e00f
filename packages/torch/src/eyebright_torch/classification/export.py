"""ONNX, and the proof that it answers like the original: re-scored in onnxruntime on the validation split."""

import contextlib
import copy
import json
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from eyebright_kit.errors import ExportFailed
from eyebright_torch.classification import inference
from eyebright_torch.classification.metrics import Labels, Logits
from eyebright_torch.classification.preprocess import Pixels, Preprocessing, normalise
from eyebright_torch.task import Tick
from eyebright_wire.artifacts import ParityCertificate

OPSET = 20


def to_onnx(model: nn.Module, path: Path, imgsz: int, labels: dict[str, Any]) -> None:
    """Writes one self-contained file: input `images` float32 [batch, 3, imgsz, imgsz], normalised; output `logits`
    [batch, classes], before softmax. Classes and preprocessing travel along as metadata.

    Raises ExportFailed when torch cannot translate the model.
    """
    plain = copy.deepcopy(model).to("cpu", memory_format=torch.contiguous_format).eval()
    sample = torch.zeros(2, 3, imgsz, imgsz)  # two, because one would be taken for a constant
    try:
        with _quiet():
            torch.onnx.export(
                plain,
                (sample,),
                path,
                input_names=[inference.INPUT],
                output_names=[inference.OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter has no common error of its own
        raise ExportFailed(f"the model cannot be exported to ONNX: {error}") from error
    _label(path, labels)


def certify(
    path: Path,
    native: Logits,
    labels: Labels,
    squares: Iterable[Pixels],
    rule: Preprocessing,
    tolerance: float,
    threads: int,
    tick: Tick,
) -> ParityCertificate:
    """Runs the exported model over the same images. Raises ExportFailed when an output differs by more than `tolerance`."""
    session = inference.session(path, threads)
    parts = []
    for pixels in squares:
        tick()
        parts.append(inference.run(session, normalise(pixels, rule)))
    certificate = compared(native, np.concatenate(parts), labels, tolerance)
    if not certificate.max_abs_difference <= tolerance:  # not `>`, which NaN would slip through
        raise ExportFailed(
            f"{path.name} answers differently in {certificate.runtime}: an output differs by "
            f"{certificate.max_abs_difference:.2g} where at most {tolerance:g} is allowed, and "
            f"{certificate.agreement:.1%} of {certificate.samples} images get the same class; "
            f"raise export_tolerance if that is good enough, or train with exports=[]"
        )
    return certificate


def compared(native: Logits, exported: Logits, labels: Labels, tolerance: float) -> ParityCertificate:
    ours, theirs = native.argmax(axis=1), exported.argmax(axis=1)
    return ParityCertificate(
        runtime=f"onnxruntime {onnxruntime.__version__}",
        samples=len(labels),
        max_abs_difference=float(np.abs(native - exported).max()),
        tolerance=tolerance,
        agreement=float((ours == theirs).mean()),
        metric="top1",
        native=float((ours == labels).mean()),
        exported=float((theirs == labels).mean()),
    )


def _label(path: Path, labels: dict[str, Any]) -> None:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {name: json.dumps(value) for name, value in labels.items()})
    onnx.checker.check_model(model)
    onnx.save(model, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks to its own developers, through warnings and several loggers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
