"""What a message of the queue orders: bytes in, an order for imports or jobs out. Asks nobody and keeps nothing."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import AliasChoices, BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import from_json

from eyebright.core.misfit import misfit
from eyebright.core.parked import WHOLE_BYTES
from eyebright.errors import ConfigInvalid
from eyebright.services.styles import StyleTask
from eyebright_wire.jobs import JobRequest, PreflightRequest
from eyebright_wire.queue import (
    DEFAULT_TASK,
    MODEL_TRAINING,
    SCHEMA_VERSION,
    Identifier,
    ParkedReason,
    QueuedImage,
    QueueEnvelope,
    QueueMessage,
    StyleData,
)
from eyebright_wire.resources import DatasetImport, ImageSource

#: What other trainers of LoRAs call our settings. Whatever is not listed keeps its name, for the recipe to know or to refuse.
SETTINGS = {
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "lr": "learning_rate",
    "lora_rank": "rank",
    "r": "rank",
    "lora_alpha": "alpha",
    "batch_size": "batch",
    "train_batch_size": "batch",
    "image_size": "resolution",
    "trigger_word": "trigger",
    "gradient_accumulation_steps": "accumulate",
    "snr_gamma": "min_snr_gamma",
}
#: Of the parameters, those that are no settings but choose what is trained.
MODEL = "model"
_IDENTIFIER = TypeAdapter[str](Identifier)


class Unreadable(Exception):
    """Nobody can be told: the message does not even say whose it is, or is not for us."""

    def __init__(self, reason: ParkedReason, message: str, task_id: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.task_id = task_id


@dataclass(frozen=True, slots=True)
class Letter:
    """A message whose sender can be told what becomes of it."""

    task: StyleTask
    document: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """The same for the same words, in whatever order they were written, and whatever is said that nobody reads.

        Of what came, not of what it means: that changes with the server's version.
        """
        said = {**_read(QueueMessage, self.document), "data": _read(StyleData, self.document["data"])}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @property
    def parameters(self) -> dict[str, Any]:
        """As they came, for people; NaN, which no database takes, is a word."""
        data = self.document["data"]
        found = data.get("parameters")
        return json.loads(json.dumps(found), parse_constant=str) if isinstance(found, dict) else {}

    @property
    def wanted(self) -> str:
        task = self.document["data"].get("task", DEFAULT_TASK)
        return task if isinstance(task, str) else DEFAULT_TASK


def opened(body: bytes, size_bytes: int) -> Letter:
    """Raises Unreadable."""
    if size_bytes > WHOLE_BYTES or len(body) != size_bytes:
        raise Unreadable(
            ParkedReason.TOO_LARGE, f"it has {size_bytes:,} bytes; expected at most {WHOLE_BYTES:,}, so it was not read"
        )
    document = _object(body)
    task_id = _identifier(document.get("task_id"))
    version, kind = document.get("schema_version"), document.get("type")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        why = f"its schema_version is {version}, and this server knows {SCHEMA_VERSION}; replay it after an upgrade"
        raise Unreadable(ParkedReason.FUTURE_SCHEMA, why, task_id)
    if kind is not None and kind != MODEL_TRAINING:
        why = f"its type is {_shown(kind)}; expected {MODEL_TRAINING!r}"
        raise Unreadable(ParkedReason.UNKNOWN_TYPE, why, task_id)
    try:  # what else is wrong with it, its caller can be told
        envelope = QueueEnvelope.model_validate({**document, "schema_version": SCHEMA_VERSION, "type": MODEL_TRAINING})
    except ValidationError as error:
        raise Unreadable(ParkedReason.INVALID_MESSAGE, misfit(error.errors()).message, task_id) from None
    return Letter(StyleTask(style_id=envelope.data.style_id, task_id=envelope.task_id), document)


def order_of(letter: Letter) -> DatasetImport | JobRequest:
    """Raises ConfigInvalid for what cannot be carried out whatever this server has."""
    if (version := letter.document.get("schema_version", SCHEMA_VERSION)) != SCHEMA_VERSION:
        raise ConfigInvalid(f"its schema_version is {_shown(version)}; expected {SCHEMA_VERSION}")
    if endless := _endless(letter.document):
        raise ConfigInvalid(f"{endless} is no finite number, and NaN and Infinity are no JSON")
    try:
        data = QueueMessage.model_validate(letter.document).data
        return _on_a_dataset(letter.task, data) if data.dataset is not None else _on_images(letter.task, data)
    except ValidationError as error:
        raise ConfigInvalid(misfit(error.errors()).message) from None


def _on_images(task: StyleTask, data: StyleData) -> DatasetImport:
    if not data.images:
        raise ConfigInvalid("data.images has no image; expected addresses, or a data set by name or id in data.dataset")
    images, training = tuple(_source(image) for image in data.images), _training(task, data)
    if data.task == DEFAULT_TASK and not all(image.caption for image in images):
        training["config"].setdefault("trigger", task.folder)  # what has no caption must be called by something
    return DatasetImport(
        images=images,
        name=task.folder,
        leave_out_broken=data.leave_out_broken,
        train=PreflightRequest(**training),
        labels=task.labels,
    )


def _on_a_dataset(task: StyleTask, data: StyleData) -> JobRequest:
    if data.images:
        raise ConfigInvalid("data has both images and a data set; expected one of them")
    return JobRequest(dataset=data.dataset or "", **_training(task, data))


def _source(image: str | QueuedImage) -> ImageSource:
    return ImageSource(url=image) if isinstance(image, str) else ImageSource(url=image.url, caption=image.caption)


def _training(task: StyleTask, data: StyleData) -> dict[str, Any]:
    config = _settings(data.parameters) if data.task == DEFAULT_TASK else dict(data.parameters)
    model = config.pop(MODEL, None)
    order = {"task": data.task, "trainer": data.trainer, "model": model, "config": config, "labels": task.labels}
    return {**order, "name": task.folder}  # or what has the same images would be called by their first style


def _settings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """By our names. Raises ConfigInvalid where two names of one setting disagree."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        ours = SETTINGS.get(name, name)
        if found.setdefault(ours, value) != value:
            raise ConfigInvalid(f"{ours} is given twice, as {found[ours]!r} and, by {name}, as {value!r}; expected one")
    return found


