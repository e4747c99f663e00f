"""A large file gets there whatever happens on the way, and little of it is sent twice."""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.live import LiveServer, pets
from harness.scripted import Scripted, problem

from eyebright.client import Client, uploading
from eyebright.client.uploading import TRIES
from eyebright.errors import EyebrightError, NotFound, StorageFull, Unavailable

SIZE = 3_000_000
PIECE = 1_000_000


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "PIECE_BYTES", PIECE)
    monkeypatch.setattr(uploading, "_READ_BYTES", 10_000)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    path = tmp_path / "photos.zip"
    path.write_bytes(os.urandom(SIZE))
    return path


class Line(httpx.BaseTransport):
    """A real connection, cut after so many bytes of a piece as often as `cuts` has numbers. It counts what it carried."""

    def __init__(self, *cuts: int) -> None:
        self.cuts = list(cuts)
        self.carried = 0
        self.refusals: list[httpx.Response] = []
        self.asked: list[str] = []
        self._wire = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.method)
        if request.method == "PATCH":
            if self.refusals:
                return self.refusals.pop(0)
            request.stream = Cut(self, request.stream, self.cuts.pop(0) if self.cuts else SIZE)
        return self._wire.handle_request(request)

    def close(self) -> None:
        self._wire.close()


class Cut(httpx.SyncByteStream):
    def __init__(self, line: Line, stream: Any, after: int) -> None:
        self.line, self.stream, self.left = line, stream, after

    def __iter__(self) -> Iterator[bytes]:
        for block in self.stream:
            if self.left <= 0:
                raise httpx.WriteError("the line was cut")
            self.left -= len(block)
            self.line.carried += len(block)
            yield block


class Caller:
    """A client over a line of its own, that never sleeps."""

    def __init__(self, live: LiveServer, line: Line) -> None:
        self.line = line
        self.slept: list[float] = []
        self.told: list[tuple[int, int | None]] = []
        self.interrupt_at = SIZE * 10
        self.client = Client(settings=live.settings, through=line, sleep=self.slept.append)

    def upload(self, path: Path) -> str:
        with self.client:
            return self.client.upload(path, told=self.hear)

    def hear(self, done: int, total: int | None) -> None:
        self.told.append((done, total))
        if done >= self.interrupt_at:
            raise KeyboardInterrupt


def arrived(live: LiveServer, upload_id: str) -> Path:
    return live.data_dir / "resumable" / f"{upload_id}.bytes"


def same(left: Path, right: Path) -> bool:
    return hashlib.sha256(left.read_bytes()).digest() == hashlib.sha256(right.read_bytes()).digest()


