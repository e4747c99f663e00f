"""What a training service says of a training, posted to the callback URL that it was started with.

Vision AI Training Platforms and their trainers speak so: seven fields, no numbers, in the order in which the network brings them.
Trainers of our own say the same and put their numbered events beside it, which then count alone.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field

from eyebright_wire.events import Event, Heartbeat, Metrics, Share
from eyebright_wire.model import Counted, Note, WireModel


def _numbers(told: Any) -> Any:
    """Without what is none, such as the name of the best model: a last word must not be lost for it."""
    if not isinstance(told, Mapping):
        return told
    return {name: value for name, value in cast(Mapping[Any, Any], told).items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


class TrainingStatus(StrEnum):
    """All but `running` are last words."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TrainingUpdate(WireModel):
    """POST {callback_url}: how a training stands."""

    job_id: str | None = Field(default=None, description="The job of the address; few say it")
    status: TrainingStatus
    progress: Share = Field(default=None, description="Done of the whole, 0…1; default: as before")
    message: Note = ""
    metrics: Annotated[Metrics | None, BeforeValidator(_numbers)] = Field(
        default=None, description="Anything measured; `epoch` is the one just finished, counted from 0"
    )
    checkpoint_s3_uri: str | None = Field(
        default=None, max_length=4096, description="Where the result lies, once completed"
    )
    error: str | None = Field(default=None, description="Why it failed")
    attempt: Counted | None = Field(default=None, description="Which one of the job speaks; default: the address's")
    events: tuple[Event, ...] | None = Field(
        default=None, max_length=1000, description="The same as numbered events, oldest first; then only they count"
    )
    heartbeat: Heartbeat | None = Field(default=None, description="Beside such events")

    @property
    def numbered(self) -> bool:
        """It comes from a trainer that numbers what it says."""
        return self.events is not None or self.heartbeat is not None


class CallbackAnswer(WireModel):
    """The answer to an update. `acked` and `cancel` are for those who number their events."""

    status: Literal["ok"] = "ok"
    acked: int | None = Field(default=None, description="The highest number stored")
    cancel: bool | None = Field(default=None, description="The trainer is asked to stop")
