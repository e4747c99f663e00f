"""Files that cross a process boundary: where one may be read or written, and what was written."""

from enum import StrEnum
from typing import Annotated, Literal

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

    `uri` is a folder: `file:///…/` on a shared disk, which is opened as it is, or a place in a bucket such as `s3://…/`. That is
    opened file by file: `urls` is where signed URLs for what lies below are asked for, with the attempt's own token.
    """

    uri: str
    expires_at_ms: int | None = None
    urls: str | None = None


#: Relative to a grant.
FilePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$", max_length=255)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ArtifactRef(WireModel):
    """One file that an attempt produced; `path` is relative to the attempt's output grant."""

    path: FilePath
    size_bytes: Whole
    sha256: Sha256
    kind: ArtifactKind
    media_type: str = "application/octet-stream"


#: Where checkpoints lie below an attempt's output.
CHECKPOINTS = "checkpoints"
#: Files that one request may ask URLs for.
MOST_URLS = 500


class WantedUrl(WireModel):
    """A file below a grant that is to be read (GET) or written (PUT), or of a superseded checkpoint to be removed (DELETE). What
    is written is named by its content."""

    method: Literal["GET", "PUT", "DELETE"]
    path: FilePath
    size_bytes: Whole | None = None
    sha256: Sha256 | None = None


class UrlsRequest(WireModel):
    """Asks for signed URLs below one of the attempt's grants, which is named by its `uri`."""

    uri: str
    wanted: tuple[WantedUrl, ...] = Field(min_length=1, max_length=MOST_URLS)


class UrlsAnswer(WireModel):
    """One URL for each that was wanted, in the same order. Each opens its file to whoever has it: a secret."""

    urls: tuple[str, ...] = Field(repr=False)
    expires_in_seconds: float  # a time span: the clocks of the two machines need not agree


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
