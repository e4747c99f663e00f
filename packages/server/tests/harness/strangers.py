"""A model of trainers that number nothing: late, doubled and mixed statements of every attempt, in any order.

The oracles know what was said and what came of it, never how it was decided: what has ended stays ended; the first last word of
the attempt that counts is the only one; nothing that an attempt says changes the job once another has its place; what is said
twice is said once; progress does not go back; and numbers have no holes, whoever has given them.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eyebright.core.pace import fraction
from eyebright.core.retry import RetryLimits
from eyebright.errors import Conflict, EventConflict, EventGap, Fenced, GuardViolated, InvalidRequest
from eyebright.ports.executor import Handle
from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.events import LAST_WORDS, Event
from eyebright_wire.jobs import JobState
from harness.platform import Platform

HANG_SECONDS = 20
NUMBERS = st.one_of(st.sampled_from([0.0, 0.1, 0.5, 1.0, float("nan"), float("inf"), -1.0, 2.0]), st.floats(0, 1))
METRICS = st.dictionaries(st.sampled_from(["epoch", "loss", "map"]), st.one_of(NUMBERS, st.integers(0, 12)))
RUNNING = st.fixed_dictionaries(
    {"status": st.just("running")},
    optional={"progress": NUMBERS, "metrics": METRICS, "message": st.sampled_from(["", "a", "b"])},
)
ENDS = st.sampled_from(
    [
        {"status": "completed", "progress": 1.0},
        {"status": "completed", "metrics": {"epoch": 3, "map": 0.5}},
        {"status": "failed", "error": "CUDA error"},
        {"status": "failed", "error": "no images"},
        {"status": "cancelled"},
    ]
)
#: Which last words a status may come to; who cancels unasked has failed.
WORDS = {
    "running": {None},
    "completed": {"succeeded"},
    "failed": {"failed"},
    "cancelled": {"cancelled", "failed"},
}
#: Most of what is said is no last word, and few are cancelled: a job that has ended has little to show.
UPDATES = st.one_of(*[RUNNING] * 9, ENDS).map(TrainingUpdate.model_validate)
KINDS = st.sampled_from(["started", *["progress"] * 9, "succeeded", "failed"])
SELDOM = st.sampled_from([False] * 7 + [True])


class Strangers(RuleBasedStateMachine):
    """Subclasses say which database: `open_database` gives a fresh one for each example."""

    open_database: Callable[[], Coroutine[Any, Any, Any]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.said: list[tuple[Handle, TrainingUpdate]] = []
        self.ended: JobState | None = None
        self.first_word: dict[int, str] = {}  # attempt -> the last word that it said first, while it counted

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(asyncio.wait_for(work, HANG_SECONDS))

    @initialize()
    def start(self) -> None:
        self.do(self._start())

    async def _start(self) -> None:
        self.database = await type(self).open_database()
        self.platform = Platform(self.database, limits=RetryLimits(failures=1, losses=2))
        await self.platform.add_dataset()
        self.job_id = (await self.platform.submit()).id
        await self.platform.dispatch.tick()

    def teardown(self) -> None:
        try:
            if hasattr(self, "platform"):
                self.do(self.platform.sweep.close())
                self.do(self.database.close())
        finally:
            self.runner.close()

    # ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(data=st.data(), update=UPDATES)
    def say(self, data: st.DataObject, update: TrainingUpdate) -> None:
        handle = data.draw(st.sampled_from(self.handles()))
        self.said.append((handle, update))
        self.deliver(handle, update)

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def say_again(self, data: st.DataObject) -> None:
        """What the network has kept, of any attempt, however old."""
        self.deliver(*data.draw(st.sampled_from(self.said)))

    @rule(data=st.data(), kind=KINDS, ahead=st.integers(-1, 2))
    def number(self, data: st.DataObject, kind: str, ahead: int) -> None:
        """A trainer that numbers its events speaks for the same attempt; often it is wrong about the next number."""
        handle = data.draw(st.sampled_from(self.handles()))
        seq = len(self.events(handle)) + ahead
        if seq >= 1:
            event = Event(seq=seq, kind=kind, at_ms=self.platform.clock.now_ms(), data=self.body(kind))
            carried = TrainingUpdate.model_validate({"status": "running", "events": [event.model_dump()]})
            before = self.run()
            answered = self.tell(handle, carried)
            self.note_the_end(handle, before)
            assert not answered or len(self.events(handle)) >= seq

    @rule(data=st.data(), updates=st.lists(UPDATES, min_size=2, max_size=4))
    def all_at_once(self, data: st.DataObject, updates: list[TrainingUpdate]) -> None:
        handles = self.handles()
        pairs = [(data.draw(st.sampled_from(handles)), update) for update in updates]
        before = self.run()
        for result in self.do(_gather([self.telling(*pair) for pair in pairs])):
            assert result is None or isinstance(result, Fenced | int), result
        self.said += pairs
        self.note_the_end(Handle(self.job_id, before.job.attempt), before)

    def deliver(self, handle: Handle, update: TrainingUpdate) -> None:
        """Once, and at once again: the second time nothing changes."""
        before, known = self.run(), self.word_of(handle)
        answered = self.tell(handle, update)
        after = self.run()
        self.note_the_end(handle, before)
        self.judge(handle, update, before, after, known, answered)
        if answered:
            assert self.tell(handle, update), "what was taken is refused when it is said again"
            again = self.run()
            assert again.job == after.job, "what was said twice counted twice"

    def judge(
        self, handle: Handle, update: TrainingUpdate, before: Any, after: Any, known: Any, answered: bool
    ) -> None:
        counts = before.current and before.job.attempt == handle.attempt
        if counts and known is None:
            assert answered, "the attempt that counts was refused"
            assert after.job.state is not JobState.STARTING, "who speaks has begun"
            assert self.word_of(handle) in WORDS[update.status], "it was heard as something else"
        else:
            assert after.job == before.job, "somebody without a say has changed the job"
        if known is not None:
            assert answered or update.status != "running", "what was overtaken was refused"
        if before.job.progress and after.job.progress and counts:
            assert fraction(after.job.progress) >= fraction(before.job.progress), "progress went back"

    # ── what happens to attempts ─────────────────────────────────────────────────────────────────────────────────────

    @rule(really=SELDOM)
    def lose(self, really: bool) -> None:
        """The process is gone, and what was said must do; then another has its place."""
        run = self.run()
        if not really:
            return
        if run.current:
            self.platform.executor.exit(Handle(self.job_id, run.job.attempt), -9)
        self.turn()
        for _ in range(3):
            self.platform.clock.advance(9)
            self.turn()

    @rule()
    def turn(self) -> None:
        self.do(self.platform.settle(2))
        self.do(self.platform.dispatch.tick())

    @rule(really=SELDOM)
    def cancel(self, really: bool) -> None:
        try:
            if really:
                self.do(self.platform.jobs.cancel(self.job_id))
        except Conflict:
            assert self.run().job.state.final

    # ── what must always be true ─────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def check(self) -> None:
        if not hasattr(self, "platform"):
            return
        job = self.run().job
        assert self.ended in (None, job.state), "a final state was left"
        self.ended = job.state if job.state.final else None
        assert job.message is not None
        for handle in self.handles():
            self.check_events(handle)

    def check_events(self, handle: Handle) -> None:
        events = self.events(handle)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        words = [event.kind for event in events if event.kind in LAST_WORDS]
        assert words in ([], [events[-1].kind] if events else []), "something was said after the last word"
        if first := self.first_word.get(handle.attempt):
            assert words == [first], "a last word was overwritten"
        if "succeeded" in words and self.run().job.attempt == handle.attempt:
            assert self.run().job.state in (JobState.RUNNING, JobState.SUCCEEDED), "a success was overwritten"

    # ── looking at the world ─────────────────────────────────────────────────────────────────────────────────────────

    def tell(self, handle: Handle, update: TrainingUpdate) -> bool:
        """Was it taken? Only these refusals are known."""
        try:
            self.do(self.telling(handle, update))
        except GuardViolated:
            raise
        except (Fenced, EventGap, EventConflict, InvalidRequest):
            return False
        return True

    async def telling(self, handle: Handle, update: TrainingUpdate) -> int:
        token = self.platform.token(handle)
        return (await self.platform.ingest.tell(handle.job_id, handle.attempt, token, update)).acked

    def note_the_end(self, handle: Handle, before: Any) -> None:
        word = self.word_of(handle)
        if word is not None and before.current and before.job.attempt == handle.attempt:
            self.first_word.setdefault(handle.attempt, word)

    def word_of(self, handle: Handle) -> str | None:
        events = self.events(handle)
        return events[-1].kind if events and events[-1].kind in LAST_WORDS else None

    def handles(self) -> list[Handle]:
        return [Handle(spec.job_id, spec.attempt) for spec in self.platform.executor.launches]

    def run(self) -> Any:
        return self.do(self.database.jobs.get(self.job_id))

    def events(self, handle: Handle) -> list[Any]:
        events = self.do(self.database.history.events(handle.job_id, 0, 10_000))
        return [event for event in events if event.attempt == handle.attempt]

    def body(self, kind: str) -> dict[str, Any]:
        bodies = {
            "started": {"pid": 1, "host": "here"},
            "progress": {"epoch": 3, "epochs": 3, "epoch_finished": True, "metrics": {"loss": 0.5}},
            "succeeded": {"artifacts": [], "metrics": {}},
        }
        return bodies.get(kind, {"code": "trainer_error", "message": "CUDA error"})


async def _gather(works: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    return await asyncio.gather(*works, return_exceptions=True)
