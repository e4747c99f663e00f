"""Counts changes of state for Prometheus."""

from eyebright.core.records import Message
from eyebright.telemetry import Instruments


class Metrics:
    """After a crash a message may come twice: a counter may then be one too high, never too low."""

    def __init__(self, instruments: Instruments) -> None:
        self._transitions = instruments.transitions

    async def notify(self, message: Message) -> None:
        if message.topic == f"job.{message.state}":
            self._transitions.labels(message.state, message.reason or "", message.trainer).inc()
