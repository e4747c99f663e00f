"""All loops of one server: started together, watched, stopped together."""

import asyncio
from collections.abc import Coroutine, Mapping
from importlib.metadata import version
from typing import Any

from eyebright.loops import dispatcher, outbox, retention, sweeper, webhooks
from eyebright.loops.pulse import Pulse
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import Markers
from eyebright.services import Services
from eyebright.services.announce import Announcer
from eyebright.telemetry import Instruments
from eyebright_wire.resources import HealthView

NAMES: tuple[str, ...] = ("dispatcher", "sweeper", "outbox", "webhooks", "retention")
DATABASE_SECONDS = 5.0
CANCEL_AGAIN_SECONDS = 1.0


class Loops:
    def __init__(
        self, services: Services, announcer: Announcer, clock: Clock, markers: Markers, instruments: Instruments
    ) -> None:
        self._services = services
        self._announcer = announcer
        self._clock = clock
        self._markers = markers
        self._instruments = instruments
        self._pulses = {name: Pulse(name, clock.monotonic_ms()) for name in NAMES}
        self._counted = dict.fromkeys(NAMES, 0)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        for name, loop in self._loops().items():
            self._tasks[name] = asyncio.create_task(loop, name=name)

    async def stop(self) -> None:
        """Returns once every loop has ended. A cancel can get lost on its way through a library, so it is repeated."""
        turning = set(self._tasks.values())
        while turning:
            for task in turning:
                task.cancel()
            _, turning = await asyncio.wait(turning, timeout=CANCEL_AGAIN_SECONDS)

    async def health(self) -> HealthView:
        """`ok` if the database answers and every loop goes round; else `checks` says what is wrong."""
        now_ms = self._clock.monotonic_ms()
        checks = {"database": await self._database()}
        checks |= {name: self._condition(name, now_ms) for name in self._tasks}
        status = "ok" if all(condition == "ok" for condition in checks.values()) else "unavailable"
        return HealthView(status=status, version=version("eyebright"), checks=checks)

    def measure(self) -> None:
        """Bring the loops' figures up to date."""
        now_ms = self._clock.monotonic_ms()
        for name, pulse in self._pulses.items():
            self._instruments.loop_age.labels(name).set(pulse.age_seconds(now_ms))
            self._instruments.loop_failures.labels(name).inc(pulse.failures - self._counted[name])
            self._counted[name] = pulse.failures

    def _loops(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        services, news, pulses, clock = self._services, self._announcer, self._pulses, self._clock
        return {
            "dispatcher": dispatcher.run(services.dispatch, pulses["dispatcher"], clock, news.dispatcher),
            "sweeper": sweeper.run(services.sweep, pulses["sweeper"], clock, news.sweeper),
            "outbox": outbox.run(services.relay, pulses["outbox"], clock, news.outbox),
            "webhooks": webhooks.run(services.telling, services.deliverer, pulses["webhooks"], clock),
            "retention": retention.run(
                (services.uploads.expire, services.models.clear, services.deliveries.expire), pulses["retention"], clock
            ),
        }

    def _condition(self, name: str, now_ms: int) -> str:
        task = self._tasks[name]
        return "has stopped; restart the server" if task.done() else self._pulses[name].condition(now_ms)

    async def _database(self) -> str:
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                await self._markers.read("health")
        except Exception as error:
            return f"cannot be read: {str(error) or type(error).__name__}"
        return "ok"
