"""What objects in buckets do besides the contract: signed URLs, copies on this machine, lines that break."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness.object_stores import bucket, credentials, endpoints, store_in

from eyebright.ports.objects import Signing
from eyebright.stores.objects.bucket_store import BucketObjectStore

__all__ = ["endpoints"]


@pytest.fixture(params=["moto"])
def store(
    request: pytest.FixtureRequest, endpoints: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BucketObjectStore]:
    credentials(monkeypatch)
    with store_in(bucket(request.param, endpoints[request.param]), tmp_path) as opened:
        yield opened


async def test_whoever_has_a_signed_url_reads_and_writes_without_credentials(store: BucketObjectStore):
    put, get = await store.signed([Signing("PUT", "jobs/j/a1/model", 5), Signing("GET", "jobs/j/a1/model")])
    async with httpx.AsyncClient() as client:
        assert (await client.put(put, content=b"hello")).status_code == 200
        assert (await client.get(get)).content == b"hello"
    assert (await store.stat("jobs/j/a1/model")).size_bytes == 5
