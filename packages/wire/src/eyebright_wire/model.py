"""The configuration that every wire model shares."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: A count or a point in time that every reader can hold: JavaScript has no larger whole numbers, databases have 64 bits.
Whole = Annotated[int, Field(ge=0, le=2**53)]
Counted = Annotated[int, Field(ge=1, le=2**53)]


class WireModel(BaseModel):
    """Frozen; unknown fields are ignored, so that old readers understand new writers."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class RequestModel(BaseModel):
    """What a person or program asks for: unknown fields are refused, because a typo must not be dropped in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
