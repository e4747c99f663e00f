"""The runs of one service: started, adopted after a restart, told, stopped."""

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from anyio import to_thread

from eyebright_kit.egress import EgressDenied
from eyebright_kit.keeping.inheritance import CREDENTIALS
from eyebright_kit.keeping.keeper import Keeper
from eyebright_kit.keeping.local_run import Program, Resisting
from eyebright_kit.service.courier import Courier
from eyebright_kit.service.destinations import Destinations
from eyebright_kit.service.foreign import Elsewhere, plain_id, require_data, spec_of
from eyebright_kit.service.left_behind import LeftBehind
from eyebright_kit.service.line import Line
from eyebright_kit.service.problems import Refused
from eyebright_kit.service.ticket import TICKET, Notes, Ticket
from eyebright_wire.errands import Errand
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.run_directory import ERRAND
from eyebright_wire.runs import Handle, Liveness, Slot, Vital
from eyebright_wire.services import DeadLetter, RunReport, TrainingStart, TrainingStarted

#: Of a job's id where it becomes a folder. Anything else is refused, never changed.
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_NAME = re.compile(rf"({_JOB_ID.pattern})-a([1-9][0-9]{{0,8}})")
_EVENTS_AT_ONCE = 1000
#: The program of a start that names data at an address.
ERRANDS = "eyebright_kit.errand"
#: Where its files lie until they are where its platform reads, below the run's folder.
_RESULT = "result"
_RETRY_SECONDS = 15

_log = logging.getLogger("eyebright.service")


