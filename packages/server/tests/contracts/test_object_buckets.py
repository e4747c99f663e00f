"""What objects in buckets do besides the contract: signed URLs, progress, limits, and whatever can go wrong with a store.

moto takes any signature and any checksum, gcp-storage-emulator any condition: what is said of these is said to the others.
"""

import asyncio
import hashlib
import json
import socket
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import google_crc32c
import httpx
import pytest
from buckets import free_port
from harness.answering import Answering, served
from harness.ceph import Ceph
from harness.line import Line, line_to
from harness.object_stores import (
    BUCKET,
    BUCKETS,
    IMPATIENT,
    MANNERS,
    Endpoints,
    bucket,
    credentials,
    endpoints,
    google_client,
    s3_client,
    store_in,
)
from structlog.testing import capture_logs

from eyebright.errors import Conflict, StorageFull, TooLarge, Unavailable
from eyebright.ports.objects import Signing, blob_key
from eyebright.stores.objects.bucket import PIECE_BYTES, BucketFailed, FileChanged, Found, Seen
from eyebright.stores.objects.bucket_store import BucketObjectStore, Terms
from eyebright.stores.objects.cache import Room
from eyebright.stores.objects.progress import followed

__all__ = ["endpoints"]

SMALL = b"some bytes " * 10_000
#: Two pieces and a bit.
LARGE = bytes(range(256)) * (9 << 13) + b"an odd end"
KEY = "jobs/j/a1/model"
#: More than there are threads for callers.
MANY = [f"jobs/many/{number}" for number in range(20)]
SETTING = "check EYEBRIGHT_STORAGE__PLACE"
NO_ANSWER = r"http://127\.0\.0\.1:\d+ gives no answer \(\w+\); .* EYEBRIGHT_STORAGE__ENDPOINT says where it is$"
S3 = ("moto", "radosgw")
#: Every MiB breaks a connection: requests get through, pieces never do.
ALWAYS = [*range(1 << 20, 1 << 30, 1 << 20)]

Open = Callable[..., BucketObjectStore]


