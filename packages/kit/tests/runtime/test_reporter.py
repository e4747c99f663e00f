import math

from eyebright_kit.runtime.reporter import PROGRESS_SECONDS, Reporter
from eyebright_kit.runtime.spool import Spool
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Cancelled, Event, EventKind, Failed, Progress, StageChange
from eyebright_wire.jobs import Stage


class Told:
    """A reporter on a clock that the test moves, and what it told."""

    def __init__(self, spool: Spool) -> None:
        self.events: list[Event] = []
        self.now = 0.0
        self.reporter = Reporter(spool, self.events.append, clock=lambda: self.now)

    def progress(self, step: int, **fields: object) -> None:
        self.reporter.progress(Progress.model_validate({"epoch": 1, "epochs": 2, "step": step, **fields}))

    @property
    def steps(self) -> list[int]:
        return [event.data["step"] for event in self.events if event.kind == EventKind.PROGRESS]


def test_the_first_progress_is_told_at_once(spool: Spool):
    told = Told(spool)
    told.progress(1)
    assert told.steps == [1]


def test_of_a_moment_only_the_latest_is_told(spool: Spool):
    told = Told(spool)
    for step in range(1, 100):
        told.progress(step)
    told.now = PROGRESS_SECONDS
    told.progress(100)
    assert told.steps == [1, 100]
    assert spool.last_seq == 2


def test_a_finished_epoch_is_always_told_and_replaces_what_was_held(spool: Spool):
    told = Told(spool)
    told.progress(1)
    told.progress(2)
    told.progress(3, epoch_finished=True)
    told.progress(4, epoch_finished=True)
    assert told.steps == [1, 3, 4]


def test_held_progress_goes_before_the_next_statement(spool: Spool):
    told = Told(spool)
    told.progress(1)
    told.progress(2)
    told.reporter.say(EventKind.STAGE, StageChange(stage=Stage.EVALUATING))
    assert [event.kind for event in told.events] == ["progress", "progress", "stage"]
    assert told.steps == [1, 2]


def test_held_progress_is_told_when_asked_for_once(spool: Spool):
    told = Told(spool)
    told.progress(1)
    told.progress(2)
    told.reporter.tell_held()
    told.reporter.tell_held()
    assert told.steps == [1, 2]


def test_what_is_no_number_is_left_out_because_json_has_no_word_for_it(spool: Spool):
    told = Told(spool)
    told.progress(1, metrics={"loss": math.nan, "top1": 0.5}, images_per_second=math.inf, eta_seconds=math.nan)
    data = told.events[0].data
    assert data["metrics"] == {"top1": 0.5}
    assert "images_per_second" not in data
    assert "eta_seconds" not in data


def test_nothing_is_said_after_the_last_words(spool: Spool):
    """A thread of the framework's may go on for a moment, and the first end is the one that counts."""
    told = Told(spool)
    told.reporter.say(EventKind.FAILED, Failed(code=ErrorCode.NAN_LOSS, message="diverged"))
    told.progress(1, epoch_finished=True)
    told.progress(2)
    told.reporter.say(EventKind.CANCELLED, Cancelled())
    assert [event.kind for event in told.events] == ["failed"]
    assert spool.last_seq == 1
