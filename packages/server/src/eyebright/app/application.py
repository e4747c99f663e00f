"""The running product behind its sockets: the web application, its loops and doors."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from eyebright.app.parts import Parts
from eyebright.app.rules import declared
from eyebright.app.verbs import compose
from eyebright.core.breaker import STATES
from eyebright.core.scope import DEFAULT_PROJECT, EVERYTHING, Scope, within
from eyebright.doors.door import Door, DoorContext, RunningDoor
from eyebright.loops.running import Loops
from eyebright.ports.executor import Executor, Guarded
from eyebright.services.announce import Announcer
from eyebright.services.company import Company
from eyebright.services.sweep import Sweep
from eyebright.settings import Settings
from eyebright.website import installed_doors, web
from eyebright_wire.jobs import JobKind, kind_of
from eyebright_wire.resources import HealthView

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def running(
    settings: Settings,
    parts: Parts,
    *,
    token: str,
    base_url: str,
    loops: bool = True,
    company: Company | None = None,
    leaving: Callable[[], bool] = lambda: False,
) -> AsyncIterator[FastAPI]:
    """The web application over the parts, with its loops going round (unless a test turns them by hand)."""
    announcer = Announcer()
    services = compose(settings, parts, announcer, base_url, company)
    turning = Loops(services, announcer, parts.clock, parts.database, parts.instruments, parts.replica)
    doors = installed_doors(settings)
    context = DoorContext(
        services=services,
        settings=settings,
        clock=parts.clock,
        instruments=parts.instruments,
        health=lambda: _health(turning, doors, parts.executors, _unfit(services.sweep, leaving)),
        measure=lambda: _measure(parts, turning),
    )
    exists = parts.database.projects.exists
    app = web(settings, token, doors, parts.instruments, parts.footfall, parts.clock, services, exists)
    app.state.context = context
    with within(Scope(DEFAULT_PROJECT)):
        await services.webhooks.declare(declared(settings))
    carrying: list[asyncio.Task[None]] = []
    if loops:
        turning.start()
        carrying.append(asyncio.create_task(parts.database.bus.carry(announcer.calls.taken, announcer.heard)))
    try:
        async with _run(doors, context):
            yield app
    finally:
        for task in carrying:
            await cancelled(task)
        await turning.stop()
        await services.sweep.close()
        await services.publishing.close()
        if services.training_agent is not None:
            await services.training_agent.ledger.close()
            await services.training_agent.checks.close()
        await services.deliverer.close()


async def _measure(parts: Parts, turning: Loops) -> None:
    with within(EVERYTHING):
        parts.instruments.queued.set(await parts.database.jobs.queued())
        runs = await parts.database.jobs.unfinished()
    live = [run for run in runs if run.current]
    parts.instruments.live.set(len(live))
    parts.instruments.active.set(sum(kind_of(run.job.trainer) is JobKind.TRAINING for run in live))
    _measure_breakers(parts)
    turning.measure()


def _measure_breakers(parts: Parts) -> None:
    for name, executor in parts.executors.items():
        if isinstance(executor, Guarded):
            for state in STATES:
                parts.instruments.breaker.labels(name, state).set(executor.state() == state)


@asynccontextmanager
async def _run(doors: Sequence[Door], context: DoorContext) -> AsyncIterator[None]:
    """Those that have a life of their own."""
    running = [asyncio.create_task(_kept(door, context)) for door in doors if isinstance(door, RunningDoor)]
    try:
        yield
    finally:
        for task in running:
            await cancelled(task)


async def _kept(door: RunningDoor, context: DoorContext) -> None:
    """The server goes on without one that fails. What nobody has sent to another project is for the one that is always there."""
    try:
        with within(Scope(DEFAULT_PROJECT)):
            await door.run(context)
    except Exception:
        log.exception("a door has failed; it is closed until the next start", door=type(door).__name__)


def _unfit(sweep: Sweep, leaving: Callable[[], bool]) -> dict[str, str]:
    """Why others should be asked instead."""
    left = {"server": "leaving; ask another one"} if leaving() else {}
    return left | ({"clock": sweep.clock_problem} if sweep.clock_problem else {})


async def _health(
    turning: Loops, doors: Sequence[Door], executors: Mapping[str, Executor], unfit: Mapping[str, str]
) -> HealthView:
    """Doors and places to run are told of, but the server takes work through the others too."""
    view = await turning.health()
    if unfit:
        view = view.model_copy(update={"status": "unavailable", "checks": {**view.checks, **unfit}})
    conditions = {name_of(door): door.condition() for door in doors if isinstance(door, RunningDoor)}
    conditions |= {name: executor.condition() for name, executor in executors.items()}
    told = {name: condition for name, condition in conditions.items() if condition is not None}
    return view.model_copy(update={"checks": {**view.checks, **told}})


def name_of(door: Door) -> str:
    """`AmqpDoor` → `amqp`, `TrainingAgentDoor` → `training_agent`."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", type(door).__name__.removesuffix("Door")).lower()


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
