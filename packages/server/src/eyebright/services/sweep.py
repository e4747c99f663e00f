"""Keep what the store says true: notice death, hang, silence and lost words, and carry out what was asked for.

Order on loss: fence in the database, then kill, then wait until it is gone; only then does the dispatcher launch again.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from eyebright.core import lifecycle
from eyebright.core.job import Attempt, Job, Run
from eyebright.core.records import changed
from eyebright.core.retry import RetryLimits
from eyebright.core.verdict import Verdict, of_exit
from eyebright.errors import Conflict, InvalidRequest
from eyebright.ports.clock import Clock
from eyebright.ports.executor import Executor
from eyebright.ports.jobs import JobHistory, JobStore, Markers
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright.services.announce import Announcer
from eyebright.services.dispatch import Dispatch
from eyebright.services.finalise import Finaliser
from eyebright.services.ingest import Ingest
from eyebright.services.left_behind import LeftBehind
from eyebright.services.output import Output
from eyebright.services.places import Places, Whose
from eyebright_kit.importing.handover import WORK
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobKind, Stage
from eyebright_wire.left_spool import LeftSpool
from eyebright_wire.runs import Handle, Liveness, Vital

log = structlog.stdlib.get_logger(__name__)

#: The marker that tells a later process when the sweeper last looked: this one for what is nobody's own, `…/PLACE` for a place.
SWEPT = "swept_at_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the sweeper waits before it concludes something; all in seconds."""

    heartbeat: float = 15.0  # how often trainers report; twice this without a word and their spool is read
    hang: float = 1800.0  # alive, but training has not moved
    launch: float = 60.0  # claimed, but no process to be seen
    stop_grace: float = 30.0  # between asking a trainer to stop and killing it
    linger: float = 10.0  # after its last word a process may tidy up for so long
    errand: float = 10.0  # a failed errand, which may have read gigabytes, is tried again after so long
    outage: float = 10.0  # a longer pause between two sweeps was an outage of ours, not of the trainers


