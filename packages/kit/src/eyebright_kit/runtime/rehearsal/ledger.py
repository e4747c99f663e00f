"""What became of each step of a rehearsal, and how long it took."""

import time
from collections.abc import Callable, Iterable

from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Failed
from eyebright_wire.rehearsals import RehearsalReport, RehearsalStep, StepState

SETTINGS, DATA, FIRST_BATCH, VALIDATION = "settings", "data", "first_batch", "validation"
CHECKPOINT, LARGEST_BATCH, RELOAD, WEBHOOK = "checkpoint", "largest_batch", "reload", "webhook"


def export_step(form: str) -> str:
    return f"export {form}"


class Ledger:
    """Every step is unreached until it is passed or failed; the first verdict stays."""

    def __init__(
        self, names: Iterable[str], told: Callable[[int, int], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`told` hears how many of how many steps are decided."""
        self._steps = {name: RehearsalStep(name=name, state=StepState.UNREACHED) for name in names}
        self._told = told
        self._clock = clock
        self._began = self._last = clock()
        self.peak_memory_bytes = 0

    def passed(self, name: str) -> None:
        self._decide(name, StepState.PASSED)

    def failed(self, name: str, why: Failed) -> None:
        self._decide(name, StepState.FAILED, why.message, why.code)

    def not_asked(self, name: str, why: str) -> None:
        self._decide(name, StepState.NOT_ASKED, why)

    def is_open(self, name: str) -> bool:
        return self._steps[name].state is StepState.UNREACHED

    def has_passed(self, name: str) -> bool:
        return self._steps[name].state is StepState.PASSED

    @property
    def seconds(self) -> float:
        return self._clock() - self._began

    def report(self, otherwise: str) -> RehearsalReport:
        """`otherwise`: why the rest was not reached."""
        steps = (
            step.model_copy(update={"message": otherwise}) if step.state is StepState.UNREACHED else step
            for step in self._steps.values()
        )
        return RehearsalReport(
            steps=tuple(steps), seconds=round(self.seconds, 2), peak_memory_bytes=self.peak_memory_bytes or None
        )

    def _decide(self, name: str, state: StepState, message: str = "", code: ErrorCode | None = None) -> None:
        if not self.is_open(name):
            return
        now = self._clock()
        took = None if state is StepState.NOT_ASKED else round(now - self._last, 2)
        self._steps[name] = RehearsalStep(name=name, state=state, message=message, code=code, seconds=took)
        self._last = now
        self._told(sum(not self.is_open(other) for other in self._steps), len(self._steps))
