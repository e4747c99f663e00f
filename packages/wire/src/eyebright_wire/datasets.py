"""What inspecting a data set found, and the immutable version that an import makes of it."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from eyebright_wire.model import WireModel


class Split(StrEnum):
    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Finding(WireModel):
    """Something worth knowing about the data: stable `code`, how often, where first, what training would do about it."""

    code: str
    severity: Severity
    message: str
    count: int = 1
    examples: tuple[str, ...] = ()  # paths inside the source, at most ten
    consequence: str = ""  # what training would do about it


class Readiness(WireModel):
    """Can this data set serve the task? If not, the exact missing conditions."""

    task: str
    ready: bool
    missing: tuple[str, ...] = ()


class DatasetReport(WireModel):
    """The outcome of inspecting a folder or archive: nothing is stored, nothing is changed."""

    format: str
    classes: tuple[str, ...]
    images: dict[str, int]  # split -> images
    images_per_class: dict[str, dict[str, int]]  # split -> class -> images
    size_bytes: int = 0
    findings: tuple[Finding, ...] = ()
    readiness: tuple[Readiness, ...] = ()

    def ready_for(self, task: str) -> Readiness:
        found = next((r for r in self.readiness if r.task == task), None)
        return found or Readiness(task=task, ready=False, missing=(f"{self.format} data cannot serve {task}",))


class Sample(WireModel):
    """One image of a version. `sha256` names its bytes in the blob store; `source` is where it came from, for people."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    extension: str = Field(pattern=r"^[a-z0-9]{1,8}$")
    size_bytes: int
    width: int
    height: int
    split: Split
    label: int | None = None  # index into `classes`
    source: str = ""


class VersionManifest(WireModel):
    """The whole content of a version; the sha256 of its canonical JSON is the version's identity."""

    format: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]


_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


def _is_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(
            "no name for a data set; expected at most 100 letters, digits, dots, dashes and underscores, the first a letter or "
            f"digit, such as {dataset_name(name)}"
        )
    return name


#: What a data set may be called: a name that is also safe in a path and a URL.
DatasetName = Annotated[str, AfterValidator(_is_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]


def dataset_name(file_name: str) -> str:
    """What a data set made of this file or folder is called by default: `My photos (1).zip` → `My-photos-1`."""
    stem = file_name[:-4] if file_name.lower().endswith(".zip") else file_name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100] or "dataset"
