"""The server that starts by itself: a verb that needs one and finds none runs `eyebright serve --embedded` beside itself."""

import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from eyebright.cli.exits import Exit
from eyebright.client import Client, running_server
from eyebright.errors import EyebrightError, Unavailable
from eyebright.folder import make_private, storage_full
from eyebright.settings import Settings

#: Ready takes about 2 s on a quiet machine; a loaded one with a cold disk deserves more before we give up.
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.05
TAIL_LINES = 15
#: An empty database with its journal, the token and the address: with less nothing can start.
START_BYTES = 2**20


def start(settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Returns once the embedded server answers. It ends by itself when idle.

    Raises Unavailable, with the last lines of its log, when it dies or does not answer; Unavailable or StorageFull when
    the data folder cannot be made, and StorageFull when it dies on a disk without room.
    """
    log = settings.data_dir / "server.log"
    make_private(settings.data_dir)
    process = _spawn(log)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answers(settings):
            return
        if process.poll() not in (None, Exit.CONFLICT):  # a conflict: another was quicker and is getting ready
            raise _death(settings, process.returncode, log)
        sleep(LOOK_SECONDS)
    raise Unavailable(f"the embedded server was not ready within {PATIENCE_SECONDS:.0f} s.\n{_tail(log)}")


def _spawn(log: Path) -> subprocess.Popen[bytes]:
    """In a session of its own: a Ctrl-C in this terminal is meant for us, not for the server and its trainings."""
    command = [sys.executable, "-m", "eyebright", "--debug", "serve", "--embedded", "--port", "0"]
    with log.open("ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


def answers(settings: Settings) -> bool:
    """The server of this data folder answers; one that is just leaving does not.

    It need not be ready for work: on a full disk it still shows what there is, and says by itself what it cannot do.
    """
    if running_server(settings) is None:
        return False
    with suppress(EyebrightError), Client(settings=settings, tries=1) as client:
        client.health()
        return True
    return False


def _death(settings: Settings, status: int, log: Path) -> EyebrightError:
    """Where the disk is full the log is of no use: its last words had no room."""
    if shutil.disk_usage(settings.data_dir).free < START_BYTES:
        return storage_full(settings.data_dir)
    return Unavailable(f"the embedded server ended with exit status {status}.\n{_tail(log)}")


def _tail(log: Path) -> str:
    with suppress(OSError), log.open(errors="replace") as file:
        return f"The end of {log}:\n" + "".join(f"  {line}" for line in deque(file, TAIL_LINES)).rstrip()
    return f"It left nothing in {log}."
