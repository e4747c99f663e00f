"""What every shelf of finished models must do: a folder, moto's S3, Ceph's, gcp-storage-emulator's Google."""

import asyncio
import errno
import hashlib
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from buckets import free_port
from harness.answering import Answering, served
from harness.line import Traffic, line_to
from harness.object_stores import BUCKETS, Endpoints, credentials, endpoints
from structlog.testing import capture_logs

from eyebright.errors import Conflict, NotFound, StorageFull, StorageUnusable, Unavailable
from eyebright.ports.shelf import Shelf
from eyebright.stores.objects.progress import followed
from eyebright.stores.shelves import shelf_at
from eyebright_kit.disk import sha256_of

__all__ = ["endpoints"]

NAME = "style-7/lora_weights.safetensors"
SETTING = "EYEBRIGHT_MODELS_LIE_HERE"
SCHEMES = {"moto": "s3", "radosgw": "s3", "emulator": "gs"}
PLACES = [
    ("folder", "models"),
    ("moto", "s3://bucket/models"),
    ("moto", "s3://bucket"),
    ("radosgw", "s3://bucket/models"),
    ("emulator", "gs://bucket/models"),
]
#: More than Google's library sends in one request.
LARGE = bytes(range(256)) * (9 << 12)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def shelf_on(kind: str, place: str, endpoint: str) -> Shelf:
    return shelf_at(f"{SCHEMES[kind]}://{place}", {SCHEMES[kind]: endpoint}, SETTING)


def no_answer(scheme: str) -> str:
    setting = f"EYEBRIGHT_SOURCES__{scheme.upper()}_ENDPOINT"
    return rf".*http://127\.0\.0\.1:\d+ gives no answer \(\w+\); .* {setting} says where it is$"


