"""The server that starts by itself."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from harness.live import eyebright

from eyebright.cli import embedded
from eyebright.cli.connection import connected
from eyebright.cli.exits import Exit
from eyebright.client import running_server
from eyebright.errors import StorageFull, Unavailable
from eyebright.settings import Settings


def test_a_server_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spawn(log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            code = "import sys; print(*range(40), sep='\\n'); sys.exit('the disk is full')"
            return subprocess.Popen([sys.executable, "-c", code], stdout=output, stderr=output)

    monkeypatch.setattr(embedded, "_spawn", spawn)
    with pytest.raises(Unavailable) as caught:
        embedded.start(Settings(data_dir=tmp_path))
    assert "ended with exit status 1" in caught.value.message
    assert "the disk is full" in caught.value.message
    assert "\n  39\n" in caught.value.message
    assert "\n  20\n" not in caught.value.message


@pytest.mark.parametrize("mode", [None, 0o755, 0o770], ids=["new", "open to read", "open to a group"])
def test_the_data_folder_is_private_before_anything_lies_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None
) -> None:
    data, seen = tmp_path / "deep" / "data", []
    if mode is not None:
        data.mkdir(parents=True)
        data.chmod(mode)

    def spawn(log: Path) -> subprocess.Popen[bytes]:
        seen.append(stat.S_IMODE(log.parent.stat().st_mode))
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])

    monkeypatch.setattr(embedded, "_spawn", spawn)
    with pytest.raises(Unavailable):
        embedded.start(Settings(data_dir=data))
    assert seen == [0o700]


def test_a_server_that_never_gets_ready_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PATIENCE_SECONDS", 0.0)
    sleeper = subprocess.Popen(["sleep", "60"])
    monkeypatch.setattr(embedded, "_spawn", lambda _: sleeper)
    with pytest.raises(Unavailable, match="not ready within"):
        embedded.start(Settings(data_dir=tmp_path))
    sleeper.kill()
    sleeper.wait()


def test_what_a_killed_server_left_counts_for_nothing(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "server.json").write_text(f'{{"url": "http://127.0.0.1:1", "pid": {gone.pid}}}')
    assert running_server(Settings(data_dir=tmp_path)) is None


def test_a_command_starts_it_and_it_ends_by_itself_when_idle(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = eyebright(data, "jobs", "list", "--json", EYEBRIGHT_EMBEDDED_IDLE_SECONDS="5")
    assert (done.code, done.document) == (0, []), done.err
    server = running_server(Settings(data_dir=data))
    if server is not None:  # it has not been idle for long enough yet
        assert server.embedded
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            assert os.getsid(server.pid) != os.getsid(0), "a Ctrl-C here must not reach it"
            psutil.Process(server.pid).wait(30)
    assert running_server(Settings(data_dir=data)) is None


def test_a_folder_that_cannot_be_used_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = eyebright(tmp_path / "file" / "data", "jobs", "list")
    assert done.code == 6
    assert "Traceback" not in done.err
    assert str(tmp_path / "file") in done.err
    assert "EYEBRIGHT_DATA_DIR" in done.err


@pytest.fixture
def unready(tmp_path: Path) -> Iterator[Settings]:
    """An embedded server that answers but, as on a full disk, is not ready for work."""

    class Unready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            well = self.path == "/health"
            body = json.dumps({"status": "ok" if well else "unavailable", "version": "1"}).encode()
            self.send_response(200 if well else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Unready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        about = {"url": f"http://127.0.0.1:{server.server_port}", "pid": os.getpid(), "embedded": True}
        (tmp_path / "server.json").write_text(json.dumps(about))
        (tmp_path / "token").write_text("secret")
        yield Settings(data_dir=tmp_path)
        server.shutdown()


def test_a_server_that_answers_but_is_not_ready_is_used_as_it_is(
    unready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spawn(_: Path) -> None:
        raise AssertionError("a second server on the same folder could only die")

    monkeypatch.setattr(embedded, "_spawn", spawn)
    with connected(unready) as client:
        assert client.local is not None


@pytest.mark.parametrize("status", [1, Exit.UNAVAILABLE])
def test_a_server_that_dies_for_want_of_space_is_told_as_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    usage = type("Usage", (), {"free": 12_000})
    monkeypatch.setattr(embedded.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(
        embedded, "_spawn", lambda _: subprocess.Popen([sys.executable, "-c", f"raise SystemExit({int(status)})"])
    )
    with pytest.raises(StorageFull, match=r"full \(0\.0 MB free\); free some space") as caught:
        embedded.start(Settings(data_dir=tmp_path))
    assert str(tmp_path) in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "verb", [("jobs", "list"), ("train", "."), ("demo", "--small"), ("serve",)], ids=lambda v: v[0]
)
def test_a_file_in_the_place_of_the_data_folder_is_told_alike_by_every_verb(
    tmp_path: Path, verb: tuple[str, ...]
) -> None:
    file = tmp_path / "data"
    file.write_text("not a folder")
    done = eyebright(file, *verb)
    assert done.code == Exit.UNAVAILABLE
    said = f"the data folder {file} cannot be used: {file} is not a folder. Choose another one with EYEBRIGHT_DATA_DIR"
    assert done.err == f"error: {said}\n"


def test_two_commands_at_once_share_one_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-m", "eyebright", "jobs", "list", "--json"]
    variables = {**os.environ, "EYEBRIGHT_DATA_DIR": str(data), "EYEBRIGHT_EMBEDDED_IDLE_SECONDS": "20"}
    both = [subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    answers = [process.communicate(timeout=180) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    server = running_server(Settings(data_dir=data))
    assert server is not None
    os.kill(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while running_server(Settings(data_dir=data)) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_used_up_quota_is_not_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk may have terabytes left."""

    def refused(**_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("eyebright.folder.tempfile.TemporaryFile", refused)
    with pytest.raises(StorageFull, match=r"your quota on the disk of .* is used up"):
        embedded.start(Settings(data_dir=tmp_path))