class Sweep:
    def __init__(
        self,
        store: JobStore,
        history: JobHistory,
        markers: Markers,
        executors: Mapping[str, Executor],
        ingest: Ingest,
        dispatch: Dispatch,
        places: Places,
        output: Output,
        finaliser: Finaliser,
        objects: ObjectStore,
        clock: Clock,
        announcer: Announcer,
        *,
        patience: Patience,
        limits: RetryLimits,
    ) -> None:
        self._store = store
        self._history = history
        self._markers = markers
        self._executors = executors
        self._ingest = ingest
        self._dispatch = dispatch
        self._places = places
        self._output = output
        self._finaliser = finaliser
        self._objects = objects
        self._left_behind = LeftBehind(objects, clock)
        self._clock = clock
        self._announcer = announcer
        self._patience = patience
        self._limits = limits
        self._booted_at_ms = self._looked_at_ms = clock.now_ms()
        self._leaving: set[Handle] = set()
        self._errands: dict[tuple[str, Handle], asyncio.Task[None]] = {}
        self._resting: dict[tuple[str, Handle], int] = {}  # errands that failed → when to try again

    async def tick(self) -> None:
        """Look after every run once. Slow errands (stopping, verifying) go on in the background.

        All are judged by the time at which the look began: should it take long (a disk that hangs, a laptop that falls asleep),
        what was read before says nothing about the time after, and the next look gives that time back first.
        """
        self._looked_at_ms = self._clock.now_ms()
        await self._places.settled()
        unfinished = await self._store.unfinished()
        await self._places.look(unfinished)
        if await self._credit_outages():
            unfinished = await self._store.unfinished()
        await self._look_after_all(unfinished)

    async def see_off(self) -> None:
        """Look only at those who are leaving: they hold a slot that somebody may be waiting for."""
        unfinished = await self._store.unfinished()
        await self._look_after_all([run for run in unfinished if run.attempt and _handle(run.attempt) in self._leaving])

    @property
    def clock_problem(self) -> str | None:
        """Why we judge nothing but our own runs; None: nothing."""
        return self._places.clock_problem

    @property
    def somebody_leaves(self) -> bool:
        """A trainer has said its last word and its process was still there when we last looked."""
        return bool(self._leaving)

    async def settle(self) -> None:
        """Wait for the errands under way."""
        await asyncio.gather(*self._errands.values(), return_exceptions=True)

    async def close(self) -> None:
        for errand in self._errands.values():
            errand.cancel()
        await self.settle()
        await self._places.close()

    async def _credit_outages(self) -> int:
        """While nobody looked nobody could renew a lease: give the time back before anything may be reaped."""
        home = self._places.home
        extended = await self._credit_outage(f"{SWEPT}/{home}", home)
        return extended + (await self._credit_outage(SWEPT, None) if self._places.leads else 0)

    async def _credit_outage(self, marker: str, place: str | None) -> int:
        now_ms, extended = self._looked_at_ms, 0
        swept_at_ms = await self._markers.read(marker)
        if swept_at_ms is None:
            swept_at_ms = await self._markers.read(SWEPT)  # which older versions keep for all
        gap_ms = now_ms - swept_at_ms if swept_at_ms is not None else 0
        if gap_ms > 1000 * self._patience.outage and (extended := await self._store.credit(gap_ms, place)):
            log.warning("the control plane was away; leases are extended", seconds=gap_ms / 1000, attempts=extended)
        await self._markers.write(marker, now_ms)
        return extended

    async def _look_after_all(self, runs: Iterable[Run]) -> None:
        self._leaving.clear()
        for run in runs:
            try:
                await self._look_after(run)
            except Exception:
                log.exception("could not look after a run; trying again", job=run.job.id, attempt=run.job.attempt)

    async def _look_after(self, run: Run) -> None:
        attempt = run.attempt
        assert attempt is not None
        match self._places.of(attempt):
            case Whose.OTHERS:
                return
            case Whose.NOBODYS:
                await self._look_from_afar(run, attempt)
            case Whose.OURS | Whose.ANYBODYS:
                await self._look_closely(run, attempt)

    async def _look_closely(self, run: Run, attempt: Attempt) -> None:
        if not attempt.live:
            await self._bury(run, attempt)
        elif attempt.claim is not None:
            self._errand("finalise", _handle(attempt), self._finaliser.finalise(run))
        elif not self._dispatch.launching(_handle(attempt)):
            await self._check(run, attempt)

    async def _look_from_afar(self, run: Run, attempt: Attempt) -> None:
        """Nobody sees its process: its own words and its lease are all there is. What it uploaded can be looked at from anywhere,
        but an import prepares its files where it runs."""
        imports = run.job.kind is JobKind.IMPORT
        if not attempt.live:
            await self._write_off(attempt)
        elif attempt.claim is not None and not imports:
            self._errand("finalise", _handle(attempt), self._finaliser.finalise(run))
        elif verdict := await self._overtime(run, attempt) or self._silence(attempt):
            await self._end(_handle(attempt), verdict, claimed=imports)

    async def _write_off(self, attempt: Attempt) -> None:
        """It is fenced, and is told so as soon as it says anything; where its place comes back, that ends it."""
        over_ms = max(attempt.lease_until_ms, attempt.ended_at_ms or 0) + int(1000 * self._patience.stop_grace)
        if self._looked_at_ms > over_ms:
            log.warning("given up with its server", job=attempt.job_id, attempt=attempt.number, place=attempt.place)
            await self._note_gone(_handle(attempt))

    async def _check(self, run: Run, attempt: Attempt) -> None:
        """A live attempt: compare what the executor sees with what we believe."""
        handle = _handle(attempt)
        liveness = await self._executors[attempt.executor].status(handle)
        left = await self._left_of(attempt, liveness)
        liveness = (left and left.liveness) or liveness
        if liveness.vital is Vital.GONE:
            await self._conclude(run, attempt, liveness, left)
            return
        if run.job.cancel_requested:
            self._errand("stop", handle, self._stop(attempt, self._patience.stop_grace))
        attempt = await self._catch_up(attempt, liveness, left)
        verdict = await self._overtime(run, attempt) or self._verdict(run.job, attempt, liveness)
        if verdict is not None:
            await self._end(handle, verdict)

    async def _left_of(self, attempt: Attempt, liveness: Liveness) -> LeftSpool | None:
        """Where neither the trainer is heard nor its place can be asked: what was left of it in the store."""
        if liveness.vital is not Vital.UNKNOWN or not self._is_silent(attempt):
            return None
        return await self._left_behind.of(_handle(attempt))

    def _is_silent(self, attempt: Attempt) -> bool:
        return self._looked_at_ms - attempt.heartbeat_at_ms > 2000 * self._patience.heartbeat

    async def _catch_up(self, attempt: Attempt, liveness: Liveness, left: LeftSpool | None) -> Attempt:
        """A trainer that lives but has not been heard: read for ourselves what it has written down."""
        beat = liveness.heartbeat
        if not self._is_silent(attempt) or beat is None or _may_be_nowhere(attempt, liveness):
            return attempt
        if self._looked_at_ms - beat.at_ms > 2000 * self._patience.heartbeat:
            return attempt  # it is not writing any more either
        await self._replay(attempt, liveness, left)
        return (await self._store.get(attempt.job_id)).attempt or attempt

    async def _overtime(self, run: Run, attempt: Attempt) -> Verdict | None:
        limit, now_ms = run.job.max_duration_seconds, self._looked_at_ms
        if limit is None:
            return None
        attempts = [attempt] if attempt.number == 1 else await self._history.attempts(attempt.job_id)
        if sum(each.ran_ms(now_ms) for each in attempts) <= 1000 * limit:
            return None
        message = f"still running after max_duration_seconds={limit}; raise it or train for fewer epochs"
        return Verdict(ErrorCode.MAX_DURATION_EXCEEDED, message, retryable=False)

    def _verdict(self, job: Job, attempt: Attempt, liveness: Liveness) -> Verdict | None:
        now_ms = self._looked_at_ms
        if liveness.vital is Vital.UNKNOWN and not _heard(attempt) and self._never_launched(attempt):
            return Verdict(ErrorCode.WORKER_LOST, "the trainer process did not appear", retryable=True)
        if lost := self._silence(attempt):
            return lost
        if now_ms - attempt.moved_at_ms > 1000 * self._patience.hang:
            still = (now_ms - attempt.moved_at_ms) // 1000
            return Verdict(ErrorCode.HUNG, f"alive, but {_doing(job)} has not moved for {still} s", retryable=True)
        return None

    def _silence(self, attempt: Attempt) -> Verdict | None:
        now_ms = self._looked_at_ms
        if attempt.lease_until_ms >= now_ms:
            return None
        silent = (now_ms - attempt.heartbeat_at_ms) // 1000
        return Verdict(ErrorCode.WORKER_LOST, f"no sign of life for {silent} s", retryable=True)

    def _never_launched(self, attempt: Attempt) -> bool:
        """No process, and nobody is about to start one: we crashed between claiming and launching. Of what is not ours another
        server may be about to."""
        overdue = self._looked_at_ms - attempt.claimed_at_ms > 1000 * self._patience.launch
        before = attempt.place == self._places.home and attempt.claimed_at_ms < self._booted_at_ms
        return overdue or (attempt.launched_at_ms is None and before)

    async def _conclude(self, run: Run, attempt: Attempt, liveness: Liveness, left: LeftSpool | None) -> None:
        """The process is gone: hear its last words from the spool; without any, judge by the way it went."""
        if attempt.launched_at_ms is None and not self._never_launched(attempt):
            return
        await self._replay(attempt, liveness, left)
        heard = await self._store.get(attempt.job_id)
        if heard.current and heard.attempt and heard.attempt.number == attempt.number and heard.attempt.claim is None:
            job = heard.job
            verdict = of_exit(
                liveness.exit_code, liveness.out_of_memory, liveness.log_tail, kind=job.kind, config=job.resolved
            )
            await self._end(_handle(attempt), verdict)

    async def _replay(self, attempt: Attempt, liveness: Liveness, left: LeftSpool | None) -> None:
        """Refused words are passed over; when they could not be stored this raises, for another try: they may say `succeeded`."""
        handle = _handle(attempt)
        after = attempt.last_seq
        events = left.after(after) if left else await self._executors[attempt.executor].spooled(handle, after)
        try:
            await self._ingest.replay(
                attempt.job_id, attempt.number, events, liveness.heartbeat if not events else None
            )
        except (InvalidRequest, Conflict) as error:
            log.warning("the spool was refused", job=attempt.job_id, attempt=attempt.number, error=str(error))

    async def _end(self, handle: Handle, verdict: Verdict, *, claimed: bool = False) -> None:
        """Unless it has said its last word meanwhile, which `claimed` makes count for nothing."""
        key = (handle.job_id, handle.attempt)
        async with self._store.transaction() as transaction:
            run = (await transaction.lock([key])).get(key)
            if run is None or not run.current or (run.attempt and run.attempt.claim and not claimed):
                return
            now_ms = self._clock.now_ms()
            after = lifecycle.end(
                run, verdict.code, verdict.message, now_ms, limits=self._limits, said_retryable=verdict.retryable
            )
            change = changed(run, after, now_ms)
            await transaction.save([change])
        job = change.after.job
        about = {"job": job.id, "kind": job.kind, "attempt": handle.attempt, "state": job.state}
        log.info("ended", **about, reason=job.reason, message=job.message)
        self._announcer.committed([change])

    async def _bury(self, run: Run, attempt: Attempt) -> None:
        """An ended attempt keeps its slot until nothing of it runs."""
        handle = _handle(attempt)
        liveness = await self._executors[attempt.executor].status(handle)
        if liveness.vital is Vital.GONE:
            self._errand("stop", handle, self._stop(attempt, 0))  # the leader is gone: see that its children are too
            return
        since_ms = self._clock.now_ms() - (attempt.ended_at_ms or 0)
        if _said_last_word(attempt) and since_ms < 1000 * self._patience.linger:
            self._leaving.add(handle)
            return
        self._errand("stop", handle, self._stop(attempt, self._grace(attempt)))

    def _grace(self, attempt: Attempt) -> float:
        """A run that ran out of time may still save a checkpoint; a hung or silent one has had its chance."""
        return self._patience.stop_grace if attempt.outcome == ErrorCode.MAX_DURATION_EXCEEDED else 1.0

    async def _stop(self, attempt: Attempt, grace_seconds: float) -> None:
        handle = _handle(attempt)
        await self._executors[attempt.executor].stop(handle, timedelta(seconds=grace_seconds))
        if await self._is_live(attempt):
            return  # it is looked at again, and cleared before it is gone
        prefix = attempt_prefix(handle.job_id, handle.attempt)
        await self._objects.remove([f"{prefix}{WORK}/"])
        await self._objects.leave(prefix)
        await self._output.leave(attempt)
        await self._note_gone(handle)

    async def _is_live(self, attempt: Attempt) -> bool:
        """Now: one that was asked to leave may have said so meanwhile."""
        now = (await self._store.get(attempt.job_id)).attempt
        return now is not None and now.number == attempt.number and now.live

    async def _note_gone(self, handle: Handle) -> None:
        key = (handle.job_id, handle.attempt)
        async with self._store.transaction() as transaction:
            run = (await transaction.lock([key])).get(key)
            if run is None or run.attempt is None or run.attempt.live or run.attempt.gone_at_ms is not None:
                return  # a live one is judged by `_check`, now that it is gone
            now_ms = self._clock.now_ms()
            change = changed(run, replace(run, attempt=lifecycle.gone(run.attempt, now_ms)), now_ms)
            await transaction.save([change])
        self._announcer.committed([change])

    def _errand(self, what: str, handle: Handle, work: Coroutine[Any, Any, None]) -> None:
        """Run it in the background, once at a time for each run; wake the sweeper when it is done."""
        key = (what, handle)
        if key in self._errands or self._clock.now_ms() < self._resting.get(key, 0):
            work.close()
            return
        task = asyncio.create_task(work)
        self._errands[key] = task
        task.add_done_callback(lambda done: self._errand_done(key, done))

    def _errand_done(self, key: tuple[str, Handle], task: asyncio.Task[None]) -> None:
        del self._errands[key]
        self._resting.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._resting[key] = self._clock.now_ms() + int(1000 * self._patience.errand)
            log.error("an errand failed; it will be tried again", errand=key[0], run=key[1].name, exc_info=error)
        else:
            self._announcer.sweeper.set()


def _handle(attempt: Attempt) -> Handle:
    return Handle(attempt.job_id, attempt.number)


def _heard(attempt: Attempt) -> bool:
    """It has reported: from then on its lease tells whether it lives, even while the executor cannot."""
    return attempt.heartbeat_at_ms > attempt.claimed_at_ms or attempt.last_seq > 0


def _may_be_nowhere(attempt: Attempt, liveness: Liveness) -> bool:
    """Claimed and, as far as is known, not launched: that its foreign service lives is no sign of its own life then."""
    return liveness.vital is Vital.UNKNOWN and attempt.launched_at_ms is None and not _heard(attempt)


def _doing(job: Job) -> str:
    """What it was last heard to be at."""
    where = f" after step {job.progress.step}" if job.progress and job.stage is Stage.TRAINING else ""
    return f"{job.stage or 'the trainer'}{where}"


def _said_last_word(attempt: Attempt) -> bool:
    """It ended by its own statement, so it is about to leave by itself."""
    return attempt.outcome not in {ErrorCode.WORKER_LOST, ErrorCode.HUNG, ErrorCode.MAX_DURATION_EXCEEDED}
