"""The proof that an exported classifier answers like the original: re-scored in onnxruntime on the validation split."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from eyebright_torch import exporting, inference
from eyebright_torch.classification.metrics import Labels, Logits
from eyebright_torch.preprocess import Pixels, Preprocessing, normalise
from eyebright_torch.task import Tick
from eyebright_wire.artifacts import ParityCertificate


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
        parts.extend(inference.outputs(session, normalise(pixels, rule)))
    certificate = compared(native, np.concatenate(parts), labels, tolerance)
    exporting.refuse_worse(path.name, certificate, "images get the same class")
    return certificate


def compared(native: Logits, exported: Logits, labels: Labels, tolerance: float) -> ParityCertificate:
    ours, theirs = native.argmax(axis=1), exported.argmax(axis=1)
    return ParityCertificate(
        runtime=exporting.runtime(),
        samples=len(labels),
        max_abs_difference=float(np.abs(native - exported).max()),
        tolerance=tolerance,
        agreement=float((ours == theirs).mean()),
        metric="top1",
        native=float((ours == labels).mean()),
        exported=float((theirs == labels).mean()),
    )
