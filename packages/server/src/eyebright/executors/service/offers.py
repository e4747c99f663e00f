"""What a training service of others offers, as far as it can be known: the manifest that it does not have."""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Annotated, Any, cast

from pydantic import AliasChoices, Field, ValidationError
from pydantic_core import from_json

from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest
from eyebright_wire.model import Line, WireModel

#: The setting of its trainer that the data set gives.
ADDRESS = "dataset_s3_uri"
#: What the one task is called of those that tell none.
TASK = "training"
#: Such services check the settings by themselves; what is said here is true of all of them.
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "epochs": {"type": "integer", "minimum": 1},
        ADDRESS: {"type": "string", "readOnly": True, "description": "Where the data set was imported from"},
    },
    "additionalProperties": True,
}
_ANY_MODEL = r"[^\x00-\x1f\x7f]{1,200}"
_MOST_MODELS = 10_000
_FRAMEWORK = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_Name = Annotated[Line, Field(min_length=1, max_length=200)]


class OfferedModel(WireModel):
    name: _Name = Field(validation_alias=AliasChoices("name", "id", "model_name", "model"))
    task: _Name = TASK


def models_of(content: bytes) -> tuple[OfferedModel, ...]:
    """What GET /models says: a list, or one below `models`, of names or of objects with one. All else is left out."""
    try:
        told = from_json(content)
    except ValueError:
        return ()
    listed = cast(Mapping[str, Any], told).get("models") if isinstance(told, Mapping) else told
    if not isinstance(listed, list):
        return ()
    models = (_offered(each) for each in cast(list[Any], listed)[:_MOST_MODELS])
    return tuple(model for model in models if model is not None)


def _offered(told: Any) -> OfferedModel | None:
    try:
        return OfferedModel.model_validate({"name": told} if isinstance(told, str) else told)
    except ValidationError:
        return None


def trainer_of(framework: str, service: str) -> str:
    """By its framework; where it tells none, by the name that the operator gave to the service."""
    name = framework.strip().lower()
    return name if _FRAMEWORK.fullmatch(name) else service


def manifest_of(trainer: str, models: Iterable[OfferedModel]) -> TrainerManifest:
    """Without a list of models it takes any, and an order has to name one."""
    listed = sorted(models, key=lambda model: model.task)
    tasks = tuple(_task(name, tuple(found)) for name, found in groupby(listed, lambda model: model.task))
    return TrainerManifest(
        name=trainer,
        version="",
        module=trainer,
        licence="LicenseRef-unknown",
        description="A training service that is not Eyebright's",
        tasks=tasks or (_task(TASK, ()),),
        address_setting=ADDRESS,
    )


def _task(name: str, models: tuple[OfferedModel, ...]) -> TaskInfo:
    names = tuple(dict.fromkeys(model.name for model in models))
    return TaskInfo(
        name=name,
        models=tuple(ModelInfo(name=each) for each in names),
        model_pattern="" if names else _ANY_MODEL,
        default_model=names[0] if names else "",
        config_schema=dict(_SCHEMA),
        recipe={},
        predicts=False,
        primary_metric="loss",
    )