def interrupted(live: LiveServer, path: Path, at: int = SIZE // 2) -> Caller:
    caller = Caller(live, Line())
    caller.interrupt_at = at
    with pytest.raises(KeyboardInterrupt):
        caller.upload(path)
    return caller


def test_pieces_arrive_as_the_file(live: LiveServer, photos: Path) -> None:
    caller = Caller(live, Line())
    assert same(arrived(live, caller.upload(photos)), photos)
    assert caller.line.asked == ["POST", "PATCH", "PATCH", "PATCH"]
    assert caller.told[-1] == (SIZE, SIZE)
    assert [done for done, _ in caller.told] == sorted(done for done, _ in caller.told)


def test_a_cut_line_is_taken_up_where_it_broke(live: LiveServer, photos: Path) -> None:
    caller = Caller(live, Line(300_000, 500_000, 0))
    assert same(arrived(live, caller.upload(photos)), photos)
    assert caller.line.cuts == []
    assert caller.line.carried < SIZE + 500_000, "what had arrived was sent again"


def test_a_line_that_is_cut_more_often_than_it_is_tried_gets_there_as_long_as_it_gets_further(
    live: LiveServer, photos: Path
) -> None:
    caller = Caller(live, Line(*[100_000] * (TRIES + 4)))
    assert same(arrived(live, caller.upload(photos)), photos)


def test_without_any_progress_it_is_given_up_with_growing_pauses(
    server: Scripted, client: Client, photos: Path
) -> None:
    begun = httpx.Response(201, headers={"Location": "/api/v1/uploads/upl_1", "Upload-Offset": "0"})
    server.answers = [begun, httpx.ConnectError("refused")]
    with pytest.raises(Unavailable, match="no answer"):
        client.upload(photos)
    assert len(server.slept) == TRIES - 1
    assert server.slept[0] < server.slept[3] < server.slept[5]
    assert 60 < sum(server.slept) < 180


def test_a_server_that_still_hears_the_old_line_is_waited_for(live: LiveServer, photos: Path) -> None:
    line = Line()
    line.refusals = [problem(423, "locked"), problem(503, "unavailable"), problem(409, "conflict")]
    caller = Caller(live, line)
    assert same(arrived(live, caller.upload(photos)), photos)
    assert len(caller.slept) == 3


def test_a_full_disk_is_told_at_once_and_the_next_call_goes_on(live: LiveServer, photos: Path) -> None:
    line = Line()
    caller = Caller(live, line)
    caller.hear = lambda done, _: line.refusals.append(problem(507, "disk_full")) if done == PIECE else None  # type: ignore[method-assign]
    with pytest.raises(StorageFull):
        caller.upload(photos)
    assert caller.slept == []
    again = Caller(live, Line())
    assert same(arrived(live, again.upload(photos)), photos)
    assert again.line.carried == SIZE - PIECE


def test_after_an_interruption_the_next_call_on_the_same_file_goes_on(live: LiveServer, photos: Path) -> None:
    first = interrupted(live, photos)
    again = Caller(live, Line())
    assert same(arrived(live, again.upload(photos)), photos)
    assert again.line.asked[0] == "HEAD"
    assert "POST" not in again.line.asked
    assert first.line.carried + again.line.carried < SIZE + PIECE
    assert again.told[0][0] > 0


def test_a_complete_upload_is_not_sent_again(live: LiveServer, photos: Path) -> None:
    upload_id = Caller(live, Line()).upload(photos)
    again = Caller(live, Line())
    assert again.upload(photos) == upload_id
    assert again.line.asked == ["HEAD"]


@pytest.mark.parametrize("change", ["content", "size", "name"])
def test_a_changed_file_begins_anew(live: LiveServer, photos: Path, change: str) -> None:
    interrupted(live, photos)
    if change == "content":
        photos.write_bytes(os.urandom(SIZE))
        os.utime(photos, ns=(1, 1))
    elif change == "size":
        before = photos.stat()
        photos.write_bytes(b"x" * 1000)
        os.utime(photos, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        photos = photos.rename(photos.with_name("others.zip"))
    again = Caller(live, Line())
    assert same(arrived(live, again.upload(photos)), photos)
    assert again.line.asked[0] == "POST"


def test_one_that_the_server_no_longer_has_begins_anew(live: LiveServer, photos: Path) -> None:
    interrupted(live, photos)
    for left in (live.data_dir / "resumable").iterdir():
        left.unlink()
    again = Caller(live, Line())
    assert same(arrived(live, again.upload(photos)), photos)
    assert again.line.asked[:2] == ["HEAD", "POST"]


def test_one_that_goes_while_it_is_sent_is_told_with_the_way_out(live: LiveServer, photos: Path) -> None:
    caller = Caller(live, Line(300_000))

    def lose(done: int, _: int | None) -> None:
        if done == 300_000:
            for left in (live.data_dir / "resumable").iterdir():
                left.unlink()

    caller.hear = lose  # type: ignore[method-assign]
    with pytest.raises(NotFound, match=r"send .*photos.zip again"):
        caller.upload(photos)


def test_a_folder_is_sent_as_a_zip_and_goes_on_too(live: LiveServer, tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets", images=4)
    (folder / "cat" / "large.png").write_bytes(os.urandom(SIZE))
    first = interrupted(live, folder)
    again = Caller(live, Line())
    with zipfile.ZipFile(arrived(live, again.upload(folder))) as archive:
        assert archive.testzip() is None
        assert archive.read("cat/large.png") == (folder / "cat" / "large.png").read_bytes()
        assert len(archive.namelist()) == 9
    assert "POST" not in again.line.asked
    assert first.line.carried + again.line.carried < SIZE + 2 * PIECE


def test_a_folder_in_which_something_changed_begins_anew(live: LiveServer, tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets", images=2)
    large = folder / "cat" / "large.png"
    large.write_bytes(os.urandom(SIZE))
    interrupted(live, folder)
    large.write_bytes(os.urandom(SIZE))
    again = Caller(live, Line())
    with zipfile.ZipFile(arrived(live, again.upload(folder))) as archive:
        assert archive.read("cat/large.png") == large.read_bytes()
    assert again.line.asked[0] == "POST"


def test_an_empty_file_arrives(live: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "empty.zip"
    path.touch()
    assert arrived(live, Caller(live, Line()).upload(path)).stat().st_size == 0


def test_where_nothing_can_be_noted_it_is_sent_all_the_same(live: LiveServer, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, not a folder")
    settings = live.settings.model_copy(update={"state_dir": tmp_path / "state"})
    with Client(settings=settings) as client:
        assert same(arrived(live, client.upload(photos)), photos)


@pytest.mark.parametrize("missing", ["Location", "Upload-Offset"])
def test_a_proxy_that_answers_for_the_server_is_told(
    server: Scripted, client: Client, photos: Path, missing: str
) -> None:
    begun = httpx.Response(201, headers={} if missing == "Location" else {"Location": "/api/v1/uploads/upl_1"})
    server.answers = [begun, httpx.Response(200, text="<h1>Welcome</h1>")]
    with pytest.raises(EyebrightError, match=rf"eyebright\.test answered .* and no {missing}; .*proxy"):
        client.upload(photos)


def test_a_missing_file_is_told(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file or folder"):
        client.upload(tmp_path / "nothing.zip")
