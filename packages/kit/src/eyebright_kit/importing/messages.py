"""What a worker says on its stdout: one JSON document per line, never code."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import PreparedDataset
from eyebright_wire.model import Whole, WireModel


class Enclosed(WireModel):
    """The sandbox is shut; `layers` says which of its walls stand."""

    kind: Literal["enclosed"] = "enclosed"
    layers: dict[str, str]


class Moved(WireModel):
    """How far it is; `doing` is "unpacking", "reading" …"""

    kind: Literal["moved"] = "moved"
    doing: str = Field(max_length=64)
    done: Whole
    total: Whole


class Prepared(WireModel):
    """The result lies in the work folder."""

    kind: Literal["prepared"] = "prepared"
    dataset: PreparedDataset
    images: Whole
    size_bytes: Whole


class Refused(WireModel):
    """It cannot be done, for a reason that a person can do something about."""

    kind: Literal["refused"] = "refused"
    code: ErrorCode
    message: str = Field(max_length=4000)
    errors: tuple[dict[str, Any], ...] = ()


Message = Annotated[Enclosed | Moved | Prepared | Refused, Field(discriminator="kind")]
MESSAGE: TypeAdapter[Enclosed | Moved | Prepared | Refused] = TypeAdapter(Message)
