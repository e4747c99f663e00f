"""`eyebright serve`: making room, and saying why it cannot start."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from harness.live import at_a_standstill, environment, eyebright, pets

from eyebright import app
from eyebright.cli import serve
from eyebright.cli.exits import Exit
from eyebright.client import Client, running_server
from eyebright.errors import Conflict
from eyebright.folder import DataFolder
from eyebright.settings import Settings
from eyebright_wire.jobs import JobState


def test_a_taken_port_is_one_clear_message(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = eyebright(tmp_path, "serve", "--port", port)
    assert done.code == Exit.CONFLICT
    assert f"port {port} on 127.0.0.1 is taken" in done.err
    assert "--port 0" in done.err
    assert "Traceback" not in done.err


def test_it_takes_over_from_an_embedded_server_while_a_training_goes_on(tmp_path: Path) -> None:
    data, said = tmp_path / "data", tmp_path / "train.err"
    settings = Settings(data_dir=data)
    train = ["train", pets(tmp_path / "pets"), "--trainer", "toy", "--set", "epochs=60", "--set", "step_seconds=0.03"]
    with said.open("w") as file:
        training = _start(data, *train, stdout=subprocess.PIPE, stderr=file, text=True)
    _until(lambda: "epoch 1/" in said.read_text())
    with at_a_standstill(data):
        embedded = running_server(settings)
        assert embedded is not None
        assert embedded.embedded
        with (tmp_path / "server.log").open("w") as log:
            server = _start(data, "serve", stdout=log, stderr=log)
        _until(lambda: (now := running_server(settings)) is not None and now.pid == server.pid)
    shown, _ = training.communicate(timeout=180)
    assert training.returncode == 0, said.read_text()
    now = running_server(settings)
    assert now is not None
    assert (now.pid, now.embedded) == (server.pid, False)
    with Client(settings=settings) as client:
        job = client.job(re.findall(r"job_[0-9a-z]+", shown)[0])
        assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)
    server.send_signal(signal.SIGTERM)
    assert server.wait(120) == 0


def test_an_embedded_server_that_came_in_between_is_taken_over_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    take_over, others = serve.take_over, list[subprocess.Popen[str]]()

    def outrun(settings: Settings) -> None:
        take_over(settings)
        if not others:
            others.append(_start(data, "serve", "--embedded", "--port", "0"))
            _until(lambda: running_server(settings) is not None)

    served: list[bool] = []

    def serve_forever(settings: Settings) -> None:
        with DataFolder(settings.data_dir):
            served.append(settings.embedded)

    monkeypatch.setenv("EYEBRIGHT_DATA_DIR", str(data))
    monkeypatch.setattr(serve, "take_over", outrun)
    monkeypatch.setattr(app, "serve", serve_forever)
    serve.serve(port=0)
    assert served == [False]
    assert others[0].wait(120) == 0


def test_a_server_of_its_own_right_is_not_asked_to_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = f'{{"url": "http://127.0.0.1:1", "pid": {psutil.Process().pid}, "embedded": false}}'
    (tmp_path / "server.json").write_text(about)
    monkeypatch.setattr(psutil.Process, "terminate", lambda _: pytest.fail("it was asked to leave"))
    serve.take_over(Settings(data_dir=tmp_path, port=0))


def test_a_refused_port_leaves_the_embedded_server_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = f'{{"url": "http://127.0.0.1:1", "pid": {psutil.Process().pid}, "embedded": true}}'
    (tmp_path / "server.json").write_text(about)
    monkeypatch.setattr(psutil.Process, "terminate", lambda _: pytest.fail("it was asked to leave"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Conflict, match="is taken"):
            serve.take_over(Settings(data_dir=tmp_path, port=taken.getsockname()[1]))


def test_another_users_embedded_server_is_left_to_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = f'{{"url": "http://127.0.0.1:1", "pid": {psutil.Process().pid}, "embedded": true}}'
    (tmp_path / "server.json").write_text(about)

    def refuse(_: object) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "terminate", refuse)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits for nothing"))
    serve.take_over(Settings(data_dir=tmp_path, port=0))


def _start(data_dir: Path, *arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "eyebright", *map(str, arguments)]
    return subprocess.Popen(command, env=environment(data_dir), **options)  # type: ignore[call-overload]


def _until(happened: Callable[[], bool], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("how", "taken"), [((), True), (("--embedded",), False)], ids=["own", "embedded"])
def test_a_server_takes_settings_from_a_file_unless_a_command_started_it(
    tmp_path: Path, how: tuple[str, ...], taken: bool
) -> None:
    (tmp_path / ".env").write_text("EYEBRIGHT_LOG__LEVEL=loud\nOTHERS=1\n")
    (tmp_path / ".env").chmod(0o600)
    command = [sys.executable, "-m", "eyebright", "serve", "--port", "0", *how]
    variables = {**os.environ, "EYEBRIGHT_DATA_DIR": str(tmp_path / "data"), "EYEBRIGHT_EMBEDDED_IDLE_SECONDS": "0.1"}
    del variables["EYEBRIGHT_ENV_FILE"]
    done = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=180, check=False
    )
    assert ("EYEBRIGHT_LOG__LEVEL is 'loud'" in done.stderr) == taken
    assert (f"EYEBRIGHT_LOG__LEVEL: as {tmp_path / '.env'} says" in done.stderr) == taken
    assert (done.returncode == 0) != taken


def test_a_server_warns_of_a_level_that_it_ignores(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "eyebright", "serve", "--embedded", "--port", "0"]
    variables = environment(tmp_path / "data", EYEBRIGHT_EMBEDDED_IDLE_SECONDS="0.1", LOG_LEVEL="verbose")
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert "LOG_LEVEL is no level of ours" in done.stderr
