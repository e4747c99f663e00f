"""Buckets that a live server keeps its objects in, as the operator sees them: `PLACES` has one opener for each kind."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import google.cloud.storage
import pytest
from buckets import give_credentials, google_emulator, moto
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth.credentials import AnonymousCredentials

from harness.ceph import Ceph

BUCKET, PREFIX = "bucket", "mine"


@dataclass(frozen=True)
class Place:
    """`variables` name it to a server. The other two see what lies below its prefix."""

    variables: dict[str, str]
    keys: Callable[[str], list[str]]
    read: Callable[[str], bytes]


@contextmanager
def _moto(_request: pytest.FixtureRequest, _patch: pytest.MonkeyPatch, _folder: Path) -> Iterator[Place]:
    with moto() as endpoint:
        yield _s3(endpoint)


@contextmanager
def _radosgw(request: pytest.FixtureRequest, _patch: pytest.MonkeyPatch, _folder: Path) -> Iterator[Place]:
    ceph: Ceph = request.getfixturevalue("ceph")
    yield _s3(ceph.endpoint)


@contextmanager
def _emulator(_request: pytest.FixtureRequest, patch: pytest.MonkeyPatch, folder: Path) -> Iterator[Place]:
    """Its signatures are Google's own library's; nobody checks them here."""
    with google_emulator() as endpoint, _account(folder / "account.json") as account:
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        client: Any = google.cloud.storage.Client(
            project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
        )
        bucket = client.create_bucket(BUCKET)
        yield Place(
            _variables("gs", endpoint),
            lambda prefix: [_short(blob.name) for blob in client.list_blobs(bucket, prefix=f"{PREFIX}/{prefix}")],
            lambda key: bucket.blob(f"{PREFIX}/{key}").download_as_bytes(),
        )


PLACES = {"moto": _moto, "radosgw": _radosgw, "emulator": _emulator}


@pytest.fixture(params=[*PLACES])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    give_credentials(monkeypatch)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with PLACES[request.param](request, monkeypatch, tmp_path) as opened:
        yield opened


def _s3(endpoint: str) -> Place:
    client: Any = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=BUCKET)
    clear(client)

    def keys(prefix: str) -> list[str]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{PREFIX}/{prefix}")
        return [_short(item["Key"]) for page in pages for item in page.get("Contents", ())]

    return Place(
        _variables("s3", endpoint),
        keys,
        lambda key: client.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}")["Body"].read(),
    )


def clear(client: Any) -> None:
    """One radosgw serves many tests, and all that run moto in one process share what it keeps."""
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])


def _variables(scheme: str, endpoint: str) -> dict[str, str]:
    return {"EYEBRIGHT_STORAGE__PLACE": f"{scheme}://{BUCKET}/{PREFIX}", "EYEBRIGHT_STORAGE__ENDPOINT": endpoint}


def _short(key: str) -> str:
    return key.removeprefix(f"{PREFIX}/")


@contextmanager
def _account(path: Path) -> Iterator[Path]:
    """The key file of a service account, and whoever gives it tokens. That key signs URLs."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Tokens)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    account = {
        "type": "service_account",
        "client_email": "operator@test.iam.gserviceaccount.com",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "private_key_id": "1",
        "token_uri": f"http://127.0.0.1:{server.server_address[1]}/token",
    }
    path.write_text(json.dumps(account))
    yield path
    server.shutdown()
    server.server_close()
    thread.join()


class _Tokens(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"access_token": "of-the-operator", "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""
