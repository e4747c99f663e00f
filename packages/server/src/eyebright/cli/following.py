"""Follow a job on the terminal until it ends, or until the person has seen enough."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import typer

from eyebright.cli.display import Display
from eyebright.cli.program import typed
from eyebright.cli.terminal import interactive, say
from eyebright.client import Client
from eyebright.errors import Conflict, EyebrightError
from eyebright_wire.resources import JobView

LOOK_AGAIN = (
    "It goes on by itself. Look again with `eyebright jobs watch {id}`, stop it with `eyebright jobs cancel {id}`."
)

ONLY_AWAY = "Only the watching waits; the training goes on."
#: On a full disk no news can be kept, and no checkpoint either.
AILING = "The training is taken up again when this is mended."

QUESTION = "Cancel the training? (no: it goes on without you) [y/N]"

#: How often a server whose training is on the screen is asked how it is.
LOOK_SECONDS = 10.0


class LeftRunning(Exception):
    """The person went away and the job goes on; `job` is the last that was seen of it."""

    def __init__(self, job: JobView) -> None:
        super().__init__(LOOK_AGAIN.format(id=job.id))
        self.job = job


def follow(client: Client, job: JobView, display: Display, *, asks: Callable[[], bool] | None = None) -> JobView:
    """The final job. Ctrl-C asks whether to cancel; a second one, or nobody there to be asked, raises LeftRunning.

    `asks` says whether to cancel; it is for tests.
    """
    display.show(job)
    cancelled = False
    while not job.state.final:
        try:
            with display, looked_after(client, display):
                for item in client.watch(job.id, display.position):
                    display.show(item)
                    job = display.job or job
        except KeyboardInterrupt:
            if cancelled or not (asks or wants_cancel)():
                raise LeftRunning(job) from None
            cancelled = True
            job = _cancel(client, job)
    return job


@contextmanager
def looked_after(client: Client, display: Display) -> Iterator[None]:
    """Say what ails the server, once, while it is watched: silence could mean anything."""
    over = threading.Event()
    thread = threading.Thread(target=_look_after, args=(client, display, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def wants_cancel() -> bool:
    """Ask; without a terminal, on another Ctrl-C or at the end of the input the answer is no."""
    if not interactive():
        return False
    try:
        say("")
        return typer.prompt(QUESTION, default="no", show_default=False, value_proc=_yes_or_no, err=True)
    except (KeyboardInterrupt, EOFError, typer.Abort):
        say("")
        return False


def _yes_or_no(answer: str) -> bool:
    said = answer.strip().lower() or "no"
    if said not in {"y", "yes", "n", "no"}:
        raise typer.BadParameter(f"{answer!r} is no answer: y cancels the training, n lets it go on without you")
    return said in {"y", "yes"}


def _cancel(client: Client, job: JobView) -> JobView:
    try:
        cancelled = client.cancel(job.id)
    except Conflict:  # it ended while the person was thinking
        return client.job(job.id)
    say("Cancelling; it writes a last checkpoint first.")
    return cancelled


def _look_after(client: Client, display: Display, over: threading.Event) -> None:
    said = ""
    while not over.wait(LOOK_SECONDS):
        try:
            trouble = _trouble(client)
        except Exception:
            if over.is_set():  # it was asking when everybody left, and the line was cut
                return
            raise
        kind = re.sub(r"[0-9]+", "", trouble)  # however many times it has failed by now
        if trouble and kind != said and not over.is_set():
            display.say(typed(trouble))
            said = kind


def _trouble(client: Client) -> str:
    """What ails it and what that means for the training; nothing if all is well."""
    try:
        client.ready()
    except EyebrightError as error:
        away = isinstance(error.__cause__, httpx.TransportError)
        return f"{error.message.rstrip('.')}. {ONLY_AWAY if away else AILING}"
    return ""
