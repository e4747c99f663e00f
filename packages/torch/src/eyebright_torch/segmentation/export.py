"""The proof that an exported segmenter answers like the original: re-scored in onnxruntime on the validation split."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from eyebright_torch import exporting, inference
from eyebright_torch.images import in_order
from eyebright_torch.preprocess import normalise
from eyebright_torch.segmentation import evaluate
from eyebright_torch.segmentation.data import batches
from eyebright_torch.segmentation.evaluate import Count
from eyebright_torch.segmentation.task import Segmentation
from eyebright_torch.task import Tick
from eyebright_wire.artifacts import ParityCertificate


def certify(path: Path, model: nn.Module, task: Segmentation, tick: Tick) -> ParityCertificate:
    """Runs both models over the same images, batch by batch: their outputs for all would not fit into memory.

    The agreement is the share of pixels that get the same class. Raises ExportFailed when an output differs by more than the
    settings allow.
    """
    session = inference.session(path, task.hardware.threads)
    cpu = replace(task.hardware, device=torch.device("cpu"))
    ours, theirs = Count(task.classes, cpu), Count(task.classes, cpu)
    difference, same, pixels = 0.0, 0, 0
    with closing(batches(task.val, in_order(len(task.val), task.config.batch), task.hardware.device)) as loaded:
        for batch in loaded:
            tick()
            native, labels = evaluate.exact(model, batch, task.rule).cpu(), batch.labels.cpu()
            (output,) = inference.outputs(session, normalise(batch.pixels.cpu().numpy(), task.rule))
            exported = torch.from_numpy(output)
            ours.add(native, labels)
            theirs.add(exported, labels)
            difference = _greater(difference, (native - exported).abs().max().item())
            same += int((native.argmax(dim=1) == exported.argmax(dim=1)).sum())
            pixels += labels.numel()
    certificate = ParityCertificate(
        runtime=exporting.runtime(),
        samples=len(task.val),
        max_abs_difference=difference,
        tolerance=task.config.export_tolerance,
        agreement=same / pixels,
        metric="mIoU",
        native=ours.report().miou,
        exported=theirs.report().miou,
    )
    exporting.refuse_worse(path.name, certificate, "images' pixels get the same class")
    return certificate


def _greater(found: float, new: float) -> float:
    """Unlike `max`, keeps a NaN once there is one."""
    return found if found > new or found != found else new