@pytest.fixture(params=BUCKETS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def url(kind: str, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> str:
    credentials(monkeypatch)
    return endpoints[kind]


@pytest.fixture
def line(url: str) -> Iterator[Line]:
    with line_to(url) as opened:
        yield opened


@pytest.fixture
def open_store(kind: str, tmp_path: Path) -> Iterator[Open]:
    """`open_store(address, …)`: a store in a bucket of the kind, with a folder of its own, below one prefix for the test."""
    with ExitStack() as stack:
        prefix = f"faults/{time.monotonic_ns()}"

        def opened(address: str, manners: Any = MANNERS, name: str = BUCKET, **options: Any) -> BucketObjectStore:
            folder = options.pop("folder", tmp_path / f"store-{time.monotonic_ns()}")
            client = bucket(kind, address, manners, name)
            return stack.enter_context(store_in(client, folder, **{"prefix": prefix, **options}))

        yield opened


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return written(tmp_path / "small", SMALL)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return written(tmp_path / "large", LARGE)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def copies(tmp_path: Path) -> list[Path]:
    """Everything that stores of this test have on this machine, whole or not."""
    return [path for folder in tmp_path.glob("store-*") for path in files_in(folder)]


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def begun(kind: str, url: str, store: BucketObjectStore) -> list[Any]:
    """Uploads of a store that were neither finished nor given up. Google forgets its own after a week."""
    if kind == "emulator":
        return []
    found = s3_client(url).list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    prefix = store.grant("jobs/").uri.partition(f"//{BUCKET}/")[2].removesuffix("jobs/")
    return [each for each in found if each["Key"].startswith(prefix)]


# URLs


@pytest.mark.parametrize("kind", S3, indirect=True)
async def test_whoever_has_a_signed_url_reads_and_writes_without_credentials(url: str, open_store: Open):
    store = open_store(url)
    put, get = await store.signed([Signing("PUT", KEY, 5), Signing("GET", KEY)])
    async with httpx.AsyncClient() as client:
        assert (await client.put(put, content=b"hello")).status_code == 200
        assert (await client.get(get)).content == b"hello"
    assert (await store.stat(KEY)).size_bytes == 5


@pytest.mark.parametrize("kind", ["radosgw"], indirect=True)
async def test_a_signed_url_opens_nothing_but_what_was_signed(url: str, open_store: Open):
    put, get = await open_store(url).signed([Signing("PUT", KEY, 5), Signing("GET", KEY)])
    async with httpx.AsyncClient() as client:
        for answer in (
            await client.put(put, content=b"more than five"),
            await client.put(get, content=b"hello"),
            await client.get(put),
            await client.get(get.replace(KEY, "jobs/j/a2/model")),
            await client.delete(put),
        ):
            assert answer.status_code == 403


# Moving


async def test_a_long_transfer_is_told_in_the_log_piece_by_piece(url: str, open_store: Open, large: Path):
    store = open_store(url, terms=Terms(told_seconds=0))
    for way, move in (("up", store.put([(KEY, large)])), ("down", store.local(KEY)), ("down", store.stat(KEY))):
        with capture_logs() as said:
            await move
        *going, arrived = said
        assert {(line["way"], line["object"], line["total_bytes"]) for line in said} == {(way, KEY, len(LARGE))}
        assert {line["event"] for line in going} == {"an object is on its way"}
        moved = [0, *(line["moved_bytes"] for line in going)]
        assert all(0 < after - before <= PIECE_BYTES for before, after in pairwise(moved))
        assert moved[-1] == len(LARGE)
        assert arrived["event"] == "the transfer of an object has ended"


async def test_a_short_transfer_is_not_told_in_the_log(url: str, open_store: Open, small: Path):
    store = open_store(url)
    with capture_logs() as said:
        await store.put([(KEY, small)])
        await store.local(KEY)
    assert said == []


def test_a_transfer_is_told_every_few_seconds_until_it_ends():
    seconds = iter([0, *range(1, 5), 5, 5, *range(6, 10), 10, 10, 11, 12])
    with capture_logs() as said, followed("up", KEY, 120, every_seconds=5, now=lambda: next(seconds)) as moved:
        for _ in range(11):
            moved(10)
    assert [line.get("moved_bytes") for line in said] == [50, 100, None]
    assert said[2]["seconds"] == 12


def test_a_transfer_that_failed_has_not_arrived():
    with capture_logs() as said, suppress(BucketFailed), followed("up", KEY, 120, every_seconds=0) as moved:
        moved(10)
        raise BucketFailed("away")
    assert [line["event"] for line in said] == ["an object is on its way"]


@pytest.mark.parametrize("kind", ["moto"], indirect=True)
async def test_no_more_than_two_large_objects_are_summed_at_once(
    kind: str, url: str, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    client, left, most = bucket(kind, url), dict[str, int](), list[int]()
    read = client.read

    def counted(found: Found, start: int, stop: int) -> bytes:
        left.setdefault(found.key, len(LARGE))
        most.append(sum(count > 0 for count in left.values()))
        content = read(found, start, stop)
        left[found.key] -= len(content)
        return content

    monkeypatch.setattr(client, "read", counted)
    keys = [f"{KEY}{number}" for number in range(4)]
    for key in keys:
        client.replace(f"summed/{key}", large)
    with store_in(client, tmp_path, prefix="summed") as store:
        found = await asyncio.gather(*(store.stat(key) for key in keys))
    assert {each.sha256 for each in found} == {hashlib.sha256(LARGE).hexdigest()}
    assert max(most) <= 2


@pytest.mark.parametrize("kind", ["moto"], indirect=True)
@pytest.mark.parametrize(
    ("call", "asked"),
    [(BucketObjectStore.stat, MANY), (BucketObjectStore.local, MANY), (BucketObjectStore.local, ["jobs/many"])],
    ids=["stat", "local", "folder"],
)
async def test_large_objects_that_wait_for_their_turn_keep_nobody_else_waiting(
    kind: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., Any], asked: list[str]
):
    def held(move: Callable[..., Any]) -> Callable[..., Any]:
        def moves(*order: Any) -> Any:
            loop.call_soon_threadsafe(begun.release)
            assert free.wait(120)
            return move(*order)

        return moves

    client, free = bucket(kind, url), threading.Event()
    loop, begun = asyncio.get_running_loop(), asyncio.Semaphore(0)
    for move in ("read", "copy"):
        monkeypatch.setattr(client, move, held(getattr(client, move)))
    for key in MANY:
        client.replace(f"turns/{key}", bytes(PIECE_BYTES + 1))
    with store_in(client, tmp_path, prefix="turns") as store:
        waiting = [asyncio.create_task(call(store, key)) for key in asked]
        try:
            for _ in range(4):  # two pieces of two objects
                await begun.acquire()
            async with asyncio.timeout(60):
                assert len(await store.signed([Signing("GET", KEY, None, None)])) == 1
                assert await store.absent([KEY]) == [KEY]
        finally:
            free.set()
            await asyncio.gather(*waiting)


@pytest.mark.parametrize("kind", ["moto"], indirect=True)
async def test_what_takes_long_leaves_the_threads_of_the_others_free(
    kind: str, url: str, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def wait(*arguments: Any) -> bool:
        loop.call_soon_threadsafe(begun.set)
        assert free.wait(120)
        return create(*arguments)

    client, loop, begun, free = bucket(kind, url), asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    create = client.create
    monkeypatch.setattr(client, "create", wait)
    loop.set_default_executor(ThreadPoolExecutor(1))
    with store_in(client, tmp_path) as store:
        putting = asyncio.create_task(store.put([(KEY, small)]))
        await begun.wait()
        await asyncio.to_thread(free.set)
        assert await putting == 1


@pytest.mark.parametrize("kind", S3, indirect=True)
async def test_of_many_at_once_one_gets_the_key(kind: str, url: str, tmp_path: Path):
    client, key = bucket(kind, url), f"raced-for/{time.monotonic_ns()}"
    files = [written(tmp_path / str(number), b"%d" % number) for number in range(4)]
    got = await asyncio.gather(
        *(asyncio.to_thread(client.create, key, Seen.of(file), lambda _: None) for file in files)
    )
    found = client.look(key)
    assert found
    assert sum(got) == 1
    assert client.read(found, 0, 1) == b"%d" % got.index(True)
    client.close()


@pytest.mark.parametrize("kind", S3, indirect=True)
def test_whoever_takes_the_key_while_parts_are_sent_keeps_it(kind: str, url: str, large: Path):
    client, key = bucket(kind, url), f"taken/{time.monotonic_ns()}"
    assert not client.create(key, Seen.of(large), lambda _: client.replace(key, b"another's"))
    found = client.look(key)
    assert found
    assert client.read(found, 0, found.size_bytes) == b"another's"
    assert s3_client(url).list_multipart_uploads(Bucket=BUCKET, Prefix=key).get("Uploads", []) == []
    client.close()


@pytest.mark.parametrize("kind", ["radosgw"], indirect=True)
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_whoever_may_only_put_takes_no_key_that_is_taken(
    kind: str, url: str, ceph: Ceph, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name, file = f"putter-{len(content)}", written(tmp_path / "file", content)
    ceph.add_user(name, name)
    may = {"Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam:::user/{name}"]}, "Action": ["s3:PutObject"]}
    policy = {"Version": "2012-10-17", "Statement": [{**may, "Resource": [f"arn:aws:s3:::{BUCKET}/{name}/*"]}]}
    s3_client(url).put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", name)
    with closing(bucket(kind, url)) as client:
        with pytest.raises(BucketFailed, match="HTTP 403"):
            client.look(f"{name}/a")
        assert [client.create(f"{name}/a", Seen.of(file), lambda _: None) for _ in range(2)] == [True, False]


def test_a_file_that_is_written_to_while_it_is_sent_does_not_appear(kind: str, url: str, large: Path):
    def edit(_count: int) -> None:
        with large.open("ab") as file:
            file.write(b"!")

    client, key = bucket(kind, url), f"edited/{time.monotonic_ns()}"
    with pytest.raises(FileChanged):
        client.create(key, Seen.of(large), edit)
    assert client.look(key) is None
    client.close()


def test_a_file_whose_sum_is_promised_is_sent_before_it_is_proven(kind: str, url: str, large: Path):
    client, key, going = bucket(kind, url), f"promised/{time.monotonic_ns()}", threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(going.wait, 120)
        seen = Seen.promised(large, hashlib.sha256(LARGE).hexdigest(), pool)
        assert client.create(key, seen, lambda _: going.set())
    assert waited.result()
    client.close()


async def test_a_large_blob_that_is_not_what_its_name_says_does_not_appear(
    kind: str, url: str, open_store: Open, large: Path
):
    store, key = open_store(url), blob_key(hashlib.sha256(SMALL).hexdigest())
    with pytest.raises(Conflict, match=f"{large} changed while it was being imported"):
        await store.put([(key, large)])
    assert await store.absent([key]) == [key]
    assert begun(kind, url, store) == []


async def test_what_is_larger_than_the_limit_goes_neither_up_nor_down(
    url: str, open_store: Open, small: Path, tmp_path: Path
):
    strict = open_store(url, terms=Terms(object_bytes=len(SMALL) - 1))
    with pytest.raises(TooLarge, match=r"110,000 bytes.*109,999; raise EYEBRIGHT_STORAGE__OBJECT_BYTES"):
        await strict.put([(KEY, small)])
    assert await strict.keys("jobs/") == []
    await open_store(url).put([(KEY, small)])
    with pytest.raises(TooLarge, match=f"{BUCKET}/.*/{KEY} has 110,000 bytes"):
        await strict.local(KEY)
    assert copies(tmp_path) == []


# Disks


async def test_a_disk_without_room_is_told_before_anything_is_fetched(
    line: Line, open_store: Open, small: Path, tmp_path: Path
):
    store = open_store(line.url, room=Room(spare_bytes=1 << 60))
    await store.put([(KEY, small)])
    passed = line.down.passed
    with pytest.raises(StorageFull, match=r"a copy of 110,000 bytes is needed .* make room"):
        await store.local(KEY)
    assert line.down.passed < passed + len(SMALL)
    assert copies(tmp_path) == []
    assert b"".join([chunk async for chunk in store.open(KEY)]) == SMALL


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, where LARGE just fits."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting a file system needs root: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("kind", ["moto"], indirect=True)
async def test_a_disk_that_fills_up_meanwhile_keeps_no_part(
    kind: str, url: str, large: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
):
    def fill(*arguments: Any) -> None:
        copy(*arguments)
        if not hog.exists():
            written(hog, bytes(8 << 20))

    client, hog = bucket(kind, url), disk / "hog"
    copy = client.copy
    monkeypatch.setattr(client, "copy", fill)
    with store_in(client, disk / "store") as store:
        await store.put([(KEY, large)])
        with pytest.raises(StorageFull, match=f"the disk that holds {disk}/store/cache is full; free some space"):
            await store.local(KEY)
        assert files_in(disk) == [hog]
        written(hog, b"")
        assert (await store.local(KEY)).read_bytes() == LARGE


# Stores


@pytest.mark.parametrize("name", ["missing"])
async def test_a_bucket_that_is_not_there_is_told_with_the_setting(
    url: str, open_store: Open, small: Path, large: Path, name: str
):
    store = open_store(url, name=name)
    for asked in (
        store.put([(KEY, small)]),
        store.put([(KEY, large)]),
        store.stat(KEY),
        store.keys("jobs/"),
        store.local(KEY),
    ):
        with pytest.raises(Unavailable, match=rf"://{name}/.*(NoSuchBucket|no such bucket).*HTTP 404.*{SETTING}"):
            await asked


async def test_a_store_that_is_away_is_told_and_nothing_is_lost(
    kind: str, open_store: Open, small: Path, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
):
    credentials(monkeypatch)
    store = open_store(f"http://127.0.0.1:{free_port()}", IMPATIENT)
    for asked in (
        store.put([(KEY, small)]),
        store.stat(KEY),
        store.keys("jobs/"),
        store.local(KEY),
        store.absent([KEY]),
    ):
        with pytest.raises(Unavailable, match=NO_ANSWER):
            await asked
    again = open_store(endpoints[kind])
    assert await again.put([(KEY, small)]) == 1


async def test_a_store_that_does_not_answer_is_left_in_time(line: Line, open_store: Open, small: Path):
    line.silent = True
    store = open_store(line.url, IMPATIENT)
    for asked in (store.put([(KEY, small)]), store.local(KEY)):
        began = time.monotonic()
        with pytest.raises(Unavailable, match=NO_ANSWER):
            await asked
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("kind", ["radosgw"], indirect=True)
@pytest.mark.parametrize(("secret", "found"), [("guessed/secret", "403|SignatureDoesNotMatch"), (None, "credentials")])
async def test_wrong_credentials_are_told_and_not_shown(
    url: str, open_store: Open, small: Path, monkeypatch: pytest.MonkeyPatch, secret: str | None, found: str
):
    if secret:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    else:
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    store = open_store(url)
    for asked in (store.put([(KEY, small)]), store.stat(KEY), store.keys("jobs/"), store.local(KEY)):
        with pytest.raises(Unavailable, match=found) as caught:
            await asked
        assert SETTING in caught.value.message
        assert "guessed" not in caught.value.message


@pytest.mark.parametrize("kind", ["moto", "emulator"], indirect=True)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_store_that_refuses_is_asked_once_and_told(
    open_store: Open, small: Path, monkeypatch: pytest.MonkeyPatch, status: int
):
    credentials(monkeypatch)
    asked: list[str] = []
    with served(refusing(status, asked)) as address:
        store = open_store(address)
        with pytest.raises(
            Unavailable, match=rf"(HTTP {status}|Anonymous).*what the server's credentials may do there"
        ):
            await store.put([(KEY, small)])
        assert len(asked) == 1


def refusing(status: int, asked: list[str]) -> type[Answering]:
    """Answers everything with a status, and notes what it was."""

    class Refusing(Answering):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.received()
            self.answer(status)

        do_HEAD = do_GET = do_PUT = do_POST

    return Refusing


# Lines


async def test_lines_that_break_and_busy_stores_are_outlasted(
    kind: str, url: str, line: Line, open_store: Open, large: Path
):
    """What becomes of pieces that Google has a part of, its emulator does not know."""
    store = open_store(line.url)
    line.busy, line.up.cuts = 1, [0] if kind == "emulator" else [len(LARGE) // 3, len(LARGE)]
    assert await store.put([(KEY, large)]) == 1
    assert not line.up.cuts
    assert line.up.passed < 2 * len(LARGE)
    line.busy, line.down.cuts = 1, [line.down.passed + part * len(LARGE) // 3 for part in (1, 2)]
    assert (await store.local(KEY)).read_bytes() == LARGE
    assert not line.down.cuts
    assert begun(kind, url, store) == []


async def test_an_upload_that_never_gets_through_leaves_nothing_in_the_bucket(
    kind: str, url: str, line: Line, open_store: Open, large: Path
):
    store, healthy = open_store(line.url, IMPATIENT), open_store(url)
    line.up.cuts = [*ALWAYS]
    with pytest.raises(Unavailable, match=NO_ANSWER):
        await store.put([(KEY, large)])
    assert await healthy.keys("jobs/") == []
    assert begun(kind, url, store) == []
    assert await healthy.put([(KEY, large)]) == 1
    assert (await healthy.stat(KEY)).sha256 == hashlib.sha256(LARGE).hexdigest()


async def test_a_download_that_never_gets_through_leaves_nothing_on_the_disk(
    url: str, line: Line, open_store: Open, large: Path, tmp_path: Path
):
    await open_store(url).put([(KEY, large)])
    store = open_store(line.url, IMPATIENT)
    line.down.cuts = [*ALWAYS]
    with pytest.raises(Unavailable, match=f"{NO_ANSWER}|{SETTING}"):
        await store.local(KEY)
    assert copies(tmp_path) == []
    line.down.cuts = []
    assert (await store.local(KEY)).read_bytes() == LARGE


@pytest.mark.parametrize("kind", ["radosgw", "emulator"], indirect=True)
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_what_is_spoilt_on_its_way_up_is_refused_by_the_store(
    kind: str, url: str, line: Line, open_store: Open, tmp_path: Path, content: bytes
):
    store, healthy = open_store(line.url), open_store(url)
    line.up.spoils = [len(content) // 2]
    with pytest.raises(Unavailable, match=r"HTTP 4\d\d"):
        await store.put([(KEY, written(tmp_path / "file", content))])
    assert not line.up.spoils
    assert await healthy.keys("jobs/") == []
    assert begun(kind, url, store) == []


async def test_what_is_spoilt_on_its_way_down_is_fetched_again(url: str, line: Line, open_store: Open, large: Path):
    store = open_store(line.url)
    await store.put([(KEY, large)])
    line.down.spoils = [line.down.passed + len(LARGE) // 2]
    assert (await store.local(KEY)).read_bytes() == LARGE
    assert not line.down.spoils


# Contents


async def test_a_blob_that_is_not_what_its_name_says_is_damaged(
    kind: str, url: str, open_store: Open, small: Path, tmp_path: Path
):
    store, key = open_store(url, prefix="damaged"), blob_key(hashlib.sha256(SMALL).hexdigest())
    client = bucket(kind, url)
    client.replace(f"damaged/{key}", SMALL.replace(b"some", b"same"))
    with pytest.raises(Unavailable, match=rf"/damaged/{key} is damaged: its sha256 is .*, expected .*; put the right"):
        await store.local(key)
    assert copies(tmp_path) == []
    assert (await store.stat(key)).sha256 != hashlib.sha256(SMALL).hexdigest()
    client.replace(f"damaged/{key}", SMALL)
    assert (await store.local(key)).read_bytes() == SMALL
    client.close()


async def test_an_object_that_is_not_what_was_noted_of_it_is_damaged(
    kind: str, url: str, open_store: Open, tmp_path: Path
):
    store, noted = open_store(url, prefix="noted"), {"sha256": "0" * 64}
    if kind == "emulator":
        blob = google_client(url).bucket(BUCKET).blob(f"noted/{KEY}")
        blob.metadata = noted
        blob.upload_from_string(SMALL)
    else:
        s3_client(url).put_object(Bucket=BUCKET, Key=f"noted/{KEY}", Body=SMALL, Metadata=noted)
    with pytest.raises(Unavailable, match="is damaged"):
        await store.local(KEY)
    assert copies(tmp_path) == []


# Amazon's uploads


@dataclass
class Upload:
    """One in parts, as S3 has it, whose end is never answered. `noted`: the sha256 that lies there afterwards."""

    noted: str | None
    asked: list[str] = field(default_factory=list[str])
    ended: bool = False


def in_parts(upload: Upload) -> type[Answering]:
    """What Amazon documents of them: one that has ended is known no more."""

    class InParts(Answering):
        def do_HEAD(self) -> None:
            if upload.ended and upload.noted:
                self.answer(200, **{"x-amz-meta-sha256": upload.noted, "ETag": '"whole"'})
            else:
                self.answer(404)

        def do_PUT(self) -> None:
            self.received()
            self.answer(200, ETag='"part"')

        def do_DELETE(self) -> None:
            upload.asked.append("abort")
            self.answer(204)

        def do_POST(self) -> None:
            self.received()
            if self.path.endswith("?uploads"):
                self.answer(200, b"<Begun><UploadId>u</UploadId></Begun>")
                return
            upload.asked.append(self.headers["If-None-Match"])
            if upload.ended:
                self.answer(404, b"<Error><Code>NoSuchUpload</Code></Error>")
            else:
                upload.ended = True
                self.connection.shutdown(socket.SHUT_RDWR)

    return InParts


def created(upload: Upload, content: Path) -> bool:
    with served(in_parts(upload)) as address, closing(bucket("moto", address)) as client:
        return client.create(KEY, Seen.of(content), lambda _: None)


def test_an_upload_whose_last_answer_was_lost_is_known_by_its_sum(large: Path, monkeypatch: pytest.MonkeyPatch):
    credentials(monkeypatch)
    upload = Upload(hashlib.sha256(LARGE).hexdigest())
    assert created(upload, large)
    assert upload.asked == ["*", "*"]


@pytest.mark.parametrize("noted", [None, hashlib.sha256(SMALL).hexdigest()], ids=["nothing", "another's"])
def test_an_upload_that_is_gone_without_its_object_has_failed(
    large: Path, noted: str | None, monkeypatch: pytest.MonkeyPatch
):
    credentials(monkeypatch)
    with pytest.raises(BucketFailed, match=r"NoSuchUpload \(HTTP 404\)"):
        created(Upload(noted), large)


# Google's uploads


@dataclass
class Session:
    """One resumable upload, as Google has it."""

    asked: str = ""
    about: dict[str, Any] = field(default_factory=dict[str, Any])
    kept: bytearray = field(default_factory=bytearray)
    broken: bool = False


def uploads(session: Session) -> type[Answering]:
    """What Google documents of them. The second piece breaks off in the middle."""

    class Uploads(Answering):
        def do_GET(self) -> None:
            self.answer(404)

        def do_POST(self) -> None:
            session.asked = self.path
            session.about = json.loads(self.received())
            self.answer(200, Location=f"http://{self.headers['Host']}/session")

        def do_PUT(self) -> None:
            place, length = self.headers["Content-Range"], int(self.headers["Content-Length"])
            if place.startswith("bytes */"):
                self._more()
                return
            assert place.startswith(f"bytes {len(session.kept)}-")
            if session.kept and not session.broken:
                session.broken = True
                session.kept += self.rfile.read(length // 2)
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            session.kept += self.rfile.read(length)
            if place.endswith(f"-{len(LARGE) - 1}/{len(LARGE)}"):
                self.answer(200, json.dumps({"crc32c": session.about["crc32c"]}).encode())
            else:
                self._more()

        def _more(self) -> None:
            self.answer(308, Range=f"bytes=0-{len(session.kept) - 1}")

    return Uploads


async def test_google_is_asked_how_much_came_of_a_piece_that_broke_off(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    credentials(monkeypatch)
    session = Session()
    with served(uploads(session)) as address, store_in(bucket("emulator", address), tmp_path, prefix="p") as store:
        assert await store.put([(KEY, large)]) == 1
    assert session.broken
    assert session.kept == LARGE
    assert session.asked == "/upload/storage/v1/b/bucket/o?uploadType=resumable&ifGenerationMatch=0"
    assert session.about == {
        "name": f"p/{KEY}",
        "metadata": {"sha256": hashlib.sha256(LARGE).hexdigest()},
        "crc32c": b64encode(google_crc32c.Checksum(LARGE).digest()).decode(),
    }
