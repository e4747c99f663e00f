"""Tells a callback URL what one run writes down, without the run ever knowing.

It reads the spool and remembers on disk how far it came, so that the next service goes on where this one ended. What cannot be
delivered is tried again, ever less often; what is refused for good becomes a dead letter, and the courier says no more.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from anyio import to_thread
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from eyebright_kit.keeping.keeper import Keeper
from eyebright_kit.keeping.local_run import Resisting
from eyebright_kit.service.left_behind import LeftBehind
from eyebright_kit.service.line import Answer, Expects, Fenced, Rejected, Taken, Undelivered
from eyebright_kit.service.spool_tail import SpoolTail
from eyebright_kit.service.telling import ended_unsaid, ends_epoch, is_last, words
from eyebright_kit.service.ticket import Notes, Ticket, Told
from eyebright_wire.callbacks import TrainingStatus, TrainingUpdate
from eyebright_wire.events import Event
from eyebright_wire.run_directory import DATASET, FETCHED, SPOOL
from eyebright_wire.runs import Handle, Liveness, Vital
from eyebright_wire.services import DeadLetter, RunReport

#: A look at the spool is one stat; at the process, some reads of /proc.
LOOK_SECONDS, ALIVE_SECONDS = 0.1, 1.0
BATCH = 200
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 0.25, 30.0
#: How often a copy of the spool is left while nobody hears it, if there is anything new; a heartbeat is.
LEAVE_SECONDS = 5.0
#: So long the last words of a run that is gone are tried; while it runs, what it says is tried for ever.
PATIENCE_SECONDS = 24 * 3600.0
_STOP_GRACE = timedelta(seconds=60)

_log = logging.getLogger("eyebright.courier")


class Mouth(Protocol):
    async def post(self, update: TrainingUpdate) -> Answer:
        """Raises Undelivered or Rejected."""
        ...

    async def close(self) -> None: ...


def unwanted(file_uri: str, results: str) -> str:
    """For runs whose result stays where it is."""
    raise AssertionError(f"{file_uri} is to be put into {results}")


class Courier:
    """One task per run. `put` uploads a file, and answers its address there or raises Undelivered; into `left` goes what nobody
    hears."""

    def __init__(
        self,
        handle: Handle,
        ticket: Ticket,
        keeper: Keeper,
        line: Mouth,
        now_ms: Callable[[], int],
        put: Callable[[str, str], str] = unwanted,
        patience_seconds: float = PATIENCE_SECONDS,
        left: LeftBehind | None = None,
    ) -> None:
        self._handle = handle
        self._ticket = ticket
        self._keeper = keeper
        self._line = line
        self._now_ms = now_ms
        self._put = put
        self._result: str | None = None
        self._patience_seconds = patience_seconds
        self._directory = keeper.directory(handle)
        self._notes = Notes(self._directory.path)
        self._tail = SpoolTail(self._directory.path / SPOOL)
        self._told = self._notes.told()
        self._gone: Liveness | None = None
        self._looked = self._beaten = 0.0
        self._given_up = False
        self._stopping: asyncio.Task[None] | None = None
        self._left = left
        self._leaving: asyncio.Task[None] | None = None

    async def work(self) -> None:
        """Returns once the run is over and told, or cannot be told. Whatever goes wrong in between is logged and tried again."""
        try:
            while not self._told.over and not self._given_up:
                await self._step()
            if self._given_up and self._left is not None:
                await self._leave_to_the_end(self._left)
            if self._stopping is not None:
                await self._stopping
        finally:
            self._cease_leaving()
            await self._line.close()

    async def _step(self) -> None:
        try:
            await self._look()
            update = await self._next()
            if update is not None:
                await self._tell(update)
            elif self._gone is not None:
                self._note(over=True)
                await to_thread.run_sync(self._clear)
            else:
                await asyncio.sleep(LOOK_SECONDS)
        except (OSError, Resisting) as error:
            _log.warning("run %s: %s; looking again", self._handle.name, error)
            await self._begin_again(ALIVE_SECONDS)
        except Exception:  # whatever it is, nobody else tells of this run
            _log.exception("run %s: telling failed in an unexpected way", self._handle.name)
            await self._begin_again(LONGEST_REST_SECONDS)

    async def _begin_again(self, rest_seconds: float) -> None:
        """What was read and not told is read once more."""
        self._tail.rewind()
        await asyncio.sleep(rest_seconds)

    async def _look(self) -> None:
        """Whether it still runs; what its leader left behind is killed by the way."""
        if self._gone is None and time.monotonic() - self._looked >= ALIVE_SECONDS:
            liveness = await self._keeper.status(self._handle)
            self._looked = time.monotonic()
            self._gone = liveness if liveness.vital is Vital.GONE else None

    async def _next(self) -> TrainingUpdate | None:
        """What is to be told now."""
        gone = self._gone  # asked before the spool is read: what it wrote last is there by then
        events = await to_thread.run_sync(self._read) if self._tail.grown else ()
        if events:
            return self._numbered(events)
        if gone is None:
            return self._sign_of_life()
        if self._told.ended or self._told.numbers:
            return None
        stopped = self._directory.asked_to_stop()
        return self._update(ended_unsaid(gone.exit_code, gone.out_of_memory, stopped=stopped))

    def _read(self) -> tuple[Event, ...]:
        """An update has metrics for one epoch: whoever hears no more than that, or has yet to say so, is told of each."""
        hears_events = self._told.numbers and self._told.acked
        return self._tail.read(self._told.acked, BATCH, None if hears_events else ends_epoch)

    def _numbered(self, events: tuple[Event, ...]) -> TrainingUpdate:
        said = words(events, self._ticket.output, stopped=self._directory.asked_to_stop())
        return self._update(said, events=events, heartbeat=self._directory.heartbeat())

    def _sign_of_life(self) -> TrainingUpdate | None:
        """For those who know what a heartbeat is."""
        due = time.monotonic() - self._beaten >= self._ticket.heartbeat_seconds
        if not due or not self._told.numbers or self._told.ended:
            return None
        heartbeat = self._directory.heartbeat()
        if heartbeat is None or heartbeat.at_ms <= self._told.beat_ms:
            return None
        return self._update(words((), self._ticket.output), heartbeat=heartbeat)

    def _update(self, said: dict[str, Any], **numbered: Any) -> TrainingUpdate:
        return TrainingUpdate.model_validate(
            {"job_id": self._ticket.job_id, "attempt": self._handle.attempt, **said, **numbered}
        )

    async def _tell(self, update: TrainingUpdate) -> None:
        try:
            self._heed(await self._delivered(update), update)
        except Rejected as error:
            await self._give_up(update, str(error))

    async def _delivered(self, update: TrainingUpdate) -> Answer:
        """Raises Rejected once it is clear that nobody will take it."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Undelivered),
            wait=wait_random_exponential(multiplier=FIRST_REST_SECONDS, max=LONGEST_REST_SECONDS),
            stop=self._lost_patience,
            before_sleep=self._complain,
            reraise=True,
        )
        try:
            answer: Answer = await retrying(self._posted, update)
            self._cease_leaving()
            return answer
        except Undelivered as error:
            raise Rejected(f"it could not be delivered for {self._patience_seconds:g} s: {error}") from None

    async def _posted(self, update: TrainingUpdate) -> Answer:
        await self._look()
        answer = await self._line.post(update if self._ticket.results is None else await self._for_a_platform(update))
        self._require_gain(answer, update)
        return answer

    async def _for_a_platform(self, update: TrainingUpdate) -> TrainingUpdate:
        """Its own fields and no others, and the result where it can read it."""
        results = self._ticket.results
        if update.checkpoint_s3_uri is not None and results is not None and self._result is None:
            self._result = await to_thread.run_sync(self._put, update.checkpoint_s3_uri, results)
        checkpoint = self._result if update.checkpoint_s3_uri is not None else None
        other = {"attempt": None, "events": None, "heartbeat": None}
        return update.model_copy(update={**other, "checkpoint_s3_uri": checkpoint})

    def _lost_patience(self, state: RetryCallState) -> bool:
        return self._gone is not None and (state.seconds_since_start or 0.0) > self._patience_seconds

    def _complain(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        level = logging.WARNING if state.attempt_number in (1, 10) else logging.DEBUG
        _log.log(level, "run %s: cannot tell (%s); trying again", self._handle.name, error)
        if self._left is not None and self._leaving is None:
            self._leaving = asyncio.create_task(self._leave_copies(self._left))

    async def _leave_copies(self, left: LeftBehind) -> None:
        """For as long as nobody is told."""
        while True:
            await self._leave_copy(left)
            await asyncio.sleep(LEAVE_SECONDS)

    async def _leave_to_the_end(self, left: LeftBehind) -> None:
        """Nothing more is told: whoever wants to know looks there. A store that is away is waited for as a listener is."""
        self._cease_leaving()
        ended: float | None = None
        while not await self._leave_copy(left):
            ended = ended or (time.monotonic() if self._gone is not None else None)
            if ended is not None and time.monotonic() - ended > self._patience_seconds:
                return
            await asyncio.sleep(LEAVE_SECONDS)

    async def _leave_copy(self, left: LeftBehind) -> bool:
        """Was it the last one?"""
        try:
            with suppress(Resisting):  # the next one may tell how it ended
                await self._look()
            gone = self._gone
            liveness = gone or Liveness(Vital.ALIVE, heartbeat=self._directory.heartbeat())
            there = await to_thread.run_sync(left.leave, RunReport.of(self._handle, liveness), self._told.acked)
        except Exception:  # whatever it is, the next copy may be left
            _log.exception("run %s: leaving a copy failed in an unexpected way", self._handle.name)
            return False
        return there and gone is not None

    def _cease_leaving(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _require_gain(self, answer: Answer, update: TrainingUpdate) -> None:
        """An answer that leaves everything as it was is no answer: going on at once would only hammer."""
        acked = answer.acked if isinstance(answer, Taken) else None
        if acked is not None and update.events and acked == self._told.acked < update.events[-1].seq:
            raise Undelivered(f"the answer acknowledges {acked}, as before")

    def _heed(self, answer: Answer, update: TrainingUpdate) -> None:
        match answer:
            case Taken(acked, cancel):
                self._taken(update, acked if self._ticket.results is None else None)
                if cancel:
                    self._stop()
            case Expects(seq):
                self._tail.rewind()
                self._note(acked=max(0, seq - 1), numbers=True)
            case Fenced():
                _log.info("run %s: another attempt has taken over, or the job is over; stopping it", self._handle.name)
                self._stop()
                self._note(over=True)

    def _taken(self, update: TrainingUpdate, acked: int | None) -> None:
        said = update.events or ()
        held = acked if acked is not None else said[-1].seq if said else self._told.acked
        if said and held < said[-1].seq:
            self._tail.rewind()
        last = is_last(said[-1]) and held >= said[-1].seq if said else update.status is not TrainingStatus.RUNNING
        if update.heartbeat is not None:
            self._beaten = time.monotonic()
        self._note(
            acked=held,
            beat_ms=update.heartbeat.at_ms if update.heartbeat else self._told.beat_ms,
            numbers=acked is not None if update.numbered and self._ticket.results is None else self._told.numbers,
            ended=self._told.ended or last,
        )

    def _stop(self) -> None:
        """Without waiting: what it says while it leaves is to be told, too."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stopped())

    async def _stopped(self) -> None:
        try:
            await self._keeper.stop(self._handle, _STOP_GRACE)
        except Resisting as error:
            _log.error("run %s: %s", self._handle.name, error)

    def _note(self, **changed: Any) -> None:
        self._told = Told.model_validate({**self._told.model_dump(), **changed})
        self._notes.write_told(self._told)

    def _clear(self) -> None:
        """What only its training needed of the data."""
        for name in (FETCHED, DATASET):
            shutil.rmtree(self._directory.path / name, ignore_errors=True)

    async def _give_up(self, update: TrainingUpdate, reason: str) -> None:
        letter = DeadLetter(
            id=f"{self._handle.job_id}-a{self._handle.attempt}.{self._told.acked}",
            run=f"{self._handle.job_id}-a{self._handle.attempt}",
            at_ms=self._now_ms(),
            reason=reason,
            update=update,
        )
        _log.error("run %s: nobody takes what it says (%s); see GET /dead", self._handle.name, reason)
        await to_thread.run_sync(self._notes.write_dead, letter)
        self._given_up = True