class Runs:
    """Everything that a service knows lies in the folders of its runs, so the next one knows the same."""

    def __init__(
        self,
        runs_dir: Path,
        manifest: TrainerManifest,
        program: Program,
        slots: Sequence[Slot],
        keeper: Keeper,
        destinations: Destinations,
        now_ms: Callable[[], int],
        elsewhere: Elsewhere,
    ) -> None:
        self._runs_dir = runs_dir
        self._manifest = manifest
        self._program = program
        self._slots = {slot.index: slot for slot in slots}
        self._keeper = keeper
        self._destinations = destinations
        self._now_ms = now_ms
        self._elsewhere = elsewhere
        self._taken: dict[Handle, int] = {}  # which run has which slot
        self._couriers: dict[Handle, asyncio.Task[None]] = {}
        self._left: WeakValueDictionary[Handle, LeftBehind] = WeakValueDictionary()
        self._starting = asyncio.Lock()

    @property
    def places(self) -> int:
        return len(self._slots)

    async def free(self) -> int:
        await self._vacate()
        return len(self._slots) - len(self._taken)

    async def adopt(self) -> int:
        """Takes over what an earlier service started; answers how many runs go on."""
        for handle, ticket in await to_thread.run_sync(lambda: list(self._tickets())):
            notes = self._notes(handle)
            if self._keeper.directory(handle).claimed_at_ms() is None:
                notes.withdraw()  # that service was gone before it started anything, and answered nobody
                continue
            if (await self._liveness(handle)).vital is not Vital.GONE:
                self._taken[handle] = ticket.slot
            if not notes.told().over and notes.dead() is None:
                self._resume(handle, ticket)
        return len(self._taken)

    async def start(self, asked: TrainingStart) -> TrainingStarted:
        """The same start twice is one run. Raises Refused."""
        spec = self._checked(asked)
        handle, digest = Handle(spec.job_id, spec.attempt), _digest(asked, spec)
        async with self._starting:
            ticket = self._notes(handle).ticket()
            if ticket is not None and ticket.digest != digest:
                raise Refused(
                    409, "conflict", f"{run_name(handle)} was started here by another order; it is not replaced"
                )
            if ticket is None:
                ticket = await self._new_ticket(asked, spec, digest)
            await self._launch(handle, ticket, spec, None if asked.spec else self._errand(asked))
        return TrainingStarted(job_id=asked.job_id)

    async def reports(self) -> list[RunReport]:
        handles = [handle for handle, _ in await to_thread.run_sync(lambda: list(self._tickets()))]
        return [await self.report(handle) for handle in handles]

    async def report(self, handle: Handle) -> RunReport:
        return RunReport.of(handle, await self._liveness(handle))

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        """Ask, wait, then kill; what was never started never will be. Raises Refused when something of it does not end."""
        try:
            await self._keeper.stop(handle, grace)
        except Resisting as error:
            raise Refused(503, "unavailable", str(error)) from error

    def log(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        return self._keeper.logs(handle, offset)

    async def spooled(self, handle: Handle, after: int) -> tuple[Event, ...]:
        """The next events with seq > `after`. Raises Refused when they cannot be read now."""
        try:
            return tuple((await self._keeper.spooled(handle, after))[:_EVENTS_AT_ONCE])
        except OSError as error:
            raise Refused(
                503, "unavailable", f"cannot read the spool of {run_name(handle)}: {error.strerror}"
            ) from error

    async def letters(self) -> list[DeadLetter]:
        return await to_thread.run_sync(lambda: [letter for _, _, letter in self._dead()])

    async def replay(self, letter_id: str) -> DeadLetter:
        """Tells the run from there on once more. Raises Refused when there is no such letter."""
        for handle, ticket, letter in await to_thread.run_sync(lambda: list(self._dead())):
            if letter.id == letter_id:
                if leaving := self._couriers.pop(handle, None):  # copies, as it has nobody to tell
                    leaving.cancel()
                    await asyncio.gather(leaving, return_exceptions=True)
                self._notes(handle).bury_dead()
                self._send(handle, ticket)
                return letter
        raise Refused(404, "not_found", f"there is no dead letter {letter_id!r}; GET /dead shows which there are")

    async def tidy(self, keep_seconds: float) -> int:
        """Removes the folders of runs that have been over, and told, for so long; answers how many there were. One with a dead
        letter stays, and one of which something still runs."""
        async with self._starting:
            await self._keeper.remove_leftovers()
            old = await to_thread.run_sync(self._told_long_ago, keep_seconds)
            return sum([await self._removed(handle) for handle in old])

    async def close(self) -> None:
        """Trainings go on; what they say until then is told by the next service."""
        couriers = list(self._couriers.values())
        for courier in couriers:
            courier.cancel()
        await asyncio.gather(*couriers, return_exceptions=True)

    # Starting

    def _checked(self, asked: TrainingStart) -> JobSpec:
        spec = asked.spec or self._made_of(asked)
        if not _JOB_ID.fullmatch(spec.job_id):
            raise Refused(
                422, "invalid_request", f"spec.job_id is {spec.job_id!r}; expected 1 to 100 letters, digits, _ or -"
            )
        if spec.trainer != self._manifest.name:
            raise Refused(
                422, "config_invalid", f"the order is for the trainer {spec.trainer!r}; this is {self._manifest.name!r}"
            )
        try:
            self._destinations.rules(asked.callback_url)
        except EgressDenied as error:
            raise Refused(422, "invalid_request", str(error)) from error
        return spec

    def _made_of(self, asked: TrainingStart) -> JobSpec:
        """Of a start that nobody has sealed."""
        require_data(asked.dataset_s3_uri, self._elsewhere)
        self._elsewhere.results_of(asked.job_id)
        handle = Handle(plain_id(asked.job_id), 1)
        return spec_of(asked, self._manifest, (self._keeper.directory(handle).path / _RESULT).as_uri() + "/")

    async def _new_ticket(self, asked: TrainingStart, spec: JobSpec, digest: str) -> Ticket:
        return Ticket(
            job_id=asked.job_id,
            callback_url=asked.callback_url,
            token=spec.token,
            digest=digest,
            slot=await self._free_slot(),
            output=spec.output.uri,
            heartbeat_seconds=spec.heartbeat_seconds,
            spool_url=spec.spool_url,
            results=None if asked.spec else self._elsewhere.results_of(asked.job_id),
        )

    def _errand(self, asked: TrainingStart) -> Errand:
        return Errand(
            dataset=asked.dataset_s3_uri,
            module=self._program.module,
            fetching=self._elsewhere.fetching,
            hidden=CREDENTIALS,
        )

    async def _launch(self, handle: Handle, ticket: Ticket, spec: JobSpec, errand: Errand | None) -> None:
        """The child tells nobody itself: what it writes down is told for it."""
        slot = self._slots.get(ticket.slot)
        resources = slot.resources if slot else spec.resources
        sealed = spec.model_copy(update={"events_url": None, "resources": resources})
        try:
            await to_thread.run_sync(self._notes(handle).write_ticket, ticket)
            if errand is not None:
                await to_thread.run_sync(self._notes(handle).write_beside, ERRAND, errand)
            await self._keeper.launch(sealed, Program(self._program.python, ERRANDS) if errand else self._program)
        except OSError as error:
            self._notes(handle).withdraw()
            raise Refused(
                503, "unavailable", f"cannot start it below {self._runs_dir}: {error.strerror}; nothing was started"
            ) from error
        self._taken[handle] = ticket.slot
        if not self._notes(handle).told().over:
            self._send(handle, ticket)

    async def _free_slot(self) -> int:
        await self._vacate()
        free = sorted(set(self._slots) - set(self._taken.values()))
        if not free:
            raise Refused(
                503,
                "no_capacity",
                f"all {len(self._slots)} places of this service are taken; try again, or raise `serve --places`",
                {"Retry-After": str(_RETRY_SECONDS)},
            )
        return free[0]

    async def _vacate(self) -> None:
        for handle in list(self._taken):
            if (await self._liveness(handle)).vital is Vital.GONE:
                self._taken.pop(handle, None)

    def _send(self, handle: Handle, ticket: Ticket) -> None:
        """A courier, if there is none on its way."""
        if handle in self._couriers:
            return
        try:
            rules = self._destinations.rules(ticket.callback_url)
        except EgressDenied as error:
            raise Refused(422, "invalid_request", str(error)) from error
        line = Line(ticket.callback_url, ticket.token, rules)
        courier = Courier(
            handle, ticket, self._keeper, line, self._now_ms, self._put, left=self._left_behind(handle, ticket)
        )
        task = self._couriers[handle] = asyncio.create_task(courier.work(), name=f"courier of {handle.name}")
        task.add_done_callback(lambda _: self._couriers.pop(handle) if self._couriers.get(handle) is task else None)

    def _left_behind(self, handle: Handle, ticket: Ticket) -> LeftBehind | None:
        """The same for the next courier while the one before may still be leaving a copy: a thread cannot be cancelled."""
        if ticket.spool_url is None:
            return None
        return self._left.setdefault(handle, LeftBehind(ticket.spool_url, self._keeper.directory(handle).path))

    def _resume(self, handle: Handle, ticket: Ticket) -> None:
        """A run whose callback URL this service may not call goes on untold; one started so may."""
        try:
            self._send(handle, ticket)
        except Refused as error:
            _log.error("run %s: %s", handle.name, error.detail)

    def _put(self, file_uri: str, results: str) -> str:
        from eyebright_kit.service.results import put  # here: the store's client takes long to import

        return put(file_uri, results, self._elsewhere.endpoint)

    # What lies in the folders

    async def _removed(self, handle: Handle) -> bool:
        """Whether it was. One that cannot be keeps no other from it."""
        if (await self._liveness(handle)).vital is not Vital.GONE:
            return False
        try:
            await self._keeper.forget(handle)
        except OSError as error:
            _log.warning("run %s: cannot remove its folder: %s", handle.name, error)
            return False
        return True

    def _told_long_ago(self, keep_seconds: float) -> list[Handle]:
        return [
            handle
            for handle, _ in self._tickets()
            if (notes := self._notes(handle)).told().over and notes.told_seconds_ago(self._now_ms()) > keep_seconds
        ]

    def _notes(self, handle: Handle) -> Notes:
        return Notes(self._keeper.directory(handle).path)

    def _tickets(self) -> Iterator[tuple[Handle, Ticket]]:
        for path in sorted(self._runs_dir.glob(f"*/a*/{TICKET}")):
            handle = handle_of(f"{path.parent.parent.name}-{path.parent.name}")
            ticket = Notes(path.parent).ticket()
            if handle is not None and ticket is not None:
                yield handle, ticket

    def _dead(self) -> Iterator[tuple[Handle, Ticket, DeadLetter]]:
        for handle, ticket in self._tickets():
            if (letter := self._notes(handle).dead()) is not None:
                yield handle, ticket, letter

    async def _liveness(self, handle: Handle) -> Liveness:
        """`unknown` while something of it resists a kill: it still takes its place."""
        try:
            return await self._keeper.status(handle)
        except Resisting:
            return Liveness(Vital.UNKNOWN)


def handle_of(name: str) -> Handle | None:
    """`<job>-a<attempt>`; None for what is no name of a run."""
    found = _NAME.fullmatch(name)
    return Handle(found[1], int(found[2])) if found else None


def run_name(handle: Handle) -> str:
    return f"{handle.job_id}-a{handle.attempt}"


def _digest(asked: TrainingStart, spec: JobSpec) -> str:
    """Tells the order that was given again from another one: only who sealed the first knows its token, and a platform says the
    same again."""
    known_by = f"{asked.job_id}\n{spec.token}" if asked.spec else asked.model_dump_json()
    return hashlib.sha256(known_by.encode()).hexdigest()
