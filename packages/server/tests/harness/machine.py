"""A model of the whole control plane under a hostile world: late, doubled and forged posts, zombies, crashes, outages.

The oracles know only what the world did (spools, processes, objects), never how the services decide:
an accepted event is the next one of the live attempt's own spool; a succeeded job has the files of its own attempt, and they
are what was announced; no two processes ever train the same job; what has ended stays ended; and in the end every job ends.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from structlog.testing import capture_logs

from eyebright.core.retry import RetryLimits
from eyebright.errors import (
    Conflict,
    EventConflict,
    EventGap,
    EyebrightError,
    Fenced,
    Forbidden,
    GuardViolated,
    InvalidRequest,
    KeyReused,
)
from eyebright.ports.jobs import JobQuery
from eyebright.ports.objects import attempt_prefix
from eyebright_wire.events import Event, Heartbeat
from eyebright_wire.jobs import JobState
from eyebright_wire.runs import Handle, Vital
from harness.platform import Platform

#: Of real time; a step takes milliseconds.
HANG_SECONDS = 20
LIMITS = RetryLimits(failures=1, losses=2, preemptions=3, barren=2)
REFUSALS = (Conflict, Fenced, EventGap, EventConflict, Forbidden, InvalidRequest, KeyReused)
KINDS = st.sampled_from(["progress", "checkpoint", "progress", "preempted", "failed", "succeeded"])
FAILURES = [("trainer_error", True), ("trainer_error", False), ("storage_error", None), ("config_invalid", None)]


class ControlPlane(RuleBasedStateMachine):
    """Subclasses say which database: `open_database` gives a fresh one for each example."""

    open_database: Callable[[], Coroutine[Any, Any, Any]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.bodies: dict[str, str] = {}  # idempotency key -> dataset label that the first order carried
        self.job_of: dict[str, str] = {}
        self.ended: dict[str, JobState] = {}
        self.held: set[str] = set()  # nobody has let them begin
        self.cancelled_at: dict[str, int] = {}  # job -> attempts it had when it was cancelled
        self.heard: dict[str, int] = {}  # job -> version that the subscriber heard last
        self.deaf = 0  # so many messages will not be heard

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run it; what a loop would only log as an error is a failure here."""
        with capture_logs() as logs:
            result = self.runner.run(asyncio.wait_for(work, HANG_SECONDS))
        errors = [entry for entry in logs if entry["log_level"] == "error" and entry.get("subscriber") != "ear"]
        assert not errors, errors
        return result

    @initialize()
    def start(self) -> None:
        self.do(self._start())

    async def _start(self) -> None:
        self.database = await type(self).open_database()
        self.platform = Platform(self.database, limits=LIMITS)
        self.platform.subscribers["ear"] = self
        await self.platform.add_dataset()
        for key in "ab":
            self.job_of[key] = (await self.platform.submit(key=key, labels={"body": "x"})).id
            self.bodies[key] = "x"
        await self.platform.sweep.tick()
        await self.platform.dispatch.tick()

    def teardown(self) -> None:
        try:
            if hasattr(self, "platform"):
                self.do(self._finish_everything())
                self.check()
        finally:
            if hasattr(self, "platform"):
                self.do(self.platform.sweep.close())
                self.do(self.database.close())
            self.runner.close()

    async def notify(self, message: Any) -> None:
        """The subscriber: every version of a job, in order, none left out; a repetition is allowed."""
        if self.deaf:
            self.deaf -= 1
            raise ConnectionError
        last = self.heard.get(message.job_id, 0)
        assert message.version <= last + 1, f"{message.job_id}: heard version {message.version} after {last}"
        self.heard[message.job_id] = max(last, message.version)

    # ── what users do ────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(key=st.sampled_from("abcd"), body=st.sampled_from("xy"), held=st.booleans())
    def submit(self, key: str, body: str, held: bool) -> None:
        try:
            view = self.do(self.platform.submit(key=key, held=held, labels={"body": body}))
        except KeyReused:
            assert self.bodies[key] != body, "the same order was refused"
            return
        assert self.bodies.setdefault(key, body) == body, "another order was taken under the same key"
        if held and key not in self.job_of:
            self.held.add(view.id)
        assert self.job_of.setdefault(key, view.id) == view.id, "one order became two jobs"

    @precondition(lambda self: self.job_of)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.job_of.values())))
        try:
            view = self.do(self.platform.jobs.release(job_id))
        except Conflict:
            assert self.ended.get(job_id) is JobState.CANCELLED, "a job that was not cancelled could not be released"
            return
        assert not view.held
        self.held.discard(job_id)

    @precondition(lambda self: self.job_of)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.job_of.values())))
        try:
            view = self.do(self.platform.jobs.cancel(job_id))
        except Conflict:
            assert job_id in self.ended, "a job that has not ended could not be cancelled"
            return
        self.cancelled_at.setdefault(job_id, view.attempt)

    # ── what the control plane does ──────────────────────────────────────────────────────────────────────────────────

    @rule()
    def dispatch(self) -> None:
        self.do(self.platform.dispatch.tick())

    @rule()
    def sweep(self) -> None:
        self.do(self.platform.settle(1))

    @rule(crash=st.booleans(), deaf=st.sampled_from([0, 0, 1, 3]))
    def relay(self, crash: bool, deaf: int) -> None:
        outbox = self.database.outbox
        self.deaf = deaf
        if not crash:
            self.do(self.platform.relay.tick())
            return

        class Dies:
            """Delivers, then dies before it can write that down."""

            pending = outbox.pending

            async def delivered(self, messages: Any) -> None:
                raise ConnectionAbortedError

        self.platform.relay._outbox = Dies()
        try:
            self.do(self.platform.relay.tick())
        except ConnectionAbortedError:
            pass
        finally:
            self.platform.relay._outbox = outbox

    @rule()
    def crash(self) -> None:
        self.platform.restart()

    @rule(seconds=st.sampled_from([1, 8, 31, 301]))
    def time_passes(self, seconds: int) -> None:
        """The control plane is at work all the while, so nothing is an outage."""
        for _ in range(max(1, seconds // 8)):
            self.platform.clock.advance(min(8, seconds))
            self.do(self.platform.settle(1))

    @rule(on_disk=st.booleans())
    def outage(self, on_disk: bool) -> None:
        """A day without us: no trainer may lose its attempt for it, whether it can tell us through a disk or only later."""
        before = [h for h in self.alive() if self.is_current(h) and not self.run_of(h).job.cancel_requested]
        self.platform.clock.advance(86_400)
        for handle in before if on_disk else []:
            self.write_heartbeat(handle)
        self.platform.restart()
        self.do(self.platform.settle(1))
        for handle in before:
            spoke = any(event.kind in {"failed", "preempted", "cancelled", "succeeded"} for event in self.spool(handle))
            assert spoke or self.is_current(handle), f"{handle.name} was reaped for our own absence"

    @precondition(lambda self: self.alive())
    @rule(data=st.data())
    def fall_silent(self, data: st.DataObject) -> None:
        """Alive, but nothing is heard of it, nor written: its lease runs out."""
        handle = data.draw(st.sampled_from(self.alive()))
        for _ in range(10):
            self.platform.clock.advance(8)
            self.do(self.platform.settle(1))
        assert not self.is_current(handle), "a silent trainer kept its attempt"

    @rule(times=st.integers(1, 6), code=st.sampled_from([-9, 83, 75]))
    def bad_hour(self, times: int, code: int) -> None:
        """Whatever starts is killed, again and again."""
        for _ in range(times):
            self.do(self.platform.dispatch.tick())
            for handle in self.alive():
                self.platform.executor.exit(handle, code)
            self.do(self.platform.settle(2))
            for _ in range(2):
                self.platform.clock.advance(9)
                self.do(self.platform.sweep.tick())

    # ── what trainers do ─────────────────────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: self.handles())
    @rule(data=st.data(), kinds=st.lists(KINDS, min_size=1, max_size=4))
    def trainer_writes(self, data: st.DataObject, kinds: list[str]) -> None:
        """Any attempt, even a zombie, goes on writing its spool; a post is another matter."""
        handle = self.some_handle(data)
        for kind in kinds:
            spool = self.spool(handle)
            if any(event.kind in {"failed", "preempted"} for event in spool):
                return
            said = kind if spool else "started"
            self.platform.event(handle, said, **self.body(handle, said, data))

    @precondition(lambda self: self.handles())
    @rule(data=st.data(), rots=st.booleans())
    def trainer_succeeds(self, data: st.DataObject, rots: bool) -> None:
        """It says everything that it has to say, up to success; what it left may rot before anybody has looked."""
        handle = self.some_handle(data)
        if not self.is_current(handle) or "succeeded" in [event.kind for event in self.spool(handle)]:
            return
        if not self.spool(handle):
            self.platform.event(handle, "started", pid=1, host="here")
        self.platform.event(handle, "succeeded", **self.platform.leave(handle))
        try:
            self.do(self.platform.post(handle, *self.spool(handle)))
        except GuardViolated:
            raise
        except REFUSALS:
            return
        if rots:
            key = attempt_prefix(handle.job_id, handle.attempt) + "model.json"
            self.platform.objects.bytes[key] = b"rotten!"  # as long as it was

    @precondition(lambda self: self.alive())
    @rule(data=st.data())
    def finish_unheard(self, data: st.DataObject) -> None:
        """It succeeds and leaves while the network is down: what it wrote down must count."""
        handle = data.draw(st.sampled_from(self.alive()))
        said = [event.kind for event in self.spool(handle)]
        if not self.is_current(handle) or {"failed", "preempted", "succeeded"} & set(said):
            return
        for kind in ["succeeded"] if said else ["started", "succeeded"]:
            self.platform.event(handle, kind, **self.body(handle, kind, data))
        self.platform.executor.exit(handle, 0)
        self.do(self.platform.settle(3))
        assert self.run_of(handle).job.state is JobState.SUCCEEDED, "its last word was not heard"

    @precondition(lambda self: any(self.spool(handle) for handle in self.handles()))
    @rule(data=st.data(), count=st.integers(1, 3))
    def deliver(self, data: st.DataObject, count: int) -> None:
        """The network brings any part of any spool: late, twice, out of order."""
        handle = data.draw(st.sampled_from([handle for handle in self.handles() if self.spool(handle)]))
        spool = self.spool(handle)
        first = data.draw(st.integers(0, len(spool) - 1))
        batch = spool[first : first + count]
        run = self.run_of(handle)
        known = len(self.stored(handle))
        try:
            ack = self.do(self.platform.post(handle, *batch))
        except GuardViolated:
            raise  # the rules let something through that only the database caught
        except REFUSALS:
            assert batch[-1].seq > known, "a repetition of what is stored was refused"
            return
        if ack.acked > known:
            assert run.job.attempt == handle.attempt, "an event of a stale attempt was accepted"
            assert not run.job.state.final, "an event was accepted after the end"
            assert batch[0].seq <= known + 1, "a hole was accepted"
        assert ack.acked >= batch[-1].seq

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), kind=st.sampled_from(["progress", "failed"]))
    def talk_on(self, data: st.DataObject, kind: str) -> None:
        """A broken trainer says that it succeeded, and then goes on."""
        handle = data.draw(st.sampled_from(self.alive()))
        if len(self.spool(handle)) != len(self.stored(handle)):
            return
        begin = [] if self.spool(handle) else ["started"]
        for said in (*begin, "succeeded", kind):
            event = self.platform.event(handle, said, **self.body(handle, said, data))
            try:
                self.do(self.platform.post(handle, event))
            except GuardViolated:
                raise
            except REFUSALS:
                return

    @precondition(lambda self: self.handles())
    @rule(data=st.data())
    def forge(self, data: st.DataObject) -> None:
        handle = self.some_handle(data)
        event = Event(
            seq=len(self.stored(handle)) + 1, kind="failed", at_ms=1, data={"code": "nan_loss", "message": "x"}
        )
        try:
            self.do(self.platform.ingest.accept(handle.job_id, handle.attempt, "forged", [event]))
        except Forbidden:
            return
        raise AssertionError("a forged token was accepted")

    @precondition(lambda self: any(self.stored(handle) for handle in self.handles()))
    @rule(data=st.data())
    def contradict(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from([handle for handle in self.handles() if self.stored(handle)]))
        event = self.spool(handle)[0].model_copy(update={"data": {"pid": 666, "host": "elsewhere"}})
        try:
            self.do(self.platform.post(handle, event))
        except EventConflict:
            return
        raise AssertionError("another body under a stored number was accepted")

    @precondition(lambda self: self.handles())
    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        handle = self.some_handle(data)
        now_ms = self.platform.clock.now_ms()
        current = self.is_current(handle)
        try:
            beat = Heartbeat(at_ms=now_ms, moved_at_ms=now_ms)
            self.do(self.platform.ingest.beat(handle.job_id, handle.attempt, self.platform.token(handle), beat))
        except Fenced:
            return
        assert current, "the heartbeat of a fenced attempt was welcome"

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), code=st.sampled_from([0, 1, 83, -9, None]))
    def die(self, data: st.DataObject, code: int | None) -> None:
        self.platform.executor.exit(data.draw(st.sampled_from(self.alive())), code)

    @precondition(lambda self: self.handles())
    @rule(data=st.data())
    def everything_at_once(self, data: st.DataObject) -> None:
        """A post, a cancel, a sweep and a claim race."""
        handle = self.some_handle(data)
        cancels = data.draw(st.booleans())
        batch = self.spool(handle)[-2:]
        works: list[Coroutine[Any, Any, Any]] = [self.platform.settle(1), self.platform.dispatch.tick()]
        if batch:
            works += [self.platform.post(handle, *batch), self.platform.post(handle, *batch)]
        if cancels:
            works.append(self.platform.jobs.cancel(handle.job_id))
        for result in self.do(_gather(works)):
            if isinstance(result, GuardViolated) or (
                isinstance(result, BaseException) and not isinstance(result, REFUSALS)
            ):
                raise result
        if cancels and not self.run_of(handle).job.state.final:
            self.cancelled_at.setdefault(handle.job_id, self.run_of(handle).job.attempt)

    # ── what must always be true ─────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def check(self) -> None:
        if hasattr(self, "platform"):
            self.do(self._check())

    async def _check(self) -> None:
        for job in await self.database.jobs.find(JobQuery(limit=100)):
            await self._check_job(job)
        running = [handle.job_id for handle in self.alive()]
        assert len(running) == len(set(running)), "two processes train the same job"

    async def _check_job(self, job: Any) -> None:
        history = self.database.history
        if job.id in self.ended:
            assert job.state is self.ended[job.id], "a final state was left"
        elif job.state.final:
            self.ended[job.id] = job.state
        attempts = await history.attempts(job.id)
        assert job.held == (job.id in self.held and not job.state.final), "held without having been asked to, or let go"
        assert not (job.held and attempts), "a job began that nobody had released"
        live = [attempt.number for attempt in attempts if attempt.live]
        assert live == ([job.attempt] if job.state.live else []), f"live attempts {live} of a job that is {job.state}"
        assert [attempt.number for attempt in attempts] == list(range(1, job.attempt + 1))
        if job.id in self.cancelled_at:
            assert job.attempt <= self.cancelled_at[job.id], "a cancelled job was started again"
        launches = [handle for handle in self.handles() if handle.job_id == job.id]
        allowed = 1 + LIMITS.failures + LIMITS.losses + LIMITS.preemptions
        assert len(launches) <= allowed, f"launched {len(launches)} times"
        await self._check_events(job, attempts)
        await self._check_outcome(job, attempts)

    async def _check_events(self, job: Any, attempts: list[Any]) -> None:
        events = await self.database.history.events(job.id, 0, 10_000)
        assert [event.position for event in events] == list(range(1, job.events + 1))
        for attempt in attempts:
            mine = [event for event in events if event.attempt == attempt.number]
            written = self.spool(Handle(job.id, attempt.number))[: len(mine)]
            told = [(event.seq, event.kind, event.at_ms, dict(event.data)) for event in mine]
            assert told == [(e.seq, e.kind, e.at_ms, e.data) for e in written], "stored events differ from the spool"
            assert attempt.last_seq == len(mine)
            assert "succeeded" not in [event.kind for event in mine[:-1]], "something was accepted after the last word"

    async def _check_outcome(self, job: Any, attempts: list[Any]) -> None:
        artifacts = await self.database.history.artifacts(job.id)
        models = [model for model in await self.database.models.list(limit=100) if model.job_id == job.id]
        if job.state is not JobState.SUCCEEDED:
            assert not artifacts
            assert not models
            return
        assert [attempt.outcome for attempt in attempts].count("succeeded") == 1
        assert attempts[-1].outcome == "succeeded"
        assert [(model.id, model.attempt) for model in models] == [(job.model_id, job.attempt)]
        assert artifacts
        for artifact in artifacts:
            assert artifact.attempt == job.attempt, "an artifact of another attempt"
            found = self.platform.objects.bytes[attempt_prefix(job.id, job.attempt) + artifact.ref.path]
            assert hashlib.sha256(found).hexdigest() == artifact.ref.sha256, "a model with other bytes than announced"

    async def _finish_everything(self) -> None:
        """Liveness: once the world behaves and nothing is held back, every job ends, and everybody has heard."""
        for job_id in self.held - self.ended.keys():
            await self.platform.jobs.release(job_id)
        self.held.clear()
        for _ in range(40):
            await self.platform.dispatch.tick()
            for handle in self.alive():
                await self._train_to_the_end(handle)
            for _ in range(2):
                self.platform.clock.advance(9)
                await self.platform.settle(2)
            self.platform.clock.advance(9)
            jobs = await self.database.jobs.find(JobQuery(limit=100))
            if all(job.state.final for job in jobs):
                break
            await self._wait_for_retry()
        stuck = [(job.id, str(job.state), job.reason) for job in jobs if not job.state.final]
        assert not stuck, f"never ended: {stuck}"
        self.deaf = 0
        for _ in range(100):
            if not await self.platform.relay.tick():
                break
        assert self.heard == {job.id: job.version for job in jobs}, "somebody was not told everything"

    async def _wait_for_retry(self) -> None:
        for _ in range(3):
            self.platform.clock.advance(9)
            await self.platform.sweep.tick()

    async def _train_to_the_end(self, handle: Handle) -> None:
        spool = self.spool(handle)
        try:
            if not spool:
                self.platform.event(handle, "started", pid=1, host="here")
            if not any(event.kind in {"failed", "preempted", "succeeded"} for event in spool):
                self.platform.event(handle, "succeeded", **self.platform.leave(handle))
            await self.platform.post(handle, *self.spool(handle))
        except GuardViolated:
            raise
        except EyebrightError:
            pass
        self.platform.executor.exit(handle, 0)

    # ── looking at the world ─────────────────────────────────────────────────────────────────────────────────────────

    def handles(self) -> list[Handle]:
        if not hasattr(self, "platform"):
            return []
        return [Handle(spec.job_id, spec.attempt) for spec in self.platform.executor.launches]

    def alive(self) -> list[Handle]:
        runs = self.platform.executor.runs if hasattr(self, "platform") else {}
        return [handle for handle, liveness in runs.items() if liveness.vital is Vital.ALIVE]

    def some_handle(self, data: st.DataObject) -> Handle:
        return data.draw(st.sampled_from(self.handles()))

    def spool(self, handle: Handle) -> list[Event]:
        return self.platform.executor.spools.get(handle, [])

    def run_of(self, handle: Handle) -> Any:
        return self.do(self.database.jobs.get(handle.job_id))

    def is_current(self, handle: Handle) -> bool:
        run = self.run_of(handle)
        return run.current and run.job.attempt == handle.attempt

    def stored(self, handle: Handle) -> list[Any]:
        events = self.do(self.database.history.events(handle.job_id, 0, 10_000))
        return [event for event in events if event.attempt == handle.attempt]

    def write_heartbeat(self, handle: Handle) -> None:
        now_ms = self.platform.clock.now_ms()
        self.platform.executor.beat(handle, Heartbeat(at_ms=now_ms, moved_at_ms=now_ms))

    def body(self, handle: Handle, kind: str, data: st.DataObject) -> dict[str, Any]:
        if kind == "started":
            return {"pid": 1, "host": "here"}
        if kind == "progress":
            return {"epoch": 1, "epochs": 3, "metrics": {"loss": 0.5}}
        if kind == "checkpoint":
            manifest = {"path": "checkpoints/1.json", "size_bytes": 1, "sha256": "c" * 64, "kind": "checkpoint"}
            return {"manifest": manifest, "epoch": 1, "step": 1}
        if kind == "failed":
            code, retryable = data.draw(st.sampled_from(FAILURES))
            return {"code": code, "message": "no", "retryable": retryable}
        return self.platform.leave(handle) if kind == "succeeded" else {}


async def _gather(works: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    return await asyncio.gather(*works, return_exceptions=True)
