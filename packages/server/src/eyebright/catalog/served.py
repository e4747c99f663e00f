"""The trainers of this machine, and those that training services bring."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import structlog
from anyio import to_thread
from pydantic import Field, ValidationError

from eyebright.core.resolve import nearest
from eyebright.errors import Conflict, EyebrightError, NotFound, TrainerMissing, TrainerUnavailable
from eyebright.ports.catalog import Catalog
from eyebright.ports.executor import Describing, Environment, Executor
from eyebright_kit.disk import replace_durably
from eyebright_wire.jobs import OWN_TRAINERS
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.model import WireModel
from eyebright_wire.resources import TrainerView

#: How often a service is asked what it offers: one that was never heard sooner, as nothing can be ordered there until then.
FRESH_SECONDS, UNHEARD_SECONDS = 60.0, 2.0
#: So long a start waits for services that it knows nothing of.
FIRST_SECONDS = 3.0

log = structlog.stdlib.get_logger(__name__)


class Remembered(WireModel):
    """What each place has said of its trainer, by its name among the executors."""

    manifests: dict[str, TrainerManifest] = Field(default_factory=dict)


class ServedCatalog:
    """A Catalog over another one, that of this machine. What a service said last counts while it is away, after a restart too."""

    def __init__(self, own: Catalog, executors: Mapping[str, Executor], memory: Path) -> None:
        """`executors` in the order in which they are preferred; `memory` is a file."""
        self._own = own
        self._places = tuple(executors)
        self._services = {name: each for name, each in executors.items() if isinstance(each, Describing)}
        self._starting_here = tuple(name for name in executors if name not in self._services)
        self._memory = memory
        known = _read(memory)
        self._manifests = {name: known[name] for name in self._services if name in known}
        self._silent: set[str] = set()
        self._writing = threading.Lock()

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """Ask every service again and again. Does not wait for one that is away, but a moment for one that was never heard."""
        async with AsyncExitStack() as stack:
            tasks = [asyncio.create_task(self._listen(name), name=f"what {name} offers") for name in self._services]
            for task in tasks:
                stack.push_async_callback(_cancelled, task)
            unheard = [asyncio.create_task(self._ask(name)) for name in self._unheard()]
            if unheard:
                await asyncio.wait(unheard, timeout=FIRST_SECONDS)
            for task in unheard:
                stack.push_async_callback(_cancelled, task)
            yield

    async def list(self) -> Sequence[TrainerView]:
        own = [await self._placed(view) for view in await self._own.list()]
        known = {view.name for view in own}
        brought = dict.fromkeys(each.name for each in self._manifests.values() if each.name not in known)
        return [*own, *(self._view(self._manifests[self._having(name, None)[0]]) for name in brought)]

    async def environment(self, name: str, executor: str | None = None) -> Environment:
        own = await self._own_or_none(name)
        having = self._having(name, own)
        if executor is None and having:
            executor = having[0]
        if executor in having:
            found = own if executor in self._starting_here else self._served(executor)
            assert found is not None
            return replace(found, executors=having)
        if own is not None and executor in self._unheard():  # it may well have what this machine has
            return replace(own, python=None, lock_sha256="", executors=(executor,))
        raise await self._missing(name, executor, having)

    async def here(self, name: str) -> Environment:
        try:
            return await self._own.here(name)
        except EyebrightError as error:
            if places := self._having(name, None):
                raise TrainerMissing(
                    f"trainer {name!r} is at {', '.join(places)} only, and this is done on the server's machine: run "
                    f"`eyebright trainers install {name}` there"
                ) from error
            raise

    async def installed(self) -> Sequence[Environment]:
        own = {each.trainer: each for each in await self._own.installed()}
        brought = (manifest.name for manifest in self._manifests.values())
        names = dict.fromkeys([*own, *brought])
        return [await self.environment(name) for name in names if self._having(name, own.get(name))]

    async def install(self, name: str, say: Callable[[str], None]) -> Environment:
        return await self._own.install(name, say)

    def _having(self, name: str, own: Environment | None) -> tuple[str, ...]:
        """The places that have a trainer, the preferred one first."""
        return tuple(
            place
            for place in self._places
            if (own is not None if place in self._starting_here else self._offers(place, name))
        )

    def _offers(self, place: str, trainer: str) -> bool:
        manifest = self._manifests.get(place)
        return manifest is not None and manifest.name == trainer

    def _served(self, place: str) -> Environment:
        manifest = self._manifests[place]
        return Environment(manifest.name, manifest.module, None, "", manifest)

    async def _own_or_none(self, name: str) -> Environment | None:
        try:
            return await self._own.here(name)
        except EyebrightError:
            return None

    async def _missing(self, name: str, executor: str | None, having: Sequence[str]) -> EyebrightError:
        unheard = [place for place in self._unheard() if executor in (None, place)]
        if unheard:
            return TrainerUnavailable(
                f"trainer {name!r} may be at {', '.join(unheard)}, which has never answered; start it, or see /ready"
            )
        if having:
            offered = self._manifests.get(executor or "")
            other = f", which has {offered.name}" if offered else ""
            return TrainerMissing(f"trainer {name!r} is not at {executor}{other}; it is at {', '.join(having)}")
        try:
            await self._own.here(name)
        except NotFound as error:
            known = {view.name for view in await self.list()}
            return NotFound(f"unknown trainer {name!r}.{nearest(name, known)}") if self._services else error
        except EyebrightError as error:
            return error
        return TrainerMissing(
            f"trainer {name!r} is on the server's machine only, and {executor or 'no place to run'} trains there: add local to "
            "EYEBRIGHT_EXECUTORS"
        )

    async def _placed(self, view: TrainerView) -> TrainerView:
        own = await self._own_or_none(view.name) if view.installed else None
        having = self._having(view.name, own)
        if own is None and having:
            return self._view(self._manifests[having[0]])
        return view.model_copy(update={"executors": having})

    def _view(self, manifest: TrainerManifest) -> TrainerView:
        having = self._having(manifest.name, None)
        return TrainerView.of(manifest, having[0], having)

    def _unheard(self) -> Sequence[str]:
        return [name for name in self._services if name not in self._manifests]

    async def _listen(self, name: str) -> None:
        while True:
            await asyncio.sleep(FRESH_SECONDS if name in self._manifests else UNHEARD_SECONDS)
            await self._ask(name)

    async def _ask(self, name: str) -> None:
        """Once. That one is away is told in the log when it begins, and by /ready for as long as it lasts."""
        try:
            manifest = _acceptable(await self._services[name].describe())
        except EyebrightError as error:
            if name not in self._silent:
                log.warning("a training service does not say what it offers", executor=name, error=error.message)
            self._silent.add(name)
            return
        self._silent.discard(name)
        if manifest != self._manifests.get(name):
            self._manifests[name] = manifest
            log.info(
                "heard what a training service offers", executor=name, trainer=manifest.name, version=manifest.version
            )
            await to_thread.run_sync(self._write)

    def _write(self) -> None:
        try:
            with self._writing:  # who began earlier knows less
                text = Remembered(manifests=dict(self._manifests)).model_dump_json()
                replace_durably(self._memory, text.encode())
        except OSError as error:
            log.warning("cannot remember what services offer", file=str(self._memory), error=str(error))


def _read(memory: Path) -> Mapping[str, TrainerManifest]:
    try:
        return Remembered.model_validate_json(memory.read_bytes()).manifests
    except (OSError, ValidationError):
        return {}


def _acceptable(manifest: TrainerManifest) -> TrainerManifest:
    """What another machine says of its trainer. Raises Conflict for a name of our own, and for settings that nothing can be
    checked against without fetching something from elsewhere."""
    if manifest.name in OWN_TRAINERS.values():
        raise Conflict(f"it calls its trainer {manifest.name!r}, and Eyebright has one of that name; give it another")
    for task in manifest.tasks:
        if foreign := sorted({ref for ref in _references(task.config_schema) if not ref.startswith("#")}):
            raise Conflict(
                f"the schema of its task {task.name!r} refers to {foreign[0]!r:.200}; expected references within itself, #/…"
            )
    return manifest


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        known = cast(Mapping[str, object], schema)
        yield from (str(value) for key, value in known.items() if key in ("$ref", "$dynamicRef"))
        for value in known.values():
            yield from _references(value)
    elif isinstance(schema, Sequence) and not isinstance(schema, str):
        for value in cast(Sequence[object], schema):
            yield from _references(value)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
