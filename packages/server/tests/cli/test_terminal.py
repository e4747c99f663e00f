"""With a person at a real terminal (a pseudo one): bars, questions, colours."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ

import pytest
from harness.live import LiveServer, environment

from eyebright.cli.exits import Exit
from eyebright.cli.terminal import busy, duration, number, size
from eyebright.client import Client
from eyebright_wire.jobs import JobState

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*(3[0-7]|38;5;[0-9]+)m")


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self.seen = ""

    def until(self, words: str, seconds: float = 180) -> str:
        """Everything shown so far, once the words have come."""
        deadline = time.monotonic() + seconds
        while words not in ESCAPES.sub("", self.seen):
            assert time.monotonic() < deadline, self.seen[-2000:]
            if not self._read():
                break
        assert words in ESCAPES.sub("", self.seen), self.seen[-2000:]
        return self.seen

    def type(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    def insist(self, keys: bytes, words: str) -> None:
        """Type until the words come: the line editor of Python loses a signal just before it begins to wait for keys."""
        deadline = time.monotonic() + 180
        while words not in ESCAPES.sub("", self.seen):
            assert time.monotonic() < deadline, self.seen[-2000:]
            self.type(keys)
            while words not in ESCAPES.sub("", self.seen) and self._read(3):
                pass

    def end(self) -> int:
        while self._read():
            pass
        return self.process.wait(120)

    def _read(self, seconds: float = 120) -> bool:
        with suppress(OSError):  # how Linux says that the other side is gone
            if not select.select([self._screen], [], [], seconds)[0]:
                return False
            text = os.read(self._screen, 65536)
            self.seen += text.decode(errors="replace")
            return bool(text)
        return False


@contextmanager
def terminal(data_dir: Path, *arguments: object, columns: int = 100, **variables: str) -> Iterator[Terminal]:
    screen, keyboard = pty.openpty()
    ioctl(keyboard, TIOCSWINSZ, pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "eyebright", *map(str, arguments)],
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        env=environment(data_dir, TERM="xterm-256color", **variables),
        start_new_session=True,
        preexec_fn=lambda: ioctl(0, 0x540E, 0),  # TIOCSCTTY: so that Ctrl-C typed here becomes a signal there
    )
    os.close(keyboard)
    try:
        yield Terminal(process, screen)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(screen)


SLOW = ("--trainer", "toy", "--set", "epochs=2000", "--set", "step_seconds=0.02")


def last_job(client: Client) -> str:
    return next(client.jobs()).id


@pytest.mark.parametrize("words", ["Reading /data/a[/b]…", "Installing x: [/usr/bin/uv] did it"])
def test_what_is_being_done_is_shown_as_it_is(words: str) -> None:
    with busy(words) as anew:
        anew(words)


def test_ctrl_c_asks_and_yes_cancels(live: LiveServer, client: Client, photos: Path) -> None:
    with terminal(live.data_dir, "train", photos, *SLOW) as screen:
        screen.until("epoch 2/2000")
        screen.type(b"\x03")
        screen.until("Cancel the training?")
        screen.type(b"y\r")
        screen.until("Cancelling")
        screen.until("cancelled")
        assert screen.end() == Exit.NO
        assert "\x1b[?25h" in screen.seen, "the cursor is shown again"
    assert client.job(last_job(client)).state is JobState.CANCELLED


def test_a_second_ctrl_c_leaves_it_running(live: LiveServer, client: Client, photos: Path) -> None:
    with terminal(live.data_dir, "train", photos, *SLOW) as screen:
        screen.until("epoch 2/2000")
        screen.type(b"\x03")
        screen.until("Cancel the training?")
        screen.insist(b"\x03", "goes on by itself")
        assert screen.end() == Exit.INTERRUPTED
        assert "Traceback" not in screen.seen
    job = client.job(last_job(client))
    assert job.state is JobState.RUNNING
    client.cancel(job.id)
    client.wait(job.id, timeout_seconds=180)


def test_a_narrow_terminal_without_colours_is_respected(live: LiveServer, photos: Path) -> None:
    quick = ("--trainer", "toy", "--set", "epochs=3", "--set", "step_seconds=0.05")
    with terminal(live.data_dir, "train", photos, *quick, columns=40, NO_COLOR="1") as screen:
        assert screen.end() == 0
        assert not COLOURS.search(screen.seen)
        assert "━" not in screen.seen


def test_colours_are_shown_where_they_are_wanted(live: LiveServer) -> None:
    with terminal(live.data_dir, "doctor") as screen:
        screen.end()
        assert COLOURS.search(screen.seen)


def test_json_on_a_terminal_is_still_one_document(live: LiveServer) -> None:
    with terminal(live.data_dir, "jobs", "list", "--limit", "1", "--json") as screen:
        assert screen.end() == 0
        assert screen.seen.startswith("[")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (41.4, "0:41"), (61, "1:01"), (3723, "1:02:03"), (None, "")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (44_761_596, "44.8 MB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (0.96251, "0.9625"), (1e-5, "1e-05"), (float("nan"), "nan")])
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text
