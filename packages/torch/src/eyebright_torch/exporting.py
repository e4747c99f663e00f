"""ONNX, whatever the task: one file that runs without torch."""

import contextlib
import copy
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from torch import nn

from eyebright_kit.errors import ExportFailed
from eyebright_torch.inference import INPUT
from eyebright_wire.artifacts import ParityCertificate

OPSET = 20


def to_onnx(
    model: nn.Module, path: Path, imgsz: int, labels: dict[str, Any], outputs: Sequence[str], any_batch: bool = True
) -> None:
    """Writes one self-contained file: input `images` float32 [batch, 3, imgsz, imgsz], normalised; `outputs` names what the
    model answers. `labels` travels along as metadata. Without `any_batch` it takes one image at a time.

    Raises ExportFailed when torch cannot translate the model.
    """
    plain = copy.deepcopy(model).to("cpu", memory_format=torch.contiguous_format).eval()
    sample = torch.zeros(1 + any_batch, 3, imgsz, imgsz)  # two, because one would be taken for a constant
    try:
        with _quiet():
            torch.onnx.export(
                plain,
                (sample,),
                path,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_shapes=({0: torch.export.Dim("batch")},) if any_batch else None,
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter has no common error of its own
        raise ExportFailed(f"the model cannot be exported to ONNX: {error}") from error
    _label(path, labels)


def refuse_worse(name: str, certificate: ParityCertificate, same: str) -> None:
    """Raises ExportFailed when an output differs by more than is allowed. `same` is what the agreement counts: "images get the
    same class"."""
    if not certificate.max_abs_difference <= certificate.tolerance:  # not `>`, which NaN would slip through
        raise ExportFailed(
            f"{name} answers differently in {certificate.runtime}: an output differs by "
            f"{certificate.max_abs_difference:.2g} where at most {certificate.tolerance:g} is allowed, and "
            f"{certificate.agreement:.1%} of {certificate.samples} {same}; "
            f"raise export_tolerance if that is good enough, or leave it out of exports"
        )


def runtime() -> str:
    return f"onnxruntime {onnxruntime.__version__}"


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