@pytest.fixture(params=PLACES, ids=" ".join)
def chosen(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A kind of store, and a place in it."""
    return request.param


@pytest.fixture
def place(chosen: tuple[str, str], tmp_path: Path) -> str:
    kind, place = chosen
    return str(tmp_path / place) if kind == "folder" else place


@pytest.fixture
def shelf(chosen: tuple[str, str], place: str, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    credentials(monkeypatch)
    kind = chosen[0]
    return shelf_at(place, {} if kind == "folder" else {SCHEMES[kind]: endpoints[kind]}, SETTING)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "weights"
    file.write_bytes(LARGE)
    return file


async def test_what_was_put_is_read_from_its_address(shelf: Shelf, place: str, weights: Path):
    await shelf.put(NAME, weights)
    await shelf.put("style-7/training.json", b"{}")
    assert await shelf.read(NAME) == LARGE
    assert await shelf.read("style-7/training.json") == b"{}"
    assert shelf.address(NAME) == f"{place}/{NAME}"


async def test_what_is_put_again_takes_the_place(shelf: Shelf):
    for content in (b"old and longer", b"new"):
        await shelf.put("style-8/training.json", content)
    assert await shelf.read("style-8/training.json") == b"new"


async def test_nothing_there_is_no_error(shelf: Shelf):
    assert await shelf.read("style-9/training.json") is None


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["empty", "small", "large"])
async def test_what_is_created_lies_there_however_often_it_is_asked(shelf: Shelf, tmp_path: Path, content: bytes):
    name, weights = f"created/{len(content)}", tmp_path / "weights"
    weights.write_bytes(content)
    assert await shelf.create(name, weights, sha256(content))
    assert await shelf.create(name, weights, sha256(content))
    assert await shelf.read(name) == content


async def test_what_is_created_never_takes_the_place_of_other_bytes(shelf: Shelf, weights: Path, tmp_path: Path):
    await shelf.put("taken/a", b"anybody's")
    assert not await shelf.create("taken/a", weights, sha256(LARGE))
    assert await shelf.read("taken/a") == b"anybody's"
    (tmp_path / "first").write_bytes(b"first")
    assert await shelf.create("taken/b", tmp_path / "first", sha256(b"first"))
    assert not await shelf.create("taken/b", weights, sha256(LARGE))
    assert await shelf.read("taken/b") == b"first"


@pytest.mark.parametrize("chosen", [("moto", "s3://bucket/told"), ("emulator", "gs://bucket/told")], indirect=True)
async def test_a_long_upload_is_told_in_the_log(
    shelf: Shelf, place: str, weights: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("eyebright.stores.shelves.bucket.followed", partial(followed, every_seconds=0))
    with capture_logs() as said:
        assert await shelf.create(NAME, weights, sha256(LARGE))
    assert {(line["way"], line["object"], line["total_bytes"]) for line in said} == {
        ("up", f"{place}/{NAME}", len(LARGE))
    }
    assert [line.get("moved_bytes") for line in said][-2:] == [len(LARGE), None]


@pytest.mark.parametrize("chosen", [("moto", "s3://bucket/stop"), ("emulator", "gs://bucket/stop")], indirect=True)
async def test_a_large_file_is_given_up_when_the_server_stops(shelf: Shelf, weights: Path):
    await shelf.close()
    with pytest.raises(Unavailable, match="the server stops"):
        await shelf.create(NAME, weights, sha256(LARGE))
    assert await shelf.read(NAME) is None


async def test_a_file_that_is_not_what_it_should_be_is_not_put(shelf: Shelf, weights: Path):
    with pytest.raises(Conflict, match="was changed since"):
        await shelf.create("changed", weights, sha256(b"as it was"))
    assert await shelf.read("changed") is None


async def test_a_file_that_is_not_there_is_said_not_to_be(shelf: Shelf, tmp_path: Path):
    gone = tmp_path / "gone"
    for put in (shelf.put("gone", gone), shelf.create("gone", gone, sha256(LARGE))):
        with pytest.raises(NotFound, match=f"{gone} was to be put, and is not there any more"):
            await put
    assert await shelf.read("gone") is None


class Underway(Traffic):
    """Once a file is on its way, something happens to it."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = [happens]

    def breaks(self, count: int) -> bool:
        if self.passed > 1 << 16 and self._happens:
            self._happens.pop()()
        return super().breaks(count)


@pytest.mark.parametrize("kind", BUCKETS)
@pytest.mark.parametrize(("edited", "expected"), [(True, Conflict), (False, NotFound)], ids=["edited", "removed"])
async def test_a_file_that_something_happens_to_on_its_way_is_not_put(
    kind: str,
    edited: bool,
    expected: type[Exception],
    endpoints: Endpoints,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    def happens() -> None:
        if edited:
            with weights.open("ab") as file:  # never shorter, or a store would wait for the rest
                file.write(b"more")
        else:
            weights.unlink()

    credentials(monkeypatch)
    with line_to(endpoints[kind]) as line:
        line.up = Underway(happens)
        with pytest.raises(expected, match=f"{weights} "):
            await shelf_on(kind, "bucket/underway", line.url).create(expected.__name__, weights, sha256(LARGE))
    assert await shelf_on(kind, "bucket/underway", endpoints[kind]).read(expected.__name__) is None


@pytest.mark.parametrize("kind", ["moto", "emulator"])
async def test_a_model_goes_up_while_it_is_summed(
    kind: str, endpoints: Endpoints, weights: Path, monkeypatch: pytest.MonkeyPatch
):
    def summed(path: Path) -> str:
        assert going.wait(120)
        return sha256_of(path)

    credentials(monkeypatch)
    monkeypatch.setattr("eyebright.stores.objects.bucket.sha256_of", summed)
    going = threading.Event()
    with line_to(endpoints[kind]) as line:
        line.up = Underway(going.set)
        assert await shelf_on(kind, "bucket/summed", line.url).create(NAME, weights, sha256(LARGE))


@pytest.mark.parametrize(
    ("chosen", "padding"),
    [
        (("folder", "models"), b""),
        (("folder", "models"), LARGE),
        (("moto", "s3://bucket/race"), b""),
        (("radosgw", "s3://bucket/race"), b""),
    ],
    ids=["small-folder", "large-folder", "small-moto", "small-radosgw"],
    indirect=["chosen"],
)
async def test_of_many_at_once_one_gets_the_name(shelf: Shelf, tmp_path: Path, padding: bytes):
    """Google's emulator passes over the condition that decides it there; moto first looks at it and then puts parts together."""
    contents = [b"%d" % number + padding for number in range(4)]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
    name = f"raced-for/{len(padding)}"
    got = await asyncio.gather(
        *(shelf.create(name, tmp_path / str(number), sha256(content)) for number, content in enumerate(contents))
    )
    assert sum(got) == 1
    assert await shelf.read(name) == contents[got.index(True)]


@pytest.mark.parametrize(
    ("kind", "cuts"),
    [("moto", [len(LARGE) // 3, len(LARGE)]), ("radosgw", [len(LARGE) // 3, len(LARGE)]), ("emulator", [])],
)
async def test_a_line_that_breaks_and_a_busy_store_are_outlasted(
    kind: str, cuts: list[int], endpoints: Endpoints, weights: Path, monkeypatch: pytest.MonkeyPatch
):
    """Google's emulator takes no piece again that it has a part of, as Google does: what breaks is tested with buckets."""
    credentials(monkeypatch)
    with line_to(endpoints[kind]) as line:
        line.busy, line.up.cuts = 1, [*cuts]
        assert await shelf_on(kind, "bucket/broken", line.url).create(NAME, weights, sha256(LARGE))
        assert not line.up.cuts
        assert line.up.passed < 2 * len(LARGE)
    assert await shelf_on(kind, "bucket/broken", endpoints[kind]).read(NAME) == LARGE


@pytest.mark.parametrize("kind", ["moto", "emulator"])
async def test_a_store_that_stays_busy_is_given_up_before_long(
    kind: str, endpoints: Endpoints, weights: Path, monkeypatch: pytest.MonkeyPatch
):
    credentials(monkeypatch)
    with line_to(endpoints[kind]) as line:
        line.busy = 10**6
        async with asyncio.timeout(60):
            with pytest.raises(Unavailable, match=rf"{SCHEMES[kind]}://bucket/busy/a could not be .*HTTP 503"):
                await shelf_on(kind, "bucket/busy", line.url).create("a", weights, sha256(LARGE))


@pytest.mark.parametrize("kind", BUCKETS)
async def test_a_bucket_that_is_not_there_can_be_mended(
    kind: str, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
):
    credentials(monkeypatch)
    words = r"://missing/models/a .*(NoSuchBucket|no such bucket).*HTTP 404.*EYEBRIGHT_MODELS_LIE_HERE"
    with pytest.raises(Unavailable, match=words):
        await shelf_on(kind, "missing/models", endpoints[kind]).put("a", b"")


async def test_a_place_that_is_there_is_found_and_left_as_it_is(shelf: Shelf, tmp_path: Path):
    await shelf.probe()
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240


@pytest.mark.parametrize("kind", BUCKETS)
async def test_a_bucket_that_is_not_there_is_found_to_be_missing(
    kind: str, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
):
    credentials(monkeypatch)
    words = (
        rf"^there is no bucket {SCHEMES[kind]}://missing to put anything into .*; make it, or set {SETTING} to another$"
    )
    with pytest.raises(StorageUnusable, match=words):
        await shelf_on(kind, "missing/models", endpoints[kind]).probe()


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_a_bucket_that_is_away_is_not_taken_for_a_missing_one(scheme: str, monkeypatch: pytest.MonkeyPatch):
    credentials(monkeypatch)
    shelf = shelf_at(f"{scheme}://bucket", {scheme: f"http://127.0.0.1:{free_port()}"}, SETTING)
    async with asyncio.timeout(60):
        with pytest.raises(Unavailable, match=no_answer(scheme)) as caught:
            await shelf.probe()
    assert not isinstance(caught.value, StorageUnusable)


async def test_a_file_in_the_place_of_the_folder_is_found(tmp_path: Path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(StorageUnusable, match="models is no folder"):
        await shelf_at(str(tmp_path / "models/of/agents"), {}, SETTING).probe()


@pytest.mark.parametrize("above", ["/proc", "/sys"])
async def test_a_folder_that_nobody_can_make_is_found(above: str):
    """Root neither, though its rights are said to do."""
    with pytest.raises(
        StorageUnusable, match=rf"^{above} cannot be written \(.*so nothing can be put into {above}/a/b"
    ):
        await shelf_at(f"{above}/a/b", {}, SETTING).probe()


async def test_a_folder_that_is_there_is_found_and_left_as_it_is(tmp_path: Path):
    shelf = shelf_at(str(tmp_path), {}, SETTING)
    await shelf.put("a", b"")
    await shelf.probe()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]  # noqa: ASYNC240


async def test_a_full_disk_is_found_and_not_taken_for_a_missing_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("eyebright.stores.shelves.folder.tempfile.TemporaryFile", full)
    with pytest.raises(StorageFull, match=f"no room for files in {tmp_path}"):
        await shelf_at(str(tmp_path / "models"), {}, SETTING).probe()


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_a_store_that_is_away_is_said_to_be(scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    credentials(monkeypatch)
    shelf = shelf_at(f"{scheme}://bucket", {scheme: f"http://127.0.0.1:{free_port()}"}, SETTING)
    with pytest.raises(Unavailable, match=f"{scheme}://bucket/a could not be {no_answer(scheme)}") as caught:
        await shelf.put("a", b"")
    assert "credentials" not in caught.value.message
    assert SETTING not in caught.value.message
    with pytest.raises(Unavailable, match=no_answer(scheme)):
        await shelf.read("a")


@pytest.mark.parametrize(("content", "found"), [(None, "was not found"), ("{", "is not a valid json file")])
async def test_credentials_that_cannot_be_read_are_said(
    content: str | None, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """And nothing is tried as the public."""
    key = tmp_path / "key.json"
    if content:
        key.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    shelf = shelf_at("gs://bucket", {"gs": f"http://127.0.0.1:{free_port()}"}, SETTING)
    with pytest.raises(Unavailable, match=f"GOOGLE_APPLICATION_CREDENTIALS: .*key.json {found}"):
        await shelf.put("a", b"")


async def test_credentials_that_are_a_folder_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    shelf = shelf_at("gs://bucket", {"gs": f"http://127.0.0.1:{free_port()}"}, SETTING)
    words = f"credentials in {tmp_path} cannot be read: Is a directory; .* in GOOGLE_APPLICATION_CREDENTIALS; check {SETTING}"
    with pytest.raises(Unavailable, match=words):
        await shelf.put("a", b"")


class Forbidding(Answering):
    """A store that takes what is put, and shows nobody anything."""

    def do_GET(self) -> None:
        self.answer(403)

    do_HEAD = do_GET


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_whoever_may_only_put_finds_nothing(scheme: str, monkeypatch: pytest.MonkeyPatch):
    credentials(monkeypatch)
    with served(Forbidding) as address:
        shelf = shelf_at(f"{scheme}://bucket", {scheme: address}, SETTING)
        assert await shelf.read("a") is None
        await shelf.probe()  # is told nothing either, and takes the bucket to be there


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(Unavailable, match="Not a directory"):
        await shelf_at(str(tmp_path / "models"), {}, SETTING).put(NAME, b"")


async def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shelf = shelf_at(str(tmp_path), {}, SETTING)
    await shelf.put(NAME, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageFull, match="no room"):
            await shelf.put(NAME, b"new")
    assert await shelf.read(NAME) == b"old"
    assert [path.name for path in (tmp_path / "style-7").iterdir()] == ["lora_weights.safetensors"]