def _object(body: bytes) -> dict[str, Any]:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(ParkedReason.NOT_UTF8, f"byte {error.start} is not UTF-8 ({error.reason})") from None
    try:
        document = from_json(body)
    except ValueError as error:
        raise Unreadable(ParkedReason.NOT_JSON, f"it is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise Unreadable(ParkedReason.INVALID_MESSAGE, f"it is {_shown(document)}; expected an object")
    return cast(dict[str, Any], document)


def _read(model: type[BaseModel], document: Mapping[str, Any]) -> dict[str, Any]:
    """Of an object, what the model takes from it."""
    known = {name for field, info in model.model_fields.items() for name in _names(field, info)}
    return {name: value for name, value in document.items() if name in known}


def _names(field: str, info: FieldInfo) -> Sequence[Any]:
    return info.validation_alias.choices if isinstance(info.validation_alias, AliasChoices) else (field,)


def _identifier(value: Any) -> str | None:
    try:
        return _IDENTIFIER.validate_python(value)
    except ValidationError:
        return None


def _endless(value: Any, place: str = "") -> str | None:
    """Where there is a number without end, or none: many a sender writes NaN; and 1e999 is written like a number."""
    if isinstance(value, float):
        return None if math.isfinite(value) else place
    if not isinstance(value, dict | list):
        return None
    named = cast(Mapping[Any, Any], value).items() if isinstance(value, dict) else enumerate(cast(list[Any], value))
    found = (_endless(part, f"{place}.{name}" if place else str(name)) for name, part in named)
    return next((each for each in found if each), None)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
