"""What a caller's project means, as an order of ours."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from eyebright.core.callers import RESERVED, CallersDataset, CallersProject
from eyebright.errors import ConfigInvalid, InvalidRequest
from eyebright_wire.jobs import PreflightRequest
from eyebright_wire.names import dataset_name, plain
from eyebright_wire.resources import DatasetImport

TRAINER, TASK = "torchvision", "classification"
RECIPE = f"{TRAINER}/{TASK}"
#: Labels of the import and of the training: whose they are, and what the file of the model is called.
PROJECT, MODEL_FILE = f"{RESERVED}project", f"{RESERVED}model_file"

#: As callers say it, and what there is to be said.
_KIND: Mapping[str, str] = {"task_type": "image_classification", "framework": "pytorch"}
#: The names of settings that callers have and ours.
_SETTINGS = {"epochs": "epochs", "learning_rate": "lr0", "batch_size": "batch"}
#: Where they are said when a project does not say them.
_VARIABLES = {"epochs": "DEFAULT_EPOCHS", "lr0": "DEFAULT_LEARNING_RATE", "batch": "BATCH_SIZE"}
_METADATA = "projects.metadata"
_PREFERRED = "preferred_model"
_MODELS = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "mobilenetv2": "mobilenet_v2",
    "efficientnetb0": "efficientnet_b0",
}
_OBJECT = re.compile(r"gs://[a-z0-9._-]+/.+")
#: A dot, slash, backslash or NUL that somebody has hidden.
_HIDDEN = re.compile(r"%(?:2e|2f|5c|00)|[\x00-\x1f\x7f\\]", re.IGNORECASE)
_LONGEST_NAME, _LONGEST_FILE = 64, 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds where a project's metadata says nothing."""

    epochs: int = 10
    batch: int = 32
    learning_rate: float = 0.001
    pretrained: bool = True


def order_of(
    project: CallersProject, dataset: CallersDataset, defaults: Defaults, settings: Collection[str]
) -> DatasetImport:
    """The import of its data and the training that follows. `settings` are the recipe's names: metadata with such a name are
    meant for it, and all others for somebody else.

    Raises InvalidRequest or ConfigInvalid for what no training can be made of.
    """
    _require_kind(project)
    labels = labels_of(project)
    train = PreflightRequest(
        name=plain(f"{project.name}_model", "model"),
        task=TASK,
        trainer=TRAINER,
        model=_architecture(project.metadata),
        config=_config(project.metadata, defaults, settings),
        labels=labels,
    )
    return DatasetImport(url=_address(dataset.gcs_url), name=dataset_name(dataset.name), train=train, labels=labels)


def labels_of(project: CallersProject) -> dict[str, str]:
    return {PROJECT: project.id, MODEL_FILE: f"{file_name(project.name)[:_LONGEST_NAME]}_model"}


def _require_kind(project: CallersProject) -> None:
    for name, expected in _KIND.items():
        found = getattr(project, name)
        if found != expected:
            raise InvalidRequest(f"the project's {name} is {found!r}; expected {expected!r}")


def _architecture(metadata: Mapping[str, Any]) -> str:
    """`ResNet18`, `resnet-18` and `resnet18` are one."""
    asked = metadata.get(_PREFERRED)
    if not asked:
        raise InvalidRequest(f"{_METADATA} names no {_PREFERRED}; expected one of {', '.join(_MODELS.values())}")
    known = _MODELS.get(re.sub("[^a-z0-9]", "", asked.lower())) if isinstance(asked, str) else None
    if known is None:
        raise ConfigInvalid(
            f"{_METADATA} says {_PREFERRED}={asked!r:.100}; expected one of {', '.join(_MODELS.values())}"
        )
    return known


def _config(metadata: Mapping[str, Any], defaults: Defaults, settings: Collection[str]) -> dict[str, Any]:
    said = {key: value for key, value in metadata.items() if value is not None}
    return {
        "epochs": defaults.epochs,
        "batch": defaults.batch,
        "lr0": defaults.learning_rate,
        "pretrained": defaults.pretrained,
        "optimizer": "Adam",
        **{key: value for key, value in said.items() if key in settings},
        **{ours: said[theirs] for theirs, ours in _SETTINGS.items() if theirs in said},
    }


def in_their_words(refusal: ConfigInvalid, metadata: Mapping[str, Any]) -> ConfigInvalid:
    """By the names that callers have for settings, and where these are said."""
    if not refusal.errors:
        return refusal
    faults = [_fault(fault, metadata) for fault in refusal.errors]
    return ConfigInvalid("; ".join(fault["message"] for fault in faults), errors=faults)


def _fault(fault: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    ours, message = fault["field"], str(fault["message"])
    names = [*(theirs for theirs, setting in _SETTINGS.items() if setting == ours), ours]
    theirs = next((name for name in names if metadata.get(name) is not None), None)
    if theirs is not None:
        return {"field": theirs, "message": f"{_METADATA} says {theirs}={message.removeprefix(f'{ours}=')}"}
    name = _VARIABLES.get(ours, ours)
    return {"field": name, "message": f"{name}={message.removeprefix(f'{ours}=')}; {_METADATA} names no {names[0]}"}


def _address(gcs_url: str) -> str:
    """Raises InvalidRequest for all but an object or prefix in a bucket of Google Cloud Storage. Whether it may be called, and
    is there, others find out."""
    if problem := _problem(gcs_url):
        shown = "…" if "@" in gcs_url else re.split("[?#]", gcs_url)[0]  # where a password ends nobody can tell
        raise InvalidRequest(
            f"the data set's gcs_url is {shown!r:.300}: {problem}; expected an object such as gs://bucket/raw/dataset.zip"
        )
    return gcs_url


def _problem(gcs_url: str) -> str | None:
    if not gcs_url:
        return "nothing"
    if not gcs_url.startswith("gs://"):
        return "it does not begin with gs://"
    if re.search("[?#@]", gcs_url):
        return "'?', '#' and '@' have no place in it"
    if _HIDDEN.search(gcs_url) or {".", ".."} & set(gcs_url.split("/")):
        return "parts such as '..', hidden or not, lead elsewhere"
    return None if _OBJECT.fullmatch(gcs_url) else "it names no bucket and object"


def file_name(name: str) -> str:
    """A project's name is anybody's words: what is left of it names a file, and never a folder."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:_LONGEST_FILE] or "project"
