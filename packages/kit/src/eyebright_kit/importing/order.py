"""What an import is told: the config of its job, and the order that its worker gets of it."""

from typing import Any

from pydantic import Field

from eyebright_wire.datasets import DatasetPlan
from eyebright_wire.model import RequestModel


class WorkerLimits(RequestModel):
    """What the worker may take of the machine. More of it, and it is ended."""

    memory_bytes: int = Field(default=2 * 2**30, ge=2**28, description="Address space")
    cpu_seconds: int = Field(default=6 * 3600, ge=1, description="Time on all cores together")
    file_bytes: int = Field(default=4 * 2**30, ge=2**20, description="Each file that it writes")
    open_files: int = Field(default=256, ge=64)


class Fetching(RequestModel):
    """The operator's rules for whatever lies elsewhere: EgressRules, Sources and FetchLimits as JSON."""

    egress: dict[str, Any] = Field(default_factory=dict)
    sources: dict[str, Any] = Field(default_factory=dict)
    limits: dict[str, Any] = Field(default_factory=dict)


class ImportOrder(RequestModel):
    """The config of an import: one source, and how it is to be read."""

    path: str | None = None  # where it lies on this machine; for an upload, where that lies
    manifest: str | None = None  # the sha256 of a stored version's, whose blobs lie at `path`
    url: str | None = None
    images: str | None = None  # a file of this machine that lists them: an ImageSource in each line
    fetching: Fetching | None = None  # of what lies elsewhere
    shown: str = ""  # what people call the source
    leave_out_broken: bool = False
    keep: bool = True  # False: only the report is wanted
    plan: DatasetPlan | None = None
    limits: WorkerLimits = WorkerLimits()


class WorkOrder(RequestModel):
    """All that the worker gets to know: no token, no address, no place but these two."""

    source: str
    manifest: str | None = None
    missing: tuple[tuple[str, str], ...] = Field(default=(), description="Images that did not come, and why")
    work: str
    shown: str
    leave_out_broken: bool
    keep: bool
    plan: DatasetPlan | None
    limits: WorkerLimits
    importer: int = Field(description="The pid of the process that it must not outlive")
