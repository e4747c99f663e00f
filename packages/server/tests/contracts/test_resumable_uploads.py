"""The tus door of a real server on a real socket: cut lines, a killed server, a full disk, and a client that others wrote."""

import hashlib
import io
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from harness.live import LiveServer
from tusclient.client import TusClient

from eyebright.client import running_server

UPLOADS = "/api/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
GUIDE = Path(__file__).parents[4] / "docs" / "guide" / "uploads.md"
CONTENT = os.urandom(4 * 2**20 + 12_345)
HALF = len(CONTENT) // 2


class Sender:
    """Speaks tus by hand to one server."""

    def __init__(self, live: LiveServer) -> None:
        server = running_server(live.settings)
        assert server is not None
        self.live = live
        self.url = server.url
        self.authorization = {"Authorization": f"Bearer {live.token}"}
        self.http = httpx.Client(base_url=self.url, headers=self.authorization, timeout=120)

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def begin(self, length: int = len(CONTENT)) -> str:
        answer = self.http.post(UPLOADS, headers={**TUS, "Upload-Length": str(length)})
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    def send(self, where: str, offset: int, content: object) -> httpx.Response:
        return self.http.patch(where, content=content, headers={**PIECE, "Upload-Offset": str(offset)})

    def offset(self, where: str) -> int:
        return int(self.http.head(where, headers=TUS).headers["upload-offset"])

    def open(self, where: str, offset: int, announced: int, content: bytes) -> socket.socket:
        """A PATCH that has sent less than it announced."""
        parts = urlsplit(self.url)
        line = socket.create_connection((parts.hostname, parts.port))
        headers = {
            **PIECE,
            **self.authorization,
            "Host": parts.netloc,
            "Upload-Offset": offset,
            "Content-Length": announced,
        }
        lines = [f"PATCH {where} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        line.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        return line

    def arrived(self, where: str) -> str:
        path = self.live.data_dir / "resumable" / f"{where.rpartition('/')[2]}.bytes"
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def finish(self, where: str, content: bytes = CONTENT) -> None:
        """Go on where it stands; what is then there is the content."""
        offset = self.offset(where)
        assert self.send(where, offset, content[offset:]).status_code == 204
        assert self.arrived(where) == hashlib.sha256(content).hexdigest()


def wait_until(reached: object) -> None:
    deadline = time.monotonic() + 60
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def sender(live: LiveServer) -> Iterator[Sender]:
    with Sender(live) as sender:
        yield sender


@pytest.mark.parametrize("rude", [True, False], ids=["reset", "closed"])
def test_a_line_that_is_cut_in_the_middle_of_a_piece_loses_nothing_that_came(sender: Sender, rude: bool) -> None:
    where = sender.begin()
    line = sender.open(where, 0, len(CONTENT), CONTENT[:HALF])
    path = sender.live.data_dir / "resumable" / f"{where.rpartition('/')[2]}.bytes"
    wait_until(lambda: path.stat().st_size >= 2**20)
    if rude:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    line.close()
    reached = sender.offset(where)
    assert 2**20 <= reached <= HALF
    assert rude or reached == HALF, "what came before an orderly end was not all kept"
    sender.finish(where)


def test_of_two_at_once_one_wins_and_the_other_is_told_why(sender: Sender) -> None:
    where = sender.begin()
    line = sender.open(where, 0, HALF, CONTENT[: HALF - 1])
    path = sender.live.data_dir / "resumable" / f"{where.rpartition('/')[2]}.bytes"
    wait_until(lambda: path.stat().st_size)
    second = sender.send(where, 0, CONTENT)
    assert (second.status_code, second.json()["code"]) == (423, "locked")
    assert sender.http.delete(where, headers=TUS).status_code == 423
    line.sendall(CONTENT[HALF - 1 : HALF])
    assert line.recv(1000).startswith(b"HTTP/1.1 204")
    line.close()
    assert sender.offset(where) == HALF
    sender.finish(where)


def test_a_refusal_is_heard_even_by_who_sends_everything_first(sender: Sender) -> None:
    where = sender.begin(2**25)
    again = sender.send(where, 1, bytes(2**24))
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    stranger = httpx.post(f"{sender.url}{UPLOADS}", headers={**PIECE, "Upload-Length": "1"}, content=b"x")
    assert stranger.status_code == 401


def test_a_killed_server_goes_on_between_two_pieces_and_in_the_middle_of_one(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as live, Sender(live) as sender:
        between, within = sender.begin(), sender.begin()
        assert sender.send(between, 0, CONTENT[:HALF]).headers["upload-offset"] == str(HALF)
        line = sender.open(within, 0, len(CONTENT), CONTENT[:HALF])
        path = tmp_path / "resumable" / f"{within.rpartition('/')[2]}.bytes"
        wait_until(lambda: path.stat().st_size >= 2**20)
        live.kill()
        line.close()
    with LiveServer(tmp_path) as live, Sender(live) as sender:
        assert sender.offset(between) == HALF
        assert sender.offset(within) == path.stat().st_size >= 2**20
        sender.finish(between)
        sender.finish(within)


def test_a_stopped_server_keeps_what_came(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as live, Sender(live) as sender:
        where = sender.begin()
        line = sender.open(where, 0, len(CONTENT), CONTENT[:HALF])
        path = tmp_path / "resumable" / f"{where.rpartition('/')[2]}.bytes"
        wait_until(lambda: path.stat().st_size >= 2**20)
    line.close()
    with LiveServer(tmp_path) as live, Sender(live) as sender:
        assert sender.offset(where) == HALF
        sender.finish(where)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    mount = subprocess.run(command, capture_output=True, text=True, check=False)
    if mount.returncode != 0:
        pytest.skip(f"mounting a file system needs root: {mount.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("spare", [0, 2**20])
def test_a_disk_that_fills_up_is_told_and_nothing_is_lost(small_disk: Path, spare: int) -> None:
    def blocks() -> Iterator[bytes]:
        """Without a length nobody can know before that it does not fit."""
        yield from (CONTENT[at : at + 65_536] for at in range(HALF, len(CONTENT), 65_536))

    with LiveServer(small_disk, EYEBRIGHT_UPLOADS__SPARE_BYTES=str(spare)) as live, Sender(live) as sender:
        where = sender.begin()
        assert sender.send(where, 0, CONTENT[:HALF]).status_code == 204
        filler = small_disk / "filler"
        filler.write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize - 2**20))
        for content in (CONTENT[HALF:], blocks()):
            full = sender.send(where, sender.offset(where), content)
            assert (full.status_code, full.json()["code"]) == (507, "disk_full"), full.text
            assert "Free some space" in full.json()["detail"]
            kept = sender.offset(where) - HALF
            assert kept == 0 or content != CONTENT[HALF:], "what could not fit was begun"
        assert kept > 0 or spare > 0, "nothing was kept of what had room"
        filler.unlink()
        sender.finish(where)


def test_a_client_that_others_wrote_uploads_and_goes_on(sender: Sender) -> None:
    file, endpoint = io.BytesIO(CONTENT), sender.url + UPLOADS
    first = TusClient(endpoint, headers=sender.authorization).uploader(
        file_stream=file, chunk_size=2**20, metadata={"filename": "pets ü.zip"}
    )
    first.upload(stop_at=2 * 2**20)
    again = TusClient(endpoint, headers=sender.authorization).uploader(
        file_stream=file, chunk_size=2**20, url=first.url
    )
    assert again.offset == 2 * 2**20
    again.upload()
    where = urlsplit(str(first.url)).path
    assert sender.arrived(where) == hashlib.sha256(CONTENT).hexdigest()
    assert sender.offset(where) == len(CONTENT)


def test_the_example_of_the_guide_works(sender: Sender, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the example needs curl")
    example = re.search(r"```bash\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert example is not None
    (tmp_path / "photos.zip").write_bytes(CONTENT)
    script = f"set -euo pipefail\n{example[1]}\necho $upload"
    variables = {"PATH": os.environ["PATH"], "URL": sender.url, "TOKEN": sender.live.token}
    ran = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=variables, capture_output=True, text=True, check=True
    )
    assert sender.arrived(ran.stdout.strip()) == hashlib.sha256(CONTENT).hexdigest()
