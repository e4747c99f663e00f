"""What every shelf of finished models must do: a folder, moto's S3, gcp-storage-emulator's Google."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import google.cloud.storage
import pytest
from buckets import free_port, give_credentials, google_emulator, moto
from google.auth.credentials import AnonymousCredentials

from eyebright.errors import StorageFull, Unavailable
from eyebright.ports.shelf import Shelf
from eyebright.stores.shelves import shelf_at

NAME = "style-7/lora_weights.safetensors"
#: More than Google's library sends in one request.
LARGE = bytes(range(256)) * (9 << 12)


@pytest.fixture(scope="module")
def endpoints() -> Iterator[dict[str, str]]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        give_credentials(patch)
        found = {"s3": stack.enter_context(moto()), "gs": stack.enter_context(google_emulator())}
        s3: Any = boto3.client("s3", endpoint_url=found["s3"], region_name="us-east-1")
        s3.create_bucket(Bucket="bucket")
        s3.close()
        gs: Any = google.cloud.storage.Client(
            project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": found["gs"]}
        )
        gs.create_bucket("bucket")
        gs.close()
        yield found


@pytest.fixture(params=["folder", "s3://bucket/models", "gs://bucket/models", "s3://bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "models") if request.param == "folder" else request.param


@pytest.fixture
def shelf(place: str, endpoints: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Shelf:
    give_credentials(monkeypatch)
    return shelf_at(place, endpoints)


async def test_what_was_put_is_read_from_its_address(shelf: Shelf, place: str, tmp_path: Path):
    file = tmp_path / "weights"
    file.write_bytes(LARGE)
    await shelf.put(NAME, file)
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


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_a_bucket_that_is_not_there_can_be_mended(
    scheme: str, endpoints: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    give_credentials(monkeypatch)
    shelf = shelf_at(f"{scheme}://missing/models", endpoints)
    with pytest.raises(
        Unavailable, match=rf"{scheme}://missing/models/a .*HTTP 404.*EYEBRIGHT_TRAINING_SERVER__MODELS"
    ):
        await shelf.put("a", b"")


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_a_store_that_is_away_is_said_to_be(scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    give_credentials(monkeypatch)
    shelf = shelf_at(f"{scheme}://bucket", {scheme: f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(Unavailable, match=f"{scheme}://bucket/a could not be"):
        await shelf.put("a", b"")
    with pytest.raises(Unavailable):
        await shelf.read("a")


class Forbidding(BaseHTTPRequestHandler):
    """A store that takes what is put, and shows nobody anything."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_whoever_may_only_put_finds_nothing(scheme: str, monkeypatch: pytest.MonkeyPatch):
    give_credentials(monkeypatch)
    with ThreadingHTTPServer(("127.0.0.1", 0), Forbidding) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        assert (
            await shelf_at(f"{scheme}://bucket", {scheme: f"http://127.0.0.1:{server.server_port}"}).read("a") is None
        )
        server.shutdown()
        thread.join()


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(Unavailable, match="Not a directory"):
        await shelf_at(str(tmp_path / "models"), {}).put(NAME, b"")


async def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shelf = shelf_at(str(tmp_path), {})
    await shelf.put(NAME, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageFull, match="no room"):
            await shelf.put(NAME, b"new")
    assert await shelf.read(NAME) == b"old"
    assert [path.name for path in (tmp_path / "style-7").iterdir()] == ["lora_weights.safetensors"]
