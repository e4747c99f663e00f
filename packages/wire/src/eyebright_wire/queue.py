"""Orders that come through a message queue, and what is answered to them. Readers of both ignore fields that they don't know."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from eyebright_wire.model import ONE_LINE, Line, Whole, WireModel

#: Of the messages that are understood. Fields are added, never repurposed; a message of a later one says so and is parked.
SCHEMA_VERSION = 1
#: The `type` of an order to train.
MODEL_TRAINING = "model_training"
#: What a style is trained as unless the message says otherwise.
DEFAULT_TASK = "lora"


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: What callers call something of theirs: a text or a whole number, and 7 is the same as "7".
Identifier = Annotated[
    str, Field(min_length=1, max_length=200), ONE_LINE, BeforeValidator(_as_text, json_schema_input_type=str | int)
]


class QueuedImage(WireModel):
    """One image by its address."""

    url: Line = Field(
        validation_alias=AliasChoices("url", "uri", "path"),
        description="https://…, s3://…, gs://… or az://…; `uri` and `path` mean the same",
    )
    caption: Line | None = Field(default=None, description="What it shows, in words")


class StyleName(WireModel):
    """For which style."""

    style_id: Identifier


class StyleData(StyleName):
    """What is to be trained: on `images`, or on a data set that the server has."""

    images: tuple[str | QueuedImage, ...] = Field(default=(), description="Addresses, or objects with a caption each")
    dataset: Line | None = Field(
        default=None,
        validation_alias=AliasChoices("dataset", "dataset_id", "dataset_version"),
        description="In place of `images`: a data set by name, or a version by its id",
    )
    task: str = DEFAULT_TASK
    trainer: str | None = Field(default=None, description="Default: the first installed one that knows the task")
    leave_out_broken: bool = Field(
        default=False, description="Go on without images that cannot be had or read, instead of failing"
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="Settings; none that is unknown is dropped")


class QueueEnvelope(WireModel):
    """What every message says. Who is to be told is read whatever else is wrong with it."""

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1)
    task_id: Identifier = Field(description="The caller's own; the same id is the same order, however often it comes")
    type: str = Field(description=f"`{MODEL_TRAINING}`")
    data: StyleName


class QueueMessage(QueueEnvelope):
    """An order to train."""

    data: StyleData  # pyright: ignore[reportIncompatibleVariableOverride] -- frozen


class QueueOutcome(StrEnum):
    """What became of a message; it is settled with each of these."""

    TAKEN = "taken"  # a job was made
    KNOWN = "known"  # it came before, and its job is there
    REFUSED = "refused"  # an order that cannot be carried out, kept as a job that failed
    PARKED = "parked"  # no order that anybody could be told about


class ParkedReason(StrEnum):
    """Why a message was put aside."""

    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    FUTURE_SCHEMA = "future_schema"
    UNKNOWN_TYPE = "unknown_type"
    INVALID_MESSAGE = "invalid_message"
    KEY_REUSED = "key_reused"
    INTERNAL_ERROR = "internal_error"


class QueueAnswer(WireModel):
    """What became of a message. It goes to `reply_to` too, if the message names one."""

    outcome: QueueOutcome
    task_id: str | None = Field(default=None, description="None where the message does not say it")
    job_id: str | None = Field(
        default=None, description="Of the import or the training that was ordered, or that failed"
    )
    parked_id: str | None = None
    reason: str | None = Field(default=None, description="Why it was refused, now or when it came before, or parked")
    message: str = ""


class ParkedView(WireModel):
    """A message that was put aside."""

    id: str
    reason: ParkedReason
    message: str
    task_id: str | None = Field(default=None, description="None where the message does not say it")
    size_bytes: Whole
    parked_at_ms: Whole
    complete: bool = Field(description="Else only its beginning is kept, and it cannot be replayed")
    body: str = Field(description="As UTF-8; what is none shows as U+FFFD. In a list, of a long one the beginning")
