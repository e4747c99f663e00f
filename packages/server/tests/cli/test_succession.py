"""When an embedded server dies, whoever works with it starts the next one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.live import at_a_standstill, environment, pets

from eyebright.cli import embedded
from eyebright.cli.succession import PATIENCE_SECONDS, Succession
from eyebright.client import running_server
from eyebright.settings import Settings


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def starts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Each server that was started; it runs at once."""
    started: list[Settings] = []

    def start(of: Settings) -> None:
        started.append(of)
        write(settings, os.getpid())

    monkeypatch.setattr(embedded, "start", start)
    return started


@pytest.fixture
def gone() -> int:
    """The pid of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def write(settings: Settings, pid: int, *, is_embedded: bool = True) -> None:
    about = {"url": f"http://127.0.0.1:{pid}", "pid": pid, "embedded": is_embedded, "created": time.time()}
    (settings.data_dir / "server.json").write_text(json.dumps(about))


def test_an_embedded_server_that_was_killed_is_followed_at_once(
    settings: Settings, starts: list[Settings], gone: int
) -> None:
    find = Succession()
    write(settings, os.getpid())
    find(settings)
    write(settings, gone)
    found = find(settings)
    assert starts == [settings]
    assert found is not None
    assert found.pid == os.getpid()


def test_one_that_took_its_leave_is_followed_only_when_nobody_takes_its_place(
    settings: Settings, starts: list[Settings]
) -> None:
    clock = Clock()
    find = Succession(clock)
    write(settings, os.getpid())
    find(settings)
    (settings.data_dir / "server.json").unlink()
    clock.now = 1000.0
    assert find(settings) is None
    clock.now += PATIENCE_SECONDS - 1
    assert find(settings) is None
    assert not starts
    clock.now += 1
    assert find(settings) is not None
    assert starts == [settings]


def test_a_server_of_its_own_right_is_waited_for(settings: Settings, starts: list[Settings], gone: int) -> None:
    find = Succession()
    write(settings, os.getpid(), is_embedded=False)
    find(settings)
    write(settings, gone, is_embedded=False)
    assert find(settings) is None
    assert not starts


def test_a_training_is_watched_and_its_logs_are_followed_through_the_death_of_the_embedded_server(
    tmp_path: Path,
) -> None:
    data, said = tmp_path / "data", tmp_path / "train.err"
    order = ["train", pets(tmp_path / "pets"), "--trainer", "toy", "--set", "epochs=60", "--set", "step_seconds=0.03"]
    command = [sys.executable, "-m", "eyebright", *map(str, order)]
    variables = environment(data, EYEBRIGHT_EMBEDDED_IDLE_SECONDS="5")
    with said.open("w") as file:
        training = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=file, text=True)
    _until(lambda: "epoch 1/" in said.read_text())
    with at_a_standstill(data) as job_id:
        logs = subprocess.Popen(
            [sys.executable, "-m", "eyebright", "jobs", "logs", job_id, "--follow"],
            env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert logs.stdout is not None
        assert logs.stdout.readline(), "it follows by now"
        first = running_server(Settings(data_dir=data))
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
    shown, _ = training.communicate(timeout=180)
    assert training.returncode == 0, said.read_text()
    assert "succeeded" in shown
    printed, trouble = logs.communicate(timeout=180)
    assert (logs.returncode, "succeeded" in printed) == (0, True), trouble
    assert "starting the next one" in said.read_text() + trouble


def _until(happened: Callable[[], bool], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)
