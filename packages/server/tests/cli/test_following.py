"""Ctrl-C while a training is on the screen: it is never stopped without being asked for."""

import io
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import typer
from harness.scripted import event, job

from eyebright.cli import following
from eyebright.cli.display import Display
from eyebright.cli.following import LeftRunning, follow, wants_cancel
from eyebright.client.transport import no_answer
from eyebright.errors import Conflict, Unavailable
from eyebright_wire.jobs import JobState

RUNNING, DONE, CANCELLED = job(), job(JobState.SUCCEEDED, version=9), job(JobState.CANCELLED, version=9)
CTRL_C = KeyboardInterrupt()


class Watched:
    """A client whose watches give what the test says, Ctrl-C included."""

    def __init__(self, *watches: list[Any]) -> None:
        self.watches = list(watches)
        self.began: list[int] = []
        self.cancelled = 0
        self.refusal: Exception | None = None
        self.ailing = False
        self.looks = 0

    def watch(self, job_id: str, after: int = 0) -> Iterator[Any]:
        self.began.append(after)
        for item in self.watches.pop(0):
            if isinstance(item, BaseException):
                raise item
            yield item

    def cancel(self, job_id: str) -> Any:
        self.cancelled += 1
        if self.refusal:
            raise self.refusal
        return job(cancel_requested=True)

    def job(self, job_id: str) -> Any:
        return DONE

    def ready(self) -> None:
        if self.ailing:
            self.looks += 1
            raise Unavailable(
                f"the server is unavailable: sweeper: failed {self.looks} times in a row: the disk is full"
            )


def yes() -> bool:
    return True


def no() -> bool:
    return False


def test_a_job_is_followed_to_its_end() -> None:
    client = Watched([RUNNING, event(1), DONE])
    assert follow(client, RUNNING, Display()) == DONE


def test_a_job_that_has_ended_is_not_watched() -> None:
    client = Watched()
    assert follow(client, DONE, Display()) == DONE
    assert not client.began


def test_yes_cancels_and_goes_on_watching_where_it_was() -> None:
    client = Watched([RUNNING, event(7), CTRL_C], [CANCELLED])
    assert follow(client, RUNNING, Display(), asks=yes) == CANCELLED
    assert client.cancelled == 1
    assert client.began == [0, 7]


def test_no_leaves_it_running_and_says_how_to_look_again() -> None:
    client = Watched([RUNNING, CTRL_C])
    with pytest.raises(LeftRunning, match="eyebright jobs watch job_1") as left:
        follow(client, RUNNING, Display(), asks=no)
    assert left.value.job == RUNNING
    assert client.cancelled == 0


def test_a_second_ctrl_c_leaves_a_job_that_is_being_cancelled() -> None:
    client = Watched([RUNNING, CTRL_C], [CTRL_C])
    with pytest.raises(LeftRunning):
        follow(client, RUNNING, Display(), asks=yes)
    assert client.cancelled == 1


def test_a_job_that_ended_while_the_person_was_thinking_is_shown() -> None:
    client = Watched([RUNNING, CTRL_C])
    client.refusal = Conflict("it has already succeeded")
    assert follow(client, RUNNING, Display(), asks=yes) == DONE


@pytest.mark.parametrize("answer", [RuntimeError("the client has been closed"), Unavailable("the disk is full")])
def test_an_answer_that_comes_when_everybody_has_left_is_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: Exception
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.0)
    over = threading.Event()

    class Leaving(Watched):
        def ready(self) -> None:
            over.set()
            raise answer

    following._look_after(Leaving(), Display(), over)
    assert capsys.readouterr().err == ""


def test_a_server_that_ails_is_told_once_instead_of_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.001)
    told = threading.Event()
    said: list[str] = []

    class Telling(Display):
        def say(self, line: str) -> None:
            said.append(line)
            if "disk is full" in line:
                told.set()

    class Silent(Watched):
        def watch(self, job_id: str, after: int = 0) -> Iterator[Any]:
            yield RUNNING
            assert told.wait(30)
            assert not threading.Event().wait(0.05)  # many looks later
            yield DONE

    client = Silent()
    client.ailing = True
    assert follow(client, RUNNING, Telling()) == DONE
    assert sum("disk is full" in line for line in said) == 1


def test_while_the_server_is_away_only_the_watching_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr("eyebright.cli.program.program", lambda: "bin/eyebright")
    over = threading.Event()
    said: list[str] = []

    class Telling(Display):
        def say(self, line: str) -> None:
            said.append(line)
            over.set()

    class Away(Watched):
        def ready(self) -> None:
            url, refused = "http://127.0.0.1:1", httpx.ConnectError("refused")
            raise Unavailable(no_answer(url, refused)) from refused

    following._look_after(Away(), Telling(), over)
    start = "Is the server running? Start it with `bin/eyebright serve`."
    goes_on = "Only the watching waits; the training goes on."
    assert said == [f"no answer from http://127.0.0.1:1 (refused). {start} {goes_on}"]


def test_nobody_there_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "interactive", lambda: False)
    assert wants_cancel() is False


@pytest.mark.parametrize(
    ("typed", "cancels"), [("y", True), (" YES ", True), ("n", False), ("No", False), ("", False), (" ", False)]
)
def test_the_question_takes_yes_and_no_and_nothing_is_a_no(
    typed: str, cancels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "interactive", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    assert wants_cancel() is cancels


def test_another_answer_is_told_which_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(following, "interactive", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("xyz\ny\n"))
    assert wants_cancel() is True
    assert "'xyz' is no answer: y cancels the training, n lets it go on without you" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [KeyboardInterrupt(), EOFError(), typer.Abort()])
def test_a_second_ctrl_c_at_the_question_is_a_no(answer: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def prompt(*_: object, **__: object) -> bool:
        raise answer

    monkeypatch.setattr(following, "interactive", lambda: True)
    monkeypatch.setattr(typer, "prompt", prompt)
    assert wants_cancel() is False
