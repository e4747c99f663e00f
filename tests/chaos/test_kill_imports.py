"""kill -9 of importers, workers and servers at random points of an import: no half version, no byte without a manifest that
names it, no work folder, nobody left running.

Everything is real. CHAOS_KILLS and CHAOS_SEED make it longer or different.
"""

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from eyebright import Client
from eyebright.errors import EyebrightError
from eyebright.settings import Settings
from eyebright_kit.data.manifest import Manifest
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import DatasetImport, JobView

KILLS = {"sqlite": int(os.environ.get("CHAOS_KILLS", "24")), "postgresql": int(os.environ.get("CHAOS_KILLS", "9"))}
SEED = int(os.environ.get("CHAOS_SEED", "11"))
#: From its launch an import of these pictures takes about so long; a blow falls somewhere within.
IMPORT_SECONDS = 0.8
VICTIMS = {"importer": "eyebright_kit.importing", "worker": "eyebright_kit.importing.worker"}


class World:
    """One data folder, whichever server process serves it at the moment, and what it runs."""

    def __init__(self, data_dir: Path, database_url: str, enough: int) -> None:
        self.data_dir = data_dir
        self.enough = enough  # kills
        self.random = random.Random(SEED)
        self.kills: Counter[str] = Counter()
        self.log = (data_dir / "server.log").open("ab")
        self.environment = {
            **os.environ,
            "EYEBRIGHT_DATA_DIR": str(data_dir),
            "EYEBRIGHT_DATABASE_URL": database_url,
            "EYEBRIGHT_PORT": "0",
            "EYEBRIGHT_JOBS__HEARTBEAT_SECONDS": "1",
            # What was killed is not tried again: only of what was given up for good could something be left.
            "EYEBRIGHT_RETRY__LOSSES": "0",
        }
        self.server = self.start()

    def start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "eyebright", "serve"]
        return subprocess.Popen(command, env=self.environment, stdout=self.log, stderr=self.log)

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """Waits until a server answers."""
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, (self.data_dir / "server.log").read_text()[-3000:]
            if self.server.poll() is not None:
                self.server = self.start()
            try:
                client = Client(settings=Settings(data_dir=self.data_dir), tries=1)
                client.ready()
            except EyebrightError:
                time.sleep(0.05)
            else:
                break
        with client:
            yield client

    def running(self, what: str) -> list[psutil.Process]:
        """Importers, or workers: both bear the mark of a run of ours."""
        return [process for process in psutil.process_iter() if what in _words(process) and self._ours(process)]

    def strike(self, victim: str) -> None:
        """Once an import has been launched. Who has gone by then has escaped."""
        with contextlib.suppress(AssertionError):  # it was refused a place by a server that died
            until(lambda: self.running(VICTIMS["importer"]), 3)
        time.sleep(self.random.uniform(0, IMPORT_SECONDS))
        if victim == "server":
            self.server.send_signal(signal.SIGKILL)
            self.server.wait()
            time.sleep(self.random.uniform(0, 0.5))
            self.server = self.start()
        elif found := self.running(VICTIMS[victim]):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.random.choice(found).kill()
        else:
            return
        self.kills[victim] += 1

    def close(self) -> None:
        self.server.terminate()
        self.server.wait(20)
        self.log.close()

    def _ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("TRAINING_RUN", "").startswith(str(self.data_dir))
        except psutil.Error:
            return False


@pytest.fixture(params=KILLS)
def world(tmp_path, request, fresh_url):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    world = World(data_dir, fresh_url(request.param), KILLS[request.param])
    yield world
    world.close()


@pytest.mark.timeout(400)
def test_nothing_is_left_of_an_import_that_was_killed(world, tmp_path, record_property):
    imports = 0
    while sum(world.kills.values()) < world.enough:
        assert imports < 4 * world.enough, world.kills
        source = pictures(tmp_path / f"set-{imports}", world.random)  # half of which others have too
        begin(world, source, f"set-{imports % 5}")
        world.strike(min(["importer", "worker", "server"], key=lambda who: (world.kills[who], world.random.random())))
        imports += 1
    ended = until(lambda: all_ended(world), 120)
    record_property("kills", json.dumps(world.kills))
    assert min(world.kills[victim] for victim in ("importer", "worker", "server")) >= world.enough // 8, world.kills
    until(lambda: world.running("eyebright_kit.importing") == [], 30)
    until(lambda: left_over(world.data_dir) == [], 30)
    check(world, ended)


def begin(world: World, source: Path, name: str) -> None:
    while True:
        try:
            with world.client() as client:
                client.order_import(DatasetImport(path=str(source), name=name))
                return
        except EyebrightError:
            time.sleep(0.05)


def all_ended(world: World) -> list[JobView]:
    try:
        with world.client() as client:
            jobs = list(client.jobs(kind=JobKind.IMPORT))
    except EyebrightError:
        return []
    return jobs if all(job.state.final for job in jobs) else []


def check(world: World, jobs: list[JobView]) -> None:
    """The disk against the database."""
    with world.client() as client:
        versions = {version.id: version for dataset in client.datasets() for version in dataset.versions}
    made = {job.imported_version for job in jobs if job.state is JobState.SUCCEEDED}
    assert made == set(versions), "a version without its job, or a job without its version"
    assert made
    assert {job.state for job in jobs} == {JobState.SUCCEEDED, JobState.FAILED}
    named = {version.manifest_sha256 for version in versions.values()}
    for sha256 in list(named):
        named |= {sample.sha256 for sample in Manifest(blob(world, sha256)).samples()}
    until(
        lambda: set(blobs(world)) <= named, 90
    )  # what a killed server had put goes in the next minute without an import
    on_disk = blobs(world)
    assert set(on_disk) == named, "a blob that no manifest names, or a manifest that names none"
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == name for name, path in on_disk.items())


def left_over(data_dir: Path) -> list[Path]:
    """Files of work folders, and what was on its way into the store."""
    found = [*within(data_dir / "objects/.incoming")]
    return found + [path for path in within(data_dir / "objects/jobs") if "work" in path.parts]


def within(folder: Path) -> Iterator[Path]:
    """Everything below it; unlike `rglob`, with patience for folders that go while we look."""
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *files))


def blobs(world: World) -> dict[str, Path]:
    found = (Path(place, name) for place, _, names in os.walk(world.data_dir / "objects/blobs") for name in names)
    return {path.name: path for path in found}


def blob(world: World, sha256: str) -> Path:
    return world.data_dir / "objects/blobs/sha256" / sha256[:2] / sha256


def pictures(folder: Path, random: random.Random, count: int = 60) -> Path:
    """Two classes; a folder or a zip. Every second picture is one that other sets have as well."""
    for label in ("dark", "light"):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            shared = number % 2 == 0
            pixels = (random if not shared else type(random)(f"{label}{number}")).randbytes(3 * 16 * 16)
            Image.frombytes("RGB", (16, 16), pixels).save(folder / label / f"{number}.png")
    if random.random() < 0.5:
        return folder
    with zipfile.ZipFile(f"{folder}.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, path.relative_to(folder))
    return Path(f"{folder}.zip")


def until(look: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
