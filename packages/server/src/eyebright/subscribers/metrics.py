"""Counts changes of state for Prometheus."""

from eyebright.core.records import Message
from eyebright.telemetry import Instruments
from eyebright_wire.jobs import JobKind, JobState, kind_of

#: What the platform that Eyebright takes the place of calls states. The others are on the way to one of these.
STATUSES = {
    JobState.RUNNING: "running",
    JobState.SUCCEEDED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
CREATED = "pending"


class Metrics:
    """After a crash a message may come twice: a counter may then be one too high, never too low."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    async def notify(self, message: Message) -> None:
        if message.topic != f"job.{message.state}":
            return
        self._instruments.transitions.labels(message.state, message.reason or "", message.trainer).inc()
        if kind_of(message.trainer) is JobKind.TRAINING:
            self._training(message)

    def _training(self, message: Message) -> None:
        """By status, where each training begins as pending; one that runs again is running once more."""
        status = CREATED if message.version == 1 else STATUSES.get(message.state)
        if status:
            self._instruments.trainings.labels(message.trainer, status).inc()
        if message.ran_ms is not None:
            self._instruments.durations.labels(message.trainer).observe(message.ran_ms / 1000)
