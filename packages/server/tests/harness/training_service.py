"""`python -m eyebright_toy serve` in a folder of its own, as often as it is started."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TOY = Path(__file__).parents[4] / "packages" / "trainers" / "toy"


class TrainingService:
    """Its port stays the same from start to start. `options` are further words of its command, `variables` of its environment."""

    def __init__(
        self, folder: Path, *options: object, places: int = 2, variables: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._places = places
        self._options = [*map(str, options)]
        self._environment = {**os.environ, **(variables or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "service.log"

    def start(self) -> None:
        command = [
            TOY / ".venv/bin/python",
            "-m",
            "eyebright_toy",
            "serve",
            "--port",
            self.port,
            "--folder",
            self.folder,
        ]
        self.folder.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*map(str, command), "--places", str(self._places), *self._options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment,
            )
        deadline = time.monotonic() + 60
        while not self._listens():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def training_service(folder: Path, *options: object, **manner: object) -> Iterator[TrainingService]:
    made = TrainingService(folder, *options, **manner)
    made.start()
    try:
        yield made
    finally:
        made.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
