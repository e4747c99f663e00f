"""Files that cross a process boundary: where one may be read or written, and what was written."""

from enum import StrEnum

from pydantic import Field

from eyebright_wire.model import Whole, WireModel


class ArtifactKind(StrEnum):
    """What a file is for."""

    MODEL = "model"  # weights in a format without code: safetensors, ONNX, a state dict
    EXPORT = "export"  # a deployable form, with its parity certificate
    CHECKPOINT = "checkpoint"
    METRICS = "metrics"  # machine-readable results
    PICTURE = "picture"  # for people: curves, confusion matrix, mistakes
    CARD = "card"  # the model card
    LABELS = "labels"
    CONFIG = "config"


class Grant(WireModel):
    """The right to read or write below one place, for one attempt.

    `uri` is a folder: `file:///…/` for a shared disk. Other schemes are added with the stores that speak them.
    """

    uri: str
    expires_at_ms: int | None = None


class ArtifactRef(WireModel):
    """One file that an attempt produced; `path` is relative to the attempt's output grant."""

    path: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$", max_length=255)
    size_bytes: Whole
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    kind: ArtifactKind
    media_type: str = "application/octet-stream"


class ParityCertificate(WireModel):
    """An export re-scored in its own runtime on the validation split."""

    runtime: str  # "onnxruntime 1.31.1"
    samples: int
    max_abs_difference: float  # of the raw outputs (logits), native against exported
    tolerance: float
    agreement: float  # share of samples with the same top-1 answer, 0…1
    metric: str  # "top1"
    native: float
    exported: float


class ExportRef(WireModel):
    """A deployable form of the model and the proof that it answers like the original."""

    format: str  # "onnx"
    path: str
    parity: ParityCertificate
