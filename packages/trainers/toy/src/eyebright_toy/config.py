"""The settings of a toy run: those of an honest training, and those that make it misbehave for tests."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_DEVELOPER: dict[str, Any] = {"x-view": "developer"}
_SECONDS: dict[str, Any] = {"x-view": "developer", "x-unit": "s"}


class ToyConfig(BaseModel):
    """Everything that a toy run can be told. Unknown settings are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=5, ge=1, le=100_000, description="How often every training image is seen")
    batch: int = Field(default=8, ge=1, le=4096, description="Images per step")
    lr0: float = Field(default=0.5, gt=0, le=100, description="Learning rate")
    seed: int = Field(default=0, ge=0, description="Decides the first weights and the order of the images")
    keep_checkpoints: int = Field(
        default=2,
        ge=1,
        description="How many of the newest checkpoints stay, besides the best",
        json_schema_extra=_DEVELOPER,
    )
    checkpoint_steps: int = Field(
        default=0,
        ge=0,
        description="A checkpoint every so many steps too; 0: after each epoch only",
        json_schema_extra=_DEVELOPER,
    )
    step_seconds: float = Field(
        default=0.0, ge=0, description="For tests: sleep in each step", json_schema_extra=_SECONDS
    )
    fail_at_step: int | None = Field(
        default=None, description="For tests: raise an error", json_schema_extra=_DEVELOPER
    )
    nan_at_step: int | None = Field(
        default=None, description="For tests: let the loss diverge", json_schema_extra=_DEVELOPER
    )
    memory_at_step: int | None = Field(
        default=None, description="For tests: run out of memory", json_schema_extra=_DEVELOPER
    )
    exit_at_step: int | None = Field(
        default=None, description="For tests: end the process at once with `exit_code`", json_schema_extra=_DEVELOPER
    )
    exit_code: int = Field(
        default=9, ge=0, le=255, description="For tests: see exit_at_step", json_schema_extra=_DEVELOPER
    )
    hang_at_step: int | None = Field(
        default=None, description="For tests: go on beating, but move no more", json_schema_extra=_DEVELOPER
    )
    keep_still: bool = Field(
        default=False, description="For tests: tell of no step and no evaluation", json_schema_extra=_DEVELOPER
    )
    seem_to_move: bool = Field(
        default=False, description="For tests: tell of steps that nobody makes", json_schema_extra=_DEVELOPER
    )
    hide_memory: bool = Field(
        default=False,
        description="For tests: call it something else when memory runs out",
        json_schema_extra=_DEVELOPER,
    )
    phone_home: str = Field(
        default="", description="For tests: how to look for another machine", json_schema_extra=_DEVELOPER
    )
    trust_names: bool = Field(
        default=False, description="For tests: let a shell see the names of the classes", json_schema_extra=_DEVELOPER
    )
    trust_pickles: bool = Field(
        default=False, description="For tests: open weights that lie about", json_schema_extra=_DEVELOPER
    )
    litter: bool = Field(
        default=False, description="For tests: leave a file in the home folder", json_schema_extra=_DEVELOPER
    )
    mend_names: bool = Field(
        default=False, description="For tests: make the names of the classes harmless", json_schema_extra=_DEVELOPER
    )
    boast: bool = Field(
        default=False, description="For tests: a card with the names as they are", json_schema_extra=_DEVELOPER
    )
    ignore_stop: bool = Field(
        default=False, description="For tests: never look at ctx.stopping", json_schema_extra=_DEVELOPER
    )
    misbehave_attempts: int = Field(
        default=0,
        ge=0,
        description="For tests: only the first so many attempts misbehave; 0: all",
        json_schema_extra=_DEVELOPER,
    )
