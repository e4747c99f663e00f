"""What a training looks like while it runs: bars on a terminal, plain lines anywhere else."""

import sys
from datetime import datetime
from typing import Self

from pydantic import ValidationError
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from eyebright.cli.terminal import duration, metrics_line, notes, number, size, state_text
from eyebright.core.pace import fraction
from eyebright_wire.events import EventKind, Progress, Unit
from eyebright_wire.jobs import JobState
from eyebright_wire.resources import EventView, JobView

#: Below this many columns the bar gives way to the words.
NARROW = 60


class Display:
    """Takes every item of a watch. `position` is the newest event shown, `job` the newest view of the job.

    On its own it prints plain lines: one per change of state or stage and one per finished epoch. While an attempt runs its
    events tell of it, because only they come in order: a view that is seen after them may be older than they are.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or notes()
        self.job: JobView | None = None
        self.position = 0
        self._said = ""
        self._heard = 0  # the newest attempt whose events were shown

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, item: JobView | EventView) -> None:
        if isinstance(item, JobView):
            self.job = item
            self._show_job(item)
        else:
            self.position = item.position
            self._show_event(item)

    def _show_job(self, job: JobView) -> None:
        if not job.state.live or job.attempt > self._heard or job.cancel_requested:
            self._say_once(headline(job))

    def _show_event(self, event: EventView) -> None:
        self._heard = event.attempt
        if turn := turning_point(event):
            self._say_once(turn)
        elif line := milestone(event):
            self.say(line)
        elif note := note_of(event):
            self._say_once(note)

    def _say_once(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self.say(line)

    def say(self, line: str) -> None:
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        self.console.print(f"{now}  {line}", soft_wrap=True)


class Bars(Display):
    """A live picture of the last lines; finished epochs stay above it and scroll away with everything else."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._live: Live | None = None
        self._spinner = Spinner("dots")
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        self._live = Live(
            get_renderable=self._picture,
            console=self.console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
        )
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show_job(self, job: JobView) -> None:
        self._progress = latest(self._progress, job.progress)
        if job.state is JobState.QUEUED and job.reason:  # on its way back into the queue: worth a line that stays
            super()._show_job(job)

    def _show_event(self, event: EventView) -> None:
        """The picture itself tells the stage."""
        if line := milestone(event):
            self.say(line)

    def say(self, line: str) -> None:
        self.console.print(f"  {line}", soft_wrap=True)

    def _picture(self) -> RenderableType:
        if self.job is None:
            return self._spinner
        return picture(self.job, self._progress, self.console.width, self._spinner)


def display() -> Display:
    """The one that fits where stderr goes."""
    return Bars() if sys.stderr.isatty() and not notes().is_dumb_terminal else Display()


#: What is said of a job that was ordered and is not to begin yet.
HELD = "held until it is released"


def headline(job: JobView) -> str:
    """The state in words: `queued (2nd in line)`, `running: training`, `failed (out_of_memory): …`."""
    words = str(job.state)
    if job.state is JobState.QUEUED and job.queue_position:
        words += f" (number {job.queue_position} in line)"
    if job.held:
        words += f" ({HELD})"
    if job.state is JobState.RUNNING and job.stage:
        words += f": {job.stage}"
    if job.reason:
        words += f" ({job.reason})"
    if job.message:
        words += f": {job.message}"
    return words + (", cancelling" if job.cancel_requested and not job.state.final else "")


def turning_point(event: EventView) -> str:
    """The headline from this event on, if it changes state or stage: `running: training`."""
    if event.kind == EventKind.STARTED:
        return str(JobState.RUNNING)
    return f"{JobState.RUNNING}: {event.data.get('stage', '')}" if event.kind == EventKind.STAGE else ""


def milestone(event: EventView) -> str:
    """A line for what deserves one: a finished epoch. Everything else is shown by the job itself or not at all."""
    progress = progress_of(event)
    return epoch_line(progress) if progress and progress.epoch_finished else ""


def note_of(event: EventView) -> str:
    """What the trainer says that it is at, in its own words."""
    progress = progress_of(event)
    return (progress and progress.note) or ""


def progress_of(event: EventView) -> Progress | None:
    if event.kind != EventKind.PROGRESS:
        return None
    try:
        return Progress.model_validate(event.data)
    except ValidationError:  # from a newer trainer: not ours to judge
        return None


def counted(progress: Progress) -> str:
    """How far something that is no training is: `120/1797 images`, `1.5/20.1 GB`."""
    done, total = progress.step, progress.steps
    if progress.unit is Unit.BYTES:
        return f"{size(done)} of {size(total)}" if total else size(done)
    return f"{done}{'' if total is None else f'/{total}'} {progress.unit or ''}".rstrip()


def epoch_line(progress: Progress) -> str:
    if progress.unit is not None:
        return counted(progress)
    speed = f"{progress.images_per_second:.0f} images/s" if progress.images_per_second else ""
    return "  ".join(part for part in (_epoch(progress), metrics_line(progress.metrics), speed, progress.note) if part)


def latest(before: Progress | None, now: Progress | None) -> Progress | None:
    """What is known by now: a report between two epochs measures less than one at an epoch's end, which stays in sight."""
    if before is None or now is None or (now.epoch, now.step) < (before.epoch, before.step):
        return now
    return now.model_copy(
        update={
            "metrics": {**before.metrics, **now.metrics},
            "images_per_second": now.images_per_second or before.images_per_second,
        }
    )


def picture(job: JobView, progress: Progress | None, width: int, spinner: Spinner) -> RenderableType:
    """Two lines: how far, and how well."""
    if not job.state.live or progress is None:
        return Group(_row(spinner, Text(headline(job))))
    first = [spinner, state_text(job.stage or job.state)]
    if width >= NARROW:
        first.append(_bar(fraction(progress), width))
    first.append(Text(_where(progress)))
    second = Text(f"  {_how(progress)}", style="dim", no_wrap=True, overflow="ellipsis")
    return Group(_row(*first), second)


def _bar(done: float, width: int) -> ProgressBar:
    long = max(10, min(40, width - 56))
    return ProgressBar(total=1.0, completed=done, width=long, complete_style="cyan", finished_style="green")


def _row(*cells: RenderableType) -> Table:
    row = Table.grid(padding=(0, 1))
    for _ in cells:
        row.add_column(no_wrap=True, overflow="ellipsis")
    row.add_row(*cells)
    return row


def _where(progress: Progress) -> str:
    """`epoch 3/5  step 120/225  0:41 left`; `50%` where no epoch is told."""
    if progress.unit is not None:
        return counted(progress)
    steps = f"/{progress.steps}" if progress.steps else ""
    parts = [_epoch(progress)]
    if progress.step:
        parts.append(f"step {progress.step}{steps}")
    if progress.eta_seconds is not None:
        parts.append(f"{duration(progress.eta_seconds)} left")
    return "  ".join(parts)


def _epoch(progress: Progress) -> str:
    return f"epoch {progress.epoch}/{progress.epochs}" if progress.epoch else f"{fraction(progress):.0%}"


def _how(progress: Progress) -> str:
    speed = f"{number(round(progress.images_per_second))} images/s" if progress.images_per_second else ""
    return "  ".join(part for part in (metrics_line(progress.metrics), speed, progress.note) if part)
