"""The whole server: a data folder, a socket, and signals."""

import asyncio
import gc
import hashlib
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version

import structlog
import uvloop

from eyebright import telemetry
from eyebright.app.application import cancelled, running
from eyebright.app.parts import Parts, opened
from eyebright.core.access import is_teams
from eyebright.core.agent_token import read
from eyebright.core.scope import EVERYTHING, within
from eyebright.errors import InvalidRequest
from eyebright.folder import DataFolder
from eyebright.listener import Listener
from eyebright.loops import idle
from eyebright.ports.catalog import Catalog
from eyebright.ports.clock import SystemClock
from eyebright.ports.replicas import Replica
from eyebright.services.company import Company
from eyebright.settings import LEVELS, Settings, ignored_level, unknown_variables

log = structlog.stdlib.get_logger(__name__)

LEAST_TOKEN = 32


def serve(settings: Settings) -> None:
    """Run the server until a signal; running trainers go on and are found again at the next start.

    Raises Conflict (port taken, data folder in use), Unavailable or StorageFull (folder, database), InvalidRequest (address).
    """
    telemetry.configure(settings.log)
    for name, nearest in unknown_variables().items():
        log.warning("this variable is no setting", variable=name, nearest=nearest or None)
    if level := ignored_level():
        log.warning("LOG_LEVEL is no level of ours and is ignored", found=level, expected=LEVELS)
    signals = _Signals()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signals)
    with DataFolder(settings.data_dir) as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_in(settings, folder, asked_to_leave=lambda: signals.came))


class _Signals:
    """Notes a signal that comes while the server starts; from then on uvicorn listens itself and leaves orderly.

    At its end uvicorn raises the signal once more for whoever listened before: noting it again does no harm.
    """

    def __init__(self) -> None:
        self.came = False

    def __call__(self, *_: object) -> None:
        self.came = True


async def serve_in(
    settings: Settings, folder: DataFolder, *, asked_to_leave: Callable[[], bool] = lambda: False
) -> None:
    clock = SystemClock()
    token = folder.token(clock, given_token(settings))
    async with AsyncExitStack() as stack:
        listener = Listener(settings.host, settings.port)
        stack.callback(listener.close)
        parts = await stack.enter_async_context(opened(settings, folder))
        base_url = settings.public_url or listener.url
        company = await joined(settings, parts, token, listener.url) if parts.shared else None
        app = await stack.enter_async_context(
            running(settings, parts, token=token, base_url=base_url, company=company, leaving=lambda: listener.leaving)
        )
        if settings.embedded:
            stack.push_async_callback(cancelled, asyncio.create_task(_leave_when_idle(settings, parts, listener)))
        else:
            stack.push_async_callback(cancelled, asyncio.create_task(_tell_stale(parts.catalog)))
        ready = _Ready(settings, folder, listener)
        await listener.serve(
            app,
            ready=ready,
            asked_to_leave=asked_to_leave,
            access_log=settings.log.access,
            drain_seconds=settings.drain_seconds,
        )
        log.info("stopping; trainers go on by themselves")


def given_token(settings: Settings) -> str | None:
    """Raises InvalidRequest for one that could be guessed, or is an agent's or a team's."""
    if settings.token_file is None:
        return None
    given = settings.token_file.read_text(errors="replace").strip()
    if (
        len(given) < LEAST_TOKEN
        or not given.isascii()
        or not given.isprintable()
        or read(given) is not None
        or is_teams(given)
    ):
        raise InvalidRequest(
            f"{settings.token_file} holds no operator's token: expected {LEAST_TOKEN} random characters or more, such as "
            "`openssl rand -base64 32` makes"
        )
    return given


async def joined(settings: Settings, parts: Parts, token: str, url: str) -> Company:
    """Raises Conflict where this server does not fit among those that live."""
    me = Replica(
        id=parts.replica,
        url=url,
        version=version("eyebright"),
        storage=settings.storage.place or "",
        token_sha256=hashlib.sha256(token.encode()).hexdigest(),
        started_at_ms=parts.clock.now_ms(),
    )
    company = Company(parts.database.replicas, parts.database.leases, parts.clock, me)
    await company.join()
    return company


#: Rarer than Python's own 700, 10, 10: with reporters at work that took a sixth of the time, and found next to nothing.
_COLLECT = (50_000, 20, 20)


@dataclass(frozen=True, slots=True)
class _Ready:
    """Tells everybody, once the first request can be answered."""

    settings: Settings
    folder: DataFolder
    listener: Listener

    def __call__(self) -> None:
        url, now = self.listener.url, SystemClock().now_ms()
        about = {"url": url, "pid": os.getpid(), "created": now / 1000, "version": version("eyebright")}
        self.folder.announce({**about, "embedded": self.settings.embedded})
        log.info("ready", docs=f"{url}/docs", token_file=str(self.folder.path / "token"))
        gc.collect()
        gc.freeze()  # what lives now lives to the end: later collections need not look at it again
        gc.set_threshold(*_COLLECT)
        gc.enable()


async def _leave_when_idle(settings: Settings, parts: Parts, listener: Listener) -> None:
    async def unfinished() -> bool:
        jobs = parts.database.jobs
        with within(EVERYTHING):
            return bool(await jobs.queued() or await jobs.unfinished())

    await idle.run(
        lambda: parts.footfall.quiet_seconds,
        unfinished,
        listener.leave,
        parts.clock,
        patience_seconds=settings.embedded_idle_seconds,
    )


async def _tell_stale(catalog: Catalog) -> None:
    """Once, while the server answers already: trainers that have changed are asked about themselves, which takes seconds."""
    if stale := [view.name for view in await catalog.list() if view.stale]:
        log.warning(
            "trainers must be installed anew; their jobs wait",
            trainers=stale,
            run=f"eyebright trainers install {' '.join(stale)}",
        )
