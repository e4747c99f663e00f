"""No program under watch reaches another machine, whatever it is written in; each attempt is heard of."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from eyebright_kit import offline as offline_module
from eyebright_kit.offline import Offline

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux asks")

#: `-I`: no module of ours is imported into it, as in a program of another language.
ALONE = [sys.executable, "-I", "-c"]


def heard(*argv: str) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    notes: list[str] = []
    offline = Offline(notes.append)
    process = subprocess.Popen(
        offline.command(list(argv)),
        pass_fds=offline.kept_open,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    offline.begin()
    output, errors = process.communicate(timeout=60)
    assert offline.watching, "this kernel has no user notification of seccomp"
    return notes, subprocess.CompletedProcess(argv, process.returncode, output, errors)


@pytest.mark.parametrize(
    "attempt",
    [
        "s.connect(('192.0.2.1', 443))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 443))",
        "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.1', 443))",
        "socket.socket(socket.AF_INET6).connect(('::ffff:192.0.2.1', 443))",
        "os.fork() or s.connect(('192.0.2.1', 443)); os.wait()",
    ],
    ids=["connect", "sendto", "sendmsg", "mapped", "a child"],
)
def test_an_attempt_is_refused_and_heard_of(attempt: str):
    notes, done = heard(*ALONE, f"import os, socket; s = socket.socket(); {attempt}")
    assert "Network is unreachable" in done.stderr
    assert [note.partition(" (")[0] for note in notes] == ["192.0.2.1 port 443"]


def test_looking_up_a_name_is_an_attempt():
    notes, _ = heard(*ALONE, "import socket; socket.getaddrinfo('example.org', 443)")
    assert notes
    assert all(" port 53 (" in note for note in notes), notes


def test_this_machine_can_be_reached_and_spoken_to():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        notes, done = heard(
            *ALONE,
            f"import socket; s = socket.create_connection(('127.0.0.1', {port})); s.sendall(b'x' * 9); s.sendmsg([b'y']);"
            "a, b = socket.socketpair(); a.send(b'z'); socket.getaddrinfo('localhost', 80); print(b.recv(1))",
        )
    assert (done.returncode, done.stdout, notes) == (0, "b'z'\n", [])


def test_a_program_that_is_killed_while_it_asks_ends_the_watch():
    offline = Offline(lambda _: time.sleep(0.2))
    loop = "import socket\nwhile True:\n try: socket.socket().connect(('192.0.2.1', 1))\n except OSError: pass"
    process = subprocess.Popen(offline.command([*ALONE, loop]), pass_fds=offline.kept_open)
    offline.begin()
    time.sleep(0.1)
    process.kill()
    process.wait()
    assert offline.watching


def test_a_program_that_is_killed_before_it_is_looked_at_ends_the_watch(monkeypatch: pytest.MonkeyPatch):
    """Its memory is gone while it is in the table of processes still."""
    asked, killed, look = threading.Event(), threading.Event(), offline_module._outside

    def late(*call: Any) -> str:
        asked.set()
        killed.wait(60)
        return look(*call)

    monkeypatch.setattr(offline_module, "_outside", late)
    before, offline = set(threading.enumerate()), Offline(lambda _: None)
    program = "import socket; socket.socket().connect(('192.0.2.1', 1))"
    process = subprocess.Popen(offline.command([*ALONE, program]), pass_fds=offline.kept_open)
    offline.begin()
    assert asked.wait(60)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    killed.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()
    process.wait()


def test_an_attempt_is_heard_of_though_who_made_it_is_gone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(offline_module, "Path", lambda path: Path(str(path).replace("comm", "nothing")))
    notes, _ = heard(*ALONE, "import socket; socket.socket().connect_ex(('192.0.2.1', 443))")
    assert notes == ["192.0.2.1 port 443 (a process that is gone)"]


def test_an_address_that_lies_nowhere_ends_no_watch():
    program = (
        "import ctypes, errno, socket; s = socket.socket(); c = ctypes.CDLL(None, use_errno=True);"
        "c.connect(s.fileno(), ctypes.c_void_p(8), 16); print(ctypes.get_errno() == errno.EFAULT);"
        "s.connect_ex(('192.0.2.1', 443))"
    )
    notes, done = heard(*ALONE, program)
    assert (done.stdout, len(notes)) == ("True\n", 1)
