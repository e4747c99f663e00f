"""Object stores of every kind for tests: files, moto's S3, gcp-storage-emulator's Google.

The fixture `endpoints` knows where each kind of bucket is to be had, one server of each for all tests of a module; every
`bucket_store` begins below a prefix of its own.
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

BUCKET = "bucket"
SETTING = "EYEBRIGHT_STORAGE__PLACE"
#: Tests wait for nothing that a test makes pass.
MANNERS = Manners(connect_seconds=2, idle_seconds=10, patience_seconds=8)
IMPATIENT = Manners(connect_seconds=1, idle_seconds=1, patience_seconds=0.5)
ROOMY, TERMS = Room(spare_bytes=0), Terms()

_CLIENTS: dict[str, Callable[[str, str, Manners], Bucket]] = {"moto": S3Bucket, "emulator": GoogleBucket}
BUCKETS = tuple(_CLIENTS)
_numbers = count(1)


@pytest.fixture(scope="module")
def endpoints() -> Iterator[dict[str, str]]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        give_credentials(patch)
        found = {"moto": stack.enter_context(moto()), "emulator": stack.enter_context(google_emulator())}
        s3: Any = boto3.client("s3", endpoint_url=found["moto"], region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        s3.close()
        gs: Any = google.cloud.storage.Client(
            project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": found["emulator"]}
        )
        gs.create_bucket(BUCKET)
        gs.close()
        yield found


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
    **options: Any,
) -> Iterator[BucketObjectStore]:
    """Below a prefix that nobody else has."""
    own = f"objects/t{next(_numbers)}" if prefix is None else prefix
    cache = Cache(folder / "cache", room)
    store = BucketObjectStore(bucket, own, cache, folder / "work", terms, SETTING, **options)
    try:
        yield store
    finally:
        store.close()
