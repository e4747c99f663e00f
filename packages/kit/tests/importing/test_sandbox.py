"""The walls around a worker, tried from inside: a process of its own shuts itself in and then does what it must not."""

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MIB = 2**20

ENTER = """
import decimal, os, resource, signal, socket, sys, threading, time
from pathlib import Path
import PIL.PngImagePlugin
from eyebright_kit import linux
from eyebright_kit.importing import landlock, seccomp
from eyebright_kit.importing.sandbox import Bounds, enter

def missing(*_):
    raise OSError(38, "not on this system")

user = {user!r}
if user is not None:
    os.setgroups([]), os.setgid(user), os.setuid(user)
{before}
source, work, outside = map(Path, {places!r})
layers = enter(Bounds(readable=(source,), writable=(work,), memory_bytes={memory}, cpu_seconds={cpu}, file_bytes={file},
                      open_files=64), os.getppid())
{after}
print("done")
"""

#: What must be refused, and by which error; `port` is one that somebody listens on.
REFUSED = {
    "speak to the machine itself": "socket.socket().connect(('127.0.0.1', {port}))",
    "send a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "speak to a process beside it": "socket.socket(socket.AF_UNIX)",
    "read another file": "(outside / 'token').read_text()",
    "list another folder": "os.listdir(outside)",
    "write elsewhere": "(outside / 'new').write_text('x')",
    "change what it reads": "(source / 'a').write_text('x')",
    "remove what it reads": "(source / 'a').unlink()",
    "move a file out": "(work / 'mine').write_text('x') and os.rename(work / 'mine', outside / 'mine')",
    "link a file in": "os.link(outside / 'token', work / 'token')",
    "leave a link": "os.symlink(outside / 'token', work / 'link')",
    "leave a pipe": "os.mkfifo(work / 'pipe')",
    "kill its parent": "os.kill(os.getppid(), 0)",
    "signal a thread of its parent": "linux.syscall({tgkill}, os.getppid(), os.getppid(), 0)",
    "bound what its parent may use": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
    "take its parent's turn on the processor": "os.setpriority(os.PRIO_PROCESS, os.getppid(), {niceness})",
    "lay another file open": "os.chmod(outside / 'token', 0o666)",
    "note something at another file": "os.setxattr(outside / 'token', 'user.x', b'x')",
    "start a process": "os.fork() or os._exit(0)",
    "start a program": "os.execv('/bin/true', ['true'])",
    "leave its namespaces again": "linux.unshare(linux.NEW_USER)",
}


@dataclass(frozen=True)
class Inside:
    """Runs Python inside the walls, with a source, a work folder and something outside of both."""

    folder: Path
    user: int | None

    def run(self, after: str, *, before: str = "", memory: int = 1024 * MIB, cpu: int = 20, file: int = 8 * MIB):
        self.lay_out()
        program = self.program(after, before=before, memory=memory, cpu=cpu, file=file)
        return subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
            env={"MALLOC_ARENA_MAX": "2"},
        )

    def program(
        self, after: str, *, before: str = "", memory: int = 1024 * MIB, cpu: int = 20, file: int = 8 * MIB
    ) -> str:
        places = [str(self.folder / name) for name in ("source", "work", "outside")]
        return ENTER.format(
            before=before, after=after, places=places, memory=memory, cpu=cpu, file=file, user=self.user
        )

    def lay_out(self) -> None:
        for name in ("source", "work", "outside"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()
        (self.folder / "source" / "a").write_text("what is read")
        (self.folder / "outside" / "token").write_text("secret")
        if self.user is not None:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, self.user, self.user)


def users() -> list[int | None]:
    """Whoever runs the tests; where that is root, somebody without any right as well."""
    return [None, 65534] if os.geteuid() == 0 else [None]


@pytest.fixture(params=users(), ids=lambda user: "nobody" if user else "me")
def inside(request: pytest.FixtureRequest) -> Iterator[Inside]:
    with tempfile.TemporaryDirectory(prefix="eyebright-inside-") as folder:
        yield Inside(Path(folder), request.param)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.skipif(sys.platform != "linux", reason="these walls are Linux's")
@pytest.mark.parametrize("deed", REFUSED)
def test_what_is_refused(inside: Inside, port: int, deed: str) -> None:
    tgkill = 131 if platform.machine() == "aarch64" else 234
    niceness = os.getpriority(os.PRIO_PROCESS, 0)  # what it has: without walls the deed is done, to these very tests
    code = REFUSED[deed].format(port=port, tgkill=tgkill, niceness=niceness)
    free = inside.run(code, before="enter = lambda *_: {}")
    beyond = deed == "start a program" or (inside.user is not None and "parent" in deed)  # who is root
    assert beyond or free.stdout == "done\n", f"not even without walls: {free.stderr}"
    done = inside.run(code)
    assert done.stdout == "", f"it could {deed}"
    assert any(word in done.stderr for word in ("PermissionError", "Operation not permitted", "cross-device link"))


