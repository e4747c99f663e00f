"""The product as composed: it starts, says where it is, refuses what cannot work, and ends cleanly."""

import asyncio
import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from samples import job, submit

from eyebright.app import serve_in
from eyebright.app.parts import opened
from eyebright.app.rules import patience
from eyebright.errors import Conflict, InvalidRequest, StorageFull, Unavailable
from eyebright.folder import DataFolder
from eyebright.listener import Listener
from eyebright.settings import Settings
from eyebright.testing import ManualClock
from eyebright.website import openapi


def test_a_real_server_starts_answers_and_ends_at_sigterm_with_status_0(tmp_path):
    environment = {**os.environ, "EYEBRIGHT_DATA_DIR": str(tmp_path), "EYEBRIGHT_LOG__FORMAT": "json"}
    command = [sys.executable, "-m", "eyebright", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as server:
        about = announced(tmp_path)
        token = (tmp_path / "token").read_text().strip()
        assert about["pid"] == server.pid
        assert about["embedded"] is False
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        with httpx.Client(base_url=about["url"], timeout=60, trust_env=False) as http:
            assert http.get("/ready").json()["status"] == "ok"
            assert http.get("/api/v1/jobs").status_code == 401
            assert http.get("/api/v1/jobs", headers={"Authorization": f"Bearer {token}"}).json()["items"] == []
        server.send_signal(signal.SIGTERM)
        log = server.stderr.read().decode()
        assert server.wait(180) == 0
    assert not (tmp_path / "server.json").exists()
    assert token not in log
    assert all(json.loads(line)["level"] == "info" for line in log.splitlines())


def test_a_server_tells_at_its_start_which_trainers_must_be_installed_anew(tmp_path):
    for name, made in (("toy", True), ("timm", True), ("diffusion", False)):
        project = tmp_path / "trainers" / name
        (project / ".venv" if made else project).mkdir(parents=True)
        (project / "pyproject.toml").touch()
        (project / "uv.lock").touch()
    environment = {
        **os.environ,
        "EYEBRIGHT_DATA_DIR": str(tmp_path / "data"),
        "EYEBRIGHT_TRAINERS_DIR": str(tmp_path / "trainers"),
        "EYEBRIGHT_LOG__FORMAT": "json",
    }
    command = [sys.executable, "-m", "eyebright", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        told = next(line for line in server.stderr if "installed anew" in line)
        server.terminate()
        server.stderr.read()
    assert json.loads(told)["level"] == "warning"
    assert json.loads(told)["run"] == "eyebright trainers install timm toy"


@pytest.mark.parametrize(
    ("number", "when"), [(signal.SIGTERM, "parts.process_environment"), (signal.SIGINT, "application.web")]
)
def test_a_signal_during_the_start_is_not_forgotten(tmp_path, number, when):
    """The adapters take seconds on a slow disk, and uvicorn only listens for signals after them."""
    program = f"""
import signal
from eyebright.app import application, parts, serve
from eyebright.settings import Settings
real = {when}
def hit(*args):
    signal.raise_signal({int(number)})
    return real(*args)
{when} = hit
serve(Settings(port=0))
"""
    environment = {**os.environ, "EYEBRIGHT_DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, timeout=180, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ready" not in done.stderr
    assert not (tmp_path / "server.json").exists()


async def test_an_embedded_server_ends_by_itself_when_nobody_needs_it(tmp_path):
    settings = Settings(data_dir=tmp_path, port=0, embedded=True, embedded_idle_seconds=0.01)
    with DataFolder(tmp_path) as folder:
        await asyncio.wait_for(serve_in(settings, folder), 180)
    assert not (tmp_path / "server.json").exists()


async def test_a_held_job_keeps_no_embedded_server_awake(tmp_path):
    settings = Settings(data_dir=tmp_path, port=0, embedded=True, embedded_idle_seconds=0.01)
    with DataFolder(tmp_path) as folder:
        async with opened(settings, folder) as parts:
            await submit(parts.database, job(held=True))
        await asyncio.wait_for(serve_in(settings, folder), 180)


async def test_a_restart_keeps_the_token_and_what_was_stored(tmp_path):
    settings = Settings(data_dir=tmp_path, port=0, embedded=True, embedded_idle_seconds=0.01)
    tokens = []
    for _ in range(2):
        with DataFolder(tmp_path) as folder:
            await asyncio.wait_for(serve_in(settings, folder), 180)
            tokens.append(folder.token(ManualClock()))
    assert tokens[0] == tokens[1]


def test_a_taken_port_is_one_clear_message_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Conflict, match=rf"port {port} on 127.0.0.1 is taken.*--port"):
            Listener("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_is_not_ours_is_refused(host):
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_HOST"):
        Listener(host, 0)


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:"), ("127.0.0.1", "http://127.0.0.1:")])
def test_processes_of_this_machine_are_told_a_url_that_they_can_reach(host, url):
    listener = Listener(host, 0)
    assert listener.url == f"{url}{listener.port}"
    assert listener.port > 0
    assert not listener.socket.get_inheritable()
    listener.close()


def test_two_servers_never_work_on_one_folder(tmp_path):
    with DataFolder(tmp_path) as folder:
        folder.announce({"url": "http://127.0.0.1:1", "pid": 7})
        with pytest.raises(Conflict, match=r"the server at http://127\.0\.0\.1:1 \(process 7\).*EYEBRIGHT_DATA_DIR"):
            DataFolder(tmp_path).__enter__()
        assert (tmp_path / "server.json").exists()
    with DataFolder(tmp_path):
        pass


def test_what_a_killed_server_announced_is_forgotten(tmp_path):
    (tmp_path / "server.json").write_text("{}")
    with DataFolder(tmp_path):
        assert not (tmp_path / "server.json").exists()


def test_a_folder_that_cannot_be_written_is_told_with_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"is not a folder.*EYEBRIGHT_DATA_DIR"):
        DataFolder(tmp_path / "file" / "data").__enter__()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told(tmp_path, monkeypatch, number):
    def full(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(StorageFull):
        DataFolder(tmp_path).__enter__()


def test_a_token_that_others_could_read_is_closed_again(tmp_path):
    (tmp_path / "token").write_text("mine\n")
    (tmp_path / "token").chmod(0o644)
    with DataFolder(tmp_path) as folder:
        assert folder.token(ManualClock()) == "mine"
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", [".", "runs"])
def test_a_folder_of_ours_that_others_could_read_is_closed_again(tmp_path, name):
    (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / name).chmod(0o755)
    with DataFolder(tmp_path) as folder:
        assert stat.S_IMODE(folder.folder(name).stat().st_mode) == 0o700


def test_a_folder_that_is_shared_on_purpose_keeps_its_mode(tmp_path):
    """Somebody pointed EYEBRIGHT_DATA_DIR at something like /tmp, as its owner."""
    tmp_path.chmod(0o1777)
    with DataFolder(tmp_path):
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_an_empty_token_file_is_no_token(tmp_path):
    (tmp_path / "token").write_text("\n")
    with DataFolder(tmp_path) as folder:
        token = folder.token(ManualClock())
    assert len(token) > 20
    assert (tmp_path / "token").read_text() == f"{token}\n"


def test_settings_reach_the_sweeper():
    settings = Settings(jobs={"hang_seconds": 5, "heartbeat_seconds": 2, "stop_grace_seconds": 1, "launch_seconds": 3})
    found = patience(settings)
    assert (found.hang, found.heartbeat, found.stop_grace, found.launch) == (5, 2, 1, 3)


def test_the_document_of_the_api_is_complete():
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["operationId"], where
            assert operation["summary"], where
            responses = operation["responses"]
            assert any(status.startswith("2") for status in responses), where
            if operation.get("security") != []:
                assert {"401", "403", "422"} <= set(responses), where
    names = [operation["operationId"] for methods in openapi()["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def announced(folder: Path) -> dict[str, object]:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if (folder / "server.json").exists():
            return json.loads((folder / "server.json").read_text())
        time.sleep(0.02)
    raise AssertionError("the server did not get ready")
