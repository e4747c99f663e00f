"""All loops of one server: started together, watched, stopped together."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from importlib.metadata import version
from typing import Any, Protocol

import structlog

from eyebright.core.scope import EVERYTHING, within
from eyebright.loops import curves, dispatcher, outbox, retention, sweeper, webhooks
from eyebright.loops.pulse import Pulse
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import Markers
from eyebright.ports.leases import Leases
from eyebright.services import Services
from eyebright.services.announce import Announcer
from eyebright.services.tenure import Tenure
from eyebright.telemetry import Instruments
from eyebright_wire.resources import HealthView

log = structlog.stdlib.get_logger(__name__)

NAMES: tuple[str, ...] = ("dispatcher", "sweeper", "outbox", "webhooks", "curves", "retention")
DATABASE_SECONDS = 5.0
CANCEL_AGAIN_SECONDS = 1.0


class Kept(Protocol):
    """Of the database."""

    @property
    def markers(self) -> Markers: ...
    @property
    def leases(self) -> Leases: ...


class Loops:
    def __init__(
        self,
        services: Services,
        announcer: Announcer,
        clock: Clock,
        database: Kept,
        instruments: Instruments,
        replica: str,
    ) -> None:
        self._services = services
        self._announcer = announcer
        self._clock = clock
        self._database = database
        self._replica = replica
        self._news = Tenure(database.leases, clock, "news", replica)
        self._curves = Tenure(database.leases, clock, "curves", replica)
        self._instruments = instruments
        self._pulses = {name: Pulse(name, clock.monotonic_ms()) for name in NAMES}
        self._counted = dict.fromkeys(NAMES, 0)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._aside: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        with within(EVERYTHING):  # they work for all projects, and enter the one whose job they are at
            for name, loop in self._loops().items():
                self._tasks[name] = asyncio.create_task(loop, name=name)

    async def stop(self) -> None:
        """Returns once every loop has ended. A cancel can get lost on its way through a library, so it is repeated."""
        turning = {*self._tasks.values(), *self._aside.values()}
        while turning:
            for task in turning:
                task.cancel()
            _, turning = await asyncio.wait(turning, timeout=CANCEL_AGAIN_SECONDS)
        await self._give_back()

    async def health(self) -> HealthView:
        """`ok` if the database answers and every loop goes round; else `checks` says what is wrong."""
        now_ms = self._clock.monotonic_ms()
        database, leases = await self._looked()
        checks = {"database": database}
        checks |= {name: self._condition(name, now_ms) for name in self._tasks}
        status = "ok" if all(condition == "ok" for condition in checks.values()) else "unavailable"
        return HealthView(status=status, version=version("eyebright"), checks=checks, leases=leases)

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
            "outbox": outbox.run(services.relay, pulses["outbox"], clock, news.outbox, self._news.held),
            # With the outbox: progress that is held back is known to who was told of it alone.
            "webhooks": webhooks.run(services.telling, services.deliverer, pulses["webhooks"], clock, self._news.held),
            "curves": curves.run(services.charts, pulses["curves"], clock, self._curves.held),
            "retention": retention.run(
                (
                    services.uploads.expire,
                    services.models.clear,
                    services.deliveries.expire,
                    lambda: self._beside("collection", services.collection.keep_up),
                    lambda: self._beside("storage", services.storage.keep_up),
                    lambda: self._beside("compaction", services.compaction.keep_up),
                ),
                pulses["retention"],
                clock,
            ),
        }

    async def _beside(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A store of millions of files takes longer than a round may. Raises what was wrong with the last time."""
        last = self._aside.get(name)
        if last is None or last.done():
            self._aside[name] = asyncio.create_task(work(), name=name)
            if last is not None:
                last.result()

    def _condition(self, name: str, now_ms: int) -> str:
        task = self._tasks[name]
        return "has stopped; restart the server" if task.done() else self._pulses[name].condition(now_ms)

    async def _looked(self) -> tuple[str, dict[str, str]]:
        """How the database is, and who holds what."""
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                await self._database.markers.read("health")
                held = await self._database.leases.holders(self._clock.now_ms())
        except Exception as error:
            return f"cannot be read: {str(error) or type(error).__name__}", {}
        return "ok", {name: "this server" if holder == self._replica else holder for name, holder in held.items()}

    async def _give_back(self) -> None:
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                for tenure in (self._news, self._curves):
                    await tenure.release()
        except Exception as error:
            log.warning("a lease could not be given back; it runs out", problem=f"{type(error).__name__}: {error}")
