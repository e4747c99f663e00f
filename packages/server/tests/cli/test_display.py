"""What a training looks like, on a terminal and off it."""

import io
from typing import Any

import pytest
from harness.scripted import event, job
from rich.console import Console
from rich.spinner import Spinner

from eyebright.cli.display import Bars, Display, display, epoch_line, headline, latest, picture
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Progress
from eyebright_wire.jobs import JobState, Stage
from eyebright_wire.resources import EventView

MIDWAY = Progress(
    epoch=3,
    epochs=5,
    step=120,
    steps=200,
    metrics={"loss": 0.23456, "top1": 0.9625},
    images_per_second=71.4,
    eta_seconds=41,
)
TRAINING = job(stage=Stage.TRAINING, progress=MIDWAY)


def drawn(view: Any, width: int = 100, progress: Progress | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(picture(view, progress or view.progress, width, Spinner("dots")))
    return console.file.getvalue().rstrip("\n").split("\n")  # type: ignore[attr-defined]


def finished_epoch(position: int, epoch: int) -> EventView:
    progress = Progress(epoch=epoch, epochs=5, epoch_finished=True, metrics={"loss": 0.5}, images_per_second=70.0)
    return event(position).model_copy(update={"data": progress.model_dump()})


def said_by(shown: Display) -> str:
    return shown.console.file.getvalue()  # type: ignore[attr-defined]


def lines_of(shown: Display) -> list[str]:
    """Without the time of day."""
    return [line.split("  ", 1)[1] for line in said_by(shown).splitlines()]


def plain() -> Display:
    return Display(Console(file=io.StringIO(), width=200))


def test_the_picture_tells_how_far_how_well_and_how_long() -> None:
    first, second = drawn(TRAINING)
    assert "training" in first
    assert "━" in first
    assert "epoch 3/5  step 120/200  0:41 left" in first
    assert second.strip() == "loss 0.2346  top1 0.9625  71 images/s"


def test_what_a_trainer_says_in_its_own_words_stands_beside_what_it_measured() -> None:
    told = Progress(epoch=0, epochs=10, fraction=0.25, note="Unpacking the images", metrics={"loss": 0.5})
    first, second = drawn(TRAINING, progress=told)
    assert "25%" in first
    assert second.strip() == "loss 0.5  Unpacking the images"


def test_off_a_terminal_each_thing_that_a_trainer_says_is_told_once() -> None:
    shown = plain()
    for position, note in enumerate(["Unpacking", "Unpacking", "", "Training"], 1):
        said = Progress(epoch=0, epochs=10, note=note)
        shown.show(event(position).model_copy(update={"data": said.model_dump()}))
    assert lines_of(shown) == ["Unpacking", "Training"]


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80, 200])
def test_the_picture_fits_any_terminal(width: int) -> None:
    lines = drawn(TRAINING, width)
    assert len(lines) == 2
    assert all(len(line) <= width for line in lines)


def test_a_narrow_terminal_gets_words_instead_of_a_bar() -> None:
    assert "━" not in drawn(TRAINING, 59)[0]
    assert "epoch 3/5" in drawn(TRAINING, 59)[0]


def test_a_waiting_job_shows_its_place() -> None:
    (line,) = drawn(job(JobState.QUEUED, queue_position=2))
    assert "queued (number 2 in line)" in line


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (job(JobState.STARTING), "starting"),
        (job(JobState.QUEUED, held=True), "queued (held until it is released)"),
        (job(stage=Stage.EXPORTING), "running: exporting"),
        (job(cancel_requested=True), "running, cancelling"),
        (
            job(JobState.FAILED, reason=ErrorCode.OUT_OF_MEMORY, message="use batch=16"),
            "failed (out_of_memory): use batch=16",
        ),
        (job(JobState.CANCELLED, cancel_requested=True, reason=ErrorCode.USER_CANCELLED), "cancelled (user_cancelled)"),
    ],
)
def test_headlines(view: Any, words: str) -> None:
    assert headline(view) == words


def test_a_report_between_epochs_keeps_what_the_last_epoch_measured() -> None:
    later = Progress(epoch=4, epochs=5, step=130, steps=200, metrics={"loss": 0.2})
    kept = latest(MIDWAY, later)
    assert kept is not None
    assert kept.metrics == {"loss": 0.2, "top1": 0.9625}
    assert kept.images_per_second == 71.4


def test_an_attempt_that_begins_again_keeps_nothing_of_the_one_before() -> None:
    again = Progress(epoch=1, epochs=5)
    assert latest(MIDWAY, again) is again
    assert latest(MIDWAY, None) is None


def test_lines_tell_each_state_and_each_finished_epoch_once() -> None:
    shown = plain()
    progress = Progress(epoch=1, epochs=5).model_dump()
    for item in (
        job(JobState.QUEUED, queue_position=1), job(JobState.QUEUED, queue_position=1, version=2),
        job(stage=Stage.TRAINING), event(1).model_copy(update={"data": progress}), finished_epoch(2, 1), finished_epoch(3, 2),
    ):  # fmt: skip
        shown.show(item)
    assert lines_of(shown) == [
        "queued (number 1 in line)",
        "running: training",
        "epoch 1/5  loss 0.5  70 images/s",
        "epoch 2/5  loss 0.5  70 images/s",
    ]
    assert shown.position == 3


def test_a_view_that_is_older_than_the_events_before_it_is_no_step_back() -> None:
    """The server reads the view first and gives it last."""
    shown = plain()
    training = event(2, "stage").model_copy(update={"data": {"stage": "training"}})
    for item in (
        job(JobState.STARTING), event(1, "started"), training, finished_epoch(3, 1),
        job(JobState.RUNNING, attempt=1), job(stage=Stage.TRAINING, attempt=1, version=7), finished_epoch(4, 2),
        job(JobState.SUCCEEDED, attempt=1, version=9),
    ):  # fmt: skip
        shown.show(item)
    assert lines_of(shown) == [
        "starting",
        "running",
        "running: training",
        "epoch 1/5  loss 0.5  70 images/s",
        "epoch 2/5  loss 0.5  70 images/s",
        "succeeded",
    ]


def test_a_cancel_and_the_next_attempt_are_told_as_soon_as_they_are_seen() -> None:
    shown = plain()
    for item in (
        event(1, "started"), job(JobState.RUNNING, attempt=1, cancel_requested=True),
        job(JobState.STARTING, attempt=2, version=8),
    ):  # fmt: skip
        shown.show(item)
    assert lines_of(shown) == ["running", "running, cancelling", "starting"]


def test_bars_keep_finished_epochs_above_and_say_when_a_job_goes_back() -> None:
    shown = Bars(Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None))
    with shown:
        shown.show(TRAINING)
        shown.show(finished_epoch(1, 3))
        shown.show(job(JobState.QUEUED, reason=ErrorCode.WORKER_LOST, message="the process is gone"))
    assert "  epoch 3/5  loss 0.5  70 images/s" in said_by(shown)
    assert "queued (worker_lost): the process is gone" in said_by(shown)
    assert said_by(shown).endswith(("\x1b[?25h", "\x1b[2K")), "the cursor is back"


def test_progress_of_a_newer_trainer_is_passed_over() -> None:
    shown = plain()
    shown.show(event(5).model_copy(update={"data": {"epoch": "many"}}))
    assert said_by(shown) == ""
    assert shown.position == 5


def test_without_a_terminal_there_are_lines() -> None:
    assert type(display()) is Display


def test_an_epoch_without_numbers_is_still_an_epoch() -> None:
    assert epoch_line(Progress(epoch=1, epochs=2)) == "epoch 1/2"
