"""A service in a process of its own, at the same port as often as it is started."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx

from harness.ports import free_port

READY_SECONDS = 180


class ServiceProcess:
    """Whoever makes one of these says by `command` what is run, and by `environment` with which variables."""

    command: Sequence[object]
    environment: Mapping[str, str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "service.log"

    @contextmanager
    def started(self) -> Iterator[Self]:
        self.start()
        try:
            yield self
        finally:
            self.kill()

    def start(self) -> None:
        """Returns once it says that it is well."""
        self.folder.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*map(str, self.command)], stdout=log, stderr=log, cwd=self.folder, env=dict(self.environment)
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_well():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def _is_well(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False, timeout=60).is_success
        except httpx.TransportError:
            return False
