"""A real server process over a folder of its own, with the toy trainer, and the command line run against it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from eyebright.client import running_server
from eyebright.settings import Settings

#: Against hanging only: a start takes a second, and a minute and more on two cores that others keep busy.
PATIENCE_SECONDS = 180

#: Colours and widths of whoever runs the tests must not matter.
TERMINAL = {"COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM"}


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout: anything before or after it is an error here."""
        return json.loads(self.out)


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("EYEBRIGHT_") and name not in TERMINAL
    }
    ours = {"EYEBRIGHT_DATA_DIR": str(data_dir), "EYEBRIGHT_STATE_DIR": str(data_dir / "state"), "EYEBRIGHT_PORT": "0"}
    return {**kept, **ours, **variables}


def eyebright(data_dir: Path, *arguments: object, timeout: float = PATIENCE_SECONDS, **variables: str) -> Ran:
    """Run the command to its end, as a script would: nothing is a terminal."""
    command = [sys.executable, "-m", "eyebright", *map(str, arguments)]
    done = subprocess.run(
        command, env=environment(data_dir, **variables), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=timeout, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


class LiveServer:
    """`eyebright serve` for as long as the context lasts."""

    def __init__(self, data_dir: Path, **variables: str) -> None:
        self.data_dir = data_dir
        self.variables = variables
        self.settings = Settings(data_dir=data_dir, state_dir=data_dir / "state")

    def __enter__(self) -> "LiveServer":
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "server.log").open("wb") as log:
            command = [sys.executable, "-m", "eyebright", "serve"]
            self._process = subprocess.Popen(
                command, env=environment(self.data_dir, **self.variables), stdout=log, stderr=log
            )
        try:
            self._await_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def _await_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while running_server(self.settings) is None:
            assert self._process.poll() is None, (self.data_dir / "server.log").read_text()
            assert time.monotonic() < deadline, (self.data_dir / "server.log").read_text()
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """As a power cut would: without a word. Then it is over."""
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()

    def run(self, *arguments: object, **options: Any) -> Ran:
        return eyebright(self.data_dir, *arguments, **options)


@contextmanager
def at_a_standstill(data_dir: Path) -> Iterator[str]:
    """The only training of the toy stands still meanwhile, so that it cannot end; its job."""
    specs = (data_dir / "runs").glob("*/a1/spec.json")  # the import's too
    (run,) = [path.parent for path in specs if json.loads(path.read_text())["trainer"] == "toy"]
    trainer = json.loads((run / "process.json").read_text())["pid"]
    os.kill(trainer, signal.SIGSTOP)
    try:
        yield run.parent.name
    finally:
        os.kill(trainer, signal.SIGCONT)


def pets(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), images: int = 12) -> Path:
    """A tiny data set that the toy trainer learns at once: each class has a brightness of its own."""
    for number, name in enumerate(classes):
        for index in range(images):
            path = folder / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = 230 * number // max(1, len(classes) - 1)
            Image.new("RGB", (16, 16), (shade, abs(shade - 2 * index), shade)).save(path)
    return folder
