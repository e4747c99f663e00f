"""A rehearsal: the first batches of an order, a checkpoint and the exports, carried out before the training itself."""

from enum import StrEnum
from typing import Any

from pydantic import Field, computed_field

from eyebright_wire.errors import ErrorCode
from eyebright_wire.model import Whole, WireModel

#: The artifact of a rehearsal's job: a `RehearsalReport`.
REPORT = "rehearsal.json"
#: After so long it says how far it came.
SECONDS = 60.0


class RehearsalOrder(WireModel):
    """What makes a sealed order a rehearsal."""

    seconds: float = Field(default=SECONDS, gt=0)
    webhook: str | None = Field(default=None, description="An address to connect to, without telling it anything")
    egress: dict[str, Any] = Field(default_factory=dict, description="What may be called; the operator's rules")


class StepState(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNREACHED = "unreached"  # time was up, or what comes before it failed
    NOT_ASKED = "not_asked"  # the order asks for nothing of the kind


class RehearsalStep(WireModel):
    """One thing that a training does. Besides these there is `export NAME` for each export that is ordered.

    settings, data, first_batch (and one step of the optimiser), validation, checkpoint, reload (go on from the checkpoint),
    largest_batch (the images with the most pixels and the most objects), webhook.
    """

    name: str
    state: StepState
    message: str = Field(default="", description="Why it failed, or why it was not reached")
    code: ErrorCode | None = Field(default=None, description="What a training would have failed of")
    seconds: float | None = Field(default=None, description="After the step before it")


class RehearsalReport(WireModel):
    """What a rehearsal found. It is an artifact of its job, which has succeeded whatever the answer is."""

    steps: tuple[RehearsalStep, ...]
    seconds: float
    peak_memory_bytes: Whole | None = Field(default=None, description="Most that a process of it held in main memory")

    @computed_field
    @property
    def ok(self) -> bool:
        """Everything that was asked for was reached, and passed."""
        return all(step.state in (StepState.PASSED, StepState.NOT_ASKED) for step in self.steps)

    @property
    def failed(self) -> RehearsalStep | None:
        return next((step for step in self.steps if step.state is StepState.FAILED), None)
