"""A real server of the product in a data folder of its own, on a free port."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.spread import say

ROOT = Path(__file__).parent.parent
EYEBRIGHT = Path(sys.executable).parent / "eyebright"
READY_SECONDS = 60.0
_LOOK_SECONDS = 0.005


@dataclass(frozen=True)
class Server:
    process: "subprocess.Popen[bytes]"
    url: str
    data_dir: Path
    ready_after: float  # seconds from spawning to the first 200 of /ready

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()

    @property
    def environment(self) -> dict[str, str]:
        """For commands that shall find this server, and this one only."""
        return environment(self.data_dir)


@contextmanager
def serving(variables: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`eyebright serve` on a fresh data folder, ended by a signal and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder:
        data_dir, port = Path(folder, "data"), free_port()
        command = [str(EYEBRIGHT), "serve", "--port", str(port)]
        with Path(folder, "log").open("wb") as log:
            began = time.monotonic()
            process = subprocess.Popen(
                command, env=environment(data_dir, variables or {}), stdout=log, stderr=log, cwd=folder
            )
        try:
            ready = _until_ready(process, f"http://127.0.0.1:{port}") - began
            yield Server(process, f"http://127.0.0.1:{port}", data_dir, ready)
        except BaseException:
            say(Path(folder, "log").read_text()[-4000:])
            raise
        finally:
            process.terminate()
            process.wait(30)


def timed(command: Sequence[object], server: Server) -> tuple[float, str]:
    """Seconds from spawning to exit, and what it printed. Raises RuntimeError when it failed."""
    words, began = [str(word) for word in command], time.monotonic()
    done = subprocess.run(words, cwd=ROOT, env=server.environment, capture_output=True, text=True)
    seconds = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{words}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return seconds, done.stdout


def environment(data_dir: Path, variables: Mapping[str, str] = {}) -> dict[str, str]:
    """Nothing of the caller's own settings. Python may keep its bytecode, as it does for everybody who did not forbid it."""
    not_ours = ("EYEBRIGHT_", "PYTHONDONTWRITEBYTECODE")
    mine = {name: value for name, value in os.environ.items() if not name.startswith(not_ours)}
    return {**mine, "EYEBRIGHT_DATA_DIR": str(data_dir), **variables}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _until_ready(process: "subprocess.Popen[bytes]", url: str) -> float:
    """When /ready answered 200, on the monotonic clock."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {process.returncode}")
        if _ready(url):
            return time.monotonic()
        time.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"the server was not ready after {READY_SECONDS:g} s")


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=5) as answer:  # noqa: S310
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