def test_what_is_left_to_do(inside: Inside) -> None:
    done = inside.run(
        "assert (source / 'a').read_text() == 'what is read' and os.listdir(source) == ['a']\n"
        "(work / 'deep').mkdir(); (work / 'deep' / 'x').write_bytes(b'1' * 1000)\n"
        "os.rename(work / 'deep', work / 'other'); (work / 'other' / 'x').unlink(); (work / 'other').rmdir()\n"
        "thread = threading.Thread(target=(work / 'by a thread').touch); thread.start(); thread.join()\n"
        "assert (work / 'by a thread').exists()"
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_it_can_still_end_itself_and_look_at_its_own_limits(inside: Inside) -> None:
    assert inside.run("resource.prlimit(0, resource.RLIMIT_NOFILE)").stdout == "done\n"
    assert inside.run("resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)").stdout == "done\n"
    assert inside.run("os.abort()").returncode == -signal.SIGABRT
    thread = "threading.Thread(target=signal.raise_signal, args=(signal.SIGKILL,)).start(); time.sleep(60)"
    assert inside.run(thread).returncode == -signal.SIGKILL


def test_memory_is_bounded(inside: Inside) -> None:
    done = inside.run("x = bytearray(900 * 2**20)", memory=512 * MIB)
    assert "MemoryError" in done.stderr
    assert inside.run("x = bytearray(900 * 2**20)", memory=2048 * MIB).stdout == "done\n"


def test_processor_time_is_bounded(inside: Inside) -> None:
    done = inside.run("while True: pass", cpu=1)
    assert done.returncode == -24  # SIGXCPU, which says what it was


def test_a_files_size_and_the_number_of_open_ones_are_bounded(inside: Inside) -> None:
    assert "File too large" in inside.run("(work / 'x').write_bytes(bytes(2 * 2**20))", file=MIB).stderr
    assert "Too many open files" in inside.run("kept = [open(source / 'a') for _ in range(100)]").stderr


def test_which_walls_stand_is_told(inside: Inside) -> None:
    done = inside.run("print(layers)")
    assert "'memory': '1 GiB'" in done.stdout
    for wall in ("a namespace of its own", "Landlock", "seccomp"):
        assert wall in done.stdout


@pytest.mark.parametrize("deed", ["speak to the machine itself", "send a datagram", "start a process"])
def test_each_wall_holds_without_the_others(inside: Inside, port: int, deed: str) -> None:
    """In a container there may be no namespaces; elsewhere perhaps no Landlock, no seccomp, or nothing of all this."""
    nothing = (
        "linux.unshare",
        "landlock.restrict",
        "seccomp.refuse",
        "linux.no_new_privileges",
        "linux.drop_capabilities",
    )
    for standing in ("seccomp.refuse", "none but Python's own"):
        gone = [f"{wall} = missing" for wall in nothing if wall != standing and standing != "seccomp.refuse"]
        gone += ["linux.unshare = landlock.restrict = missing"] if standing == "seccomp.refuse" else []
        done = inside.run(REFUSED[deed].format(port=port), before="; ".join(gone))
        assert done.stdout == "", f"with {standing} it could {deed}"
        assert "PermissionError" in done.stderr


@pytest.mark.parametrize(
    "deed", ["signal a thread of its parent", "bound what its parent may use", "lay another file open"]
)
def test_seccomp_alone_keeps_from_other_processes_and_their_files(inside: Inside, deed: str) -> None:
    code = REFUSED[deed].format(tgkill=131 if platform.machine() == "aarch64" else 234)
    done = inside.run(code, before="linux.unshare = landlock.restrict = missing")
    assert done.stdout == "", f"it could {deed}"
    assert any(word in done.stderr for word in ("PermissionError", "Operation not permitted"))


def test_it_dies_with_its_parent(inside: Inside) -> None:
    """Killed, not told: the parent has no time for a word."""
    inside.lay_out()
    child = inside.program("(work / 'pid').write_text(str(os.getpid())); time.sleep(60)")
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"],
        cwd="/",
    )
    note = inside.folder / "work" / "pid"
    _until(lambda: note.exists() and note.read_text() != "")
    pid = int(note.read_text())
    parent.kill()
    parent.wait()
    _until(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
