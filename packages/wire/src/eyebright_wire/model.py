"""The configuration that every wire model shares."""

from pydantic import BaseModel, ConfigDict


class WireModel(BaseModel):
    """Frozen; unknown fields are ignored, so that old readers understand new writers."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class RequestModel(BaseModel):
    """What a person or program asks for: unknown fields are refused, because a typo must not be dropped in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
