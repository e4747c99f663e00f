"""Buckets of every kind for tests: moto's S3, Ceph's, which checks signatures, and gcp-storage-emulator's Google.

The fixture `endpoints` knows where each kind is to be had, one server of each for all tests of a module, started when it is first
asked for; every `store_in` begins below a prefix of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import google.cloud.storage
import pytest
from buckets import give_credentials, google_emulator, moto
from google.auth.credentials import AnonymousCredentials

from eyebright.stores.objects.bucket import Bucket, Manners
from eyebright.stores.objects.bucket_store import BucketObjectStore, Terms
from eyebright.stores.objects.cache import Cache, Room
from eyebright.stores.objects.gcs import GoogleBucket
from eyebright.stores.objects.s3 import S3Bucket
from harness.ceph import ACCESS_KEY, SECRET_KEY, Ceph

BUCKET = "bucket"
SETTING = "EYEBRIGHT_STORAGE__PLACE"
#: Tests wait for nothing that a test makes pass.
MANNERS = Manners(connect_seconds=2, idle_seconds=10, patience_seconds=8)
IMPATIENT = Manners(connect_seconds=1, idle_seconds=1, patience_seconds=0.5)
ROOMY, TERMS = Room(spare_bytes=0), Terms()

_CLIENTS: dict[str, Callable[[str, str, Manners], Bucket]] = {
    "moto": S3Bucket,
    "radosgw": S3Bucket,
    "emulator": GoogleBucket,
}
BUCKETS = tuple(_CLIENTS)
_numbers = count(1)


class Endpoints:
    def __init__(self, request: pytest.FixtureRequest, stack: ExitStack) -> None:
        self._request = request
        self._stack = stack
        self._found: dict[str, str] = {}

    def __getitem__(self, kind: str) -> str:
        """Its address. There is `BUCKET` at each."""
        if kind not in self._found:
            self._found[kind] = self._started(kind)
        return self._found[kind]

    def _started(self, kind: str) -> str:
        if kind == "emulator":
            endpoint = self._stack.enter_context(google_emulator())
            google_client(endpoint).create_bucket(BUCKET)
            return endpoint
        if kind == "moto":
            endpoint = self._stack.enter_context(moto())
        else:
            ceph: Ceph = self._request.getfixturevalue("ceph")
            endpoint = ceph.endpoint
        client = s3_client(endpoint)
        client.create_bucket(Bucket=BUCKET)
        # Ceph makes a pool for the first upload in parts, for longer than `IMPATIENT` waits: it would be begun twice.
        begun = client.create_multipart_upload(Bucket=BUCKET, Key="first")
        client.abort_multipart_upload(Bucket=BUCKET, Key="first", UploadId=begun["UploadId"])
        return endpoint


@pytest.fixture(scope="module")
def endpoints(request: pytest.FixtureRequest) -> Iterator[Endpoints]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        credentials(patch)
        yield Endpoints(request, stack)


def credentials(patch: pytest.MonkeyPatch) -> None:
    """The operator's, for every kind."""
    give_credentials(patch)
    patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


def s3_client(endpoint: str) -> Any:
    """To look behind the back of a store."""
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


def google_client(endpoint: str) -> Any:
    """The same."""
    return google.cloud.storage.Client(
        project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
    )


def bucket(kind: str, endpoint: str, manners: Manners = MANNERS, name: str = BUCKET) -> Bucket:
    return _CLIENTS[kind](name, endpoint, manners)


@contextmanager
def store_in(
    bucket: Bucket,
    folder: Path,
    *,
    prefix: str | None = None,
    room: Room = ROOMY,
    terms: Terms = TERMS,
) -> Iterator[BucketObjectStore]:
    """Below a prefix that nobody else has."""
    own = f"objects/t{next(_numbers)}" if prefix is None else prefix
    cache = Cache(folder / "cache", room)
    store = BucketObjectStore(bucket, own, cache, folder / "work", terms, SETTING)
    try:
        yield store
    finally:
        store.close()
