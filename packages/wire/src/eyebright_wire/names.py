"""What data sets, jobs and models may be called: names that are also safe in a path and a URL."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
#: Jobs, and with them models, may be called like architectures: `google/vit`.
_JOB_NAME = rf"{_NAME}(/{_NAME})*"
#: In an address these come below a model.
_TAKEN = frozenset({"aliases", "files"})
_LONGEST_JOB_NAME = 200
_EXPECTED = "expected at most 100 letters, digits, dots, dashes and underscores, the first a letter or digit, such as"


def plain(text: str, default: str) -> str:
    """The nearest name to a text, or the default where nothing of it is left: `My photos (1)` → `My-photos-1`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:100] or default


def dataset_name(file_name: str) -> str:
    """What a data set made of this file or folder is called by default: `My photos (1).zip` → `My-photos-1`."""
    return plain(file_name[:-4] if file_name.lower().endswith(".zip") else file_name, "dataset")


def _is_dataset_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"no name for a data set; {_EXPECTED} {dataset_name(name)}")
    return name


def _is_job_name(name: str) -> str:
    fits = len(name) <= _LONGEST_JOB_NAME and re.fullmatch(_JOB_NAME, name)
    if not fits or not _TAKEN.isdisjoint(name.split("/")[1:]):
        raise ValueError(f"no name for a job and its model; {_EXPECTED} {plain(name, 'cats')}")
    return name


DatasetName = Annotated[str, AfterValidator(_is_dataset_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]
JobName = Annotated[
    str,
    AfterValidator(_is_job_name),
    Field(json_schema_extra={"pattern": f"^{_JOB_NAME}$", "maxLength": _LONGEST_JOB_NAME}),
]
