"""What a signed URL opens, asked of a store that checks: Ceph's radosgw."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness.object_stores import Endpoints, bucket, credentials, endpoints, store_in

from eyebright.ports.objects import Signing
from eyebright.stores.objects.bucket_store import BucketObjectStore, Terms

__all__ = ["endpoints"]

CONTENT = b"weights"
MODEL, OTHER = "jobs/j/a1/model", "jobs/j/a2/model"


@pytest.fixture(params=[900])
def store(
    request: pytest.FixtureRequest, endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BucketObjectStore]:
    credentials(monkeypatch)
    terms = Terms(expires_seconds=request.param)
    with store_in(bucket("radosgw", endpoints["radosgw"]), tmp_path, terms=terms) as opened:
        yield opened


async def signed(store: BucketObjectStore, *signings: Signing) -> list[str]:
    return [*await store.signed(signings)]


async def ask(method: str, url: str, content: bytes | None = None) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, url, content=content)


async def status(method: str, url: str, content: bytes | None = None) -> int:
    return (await ask(method, url, content)).status_code


async def test_it_opens_its_object_for_its_method_alone(store: BucketObjectStore, tmp_path: Path):
    (tmp_path / "weights").write_bytes(CONTENT)
    await store.put([(OTHER, tmp_path / "weights")])
    put, get, delete = await signed(
        store, Signing("PUT", MODEL, len(CONTENT)), Signing("GET", MODEL), Signing("DELETE", MODEL)
    )
    assert await status("PUT", put, CONTENT) == 200
    assert (await ask("GET", get)).content == CONTENT
    for method, url in (
        ("GET", put),
        ("PUT", get),
        ("DELETE", get),
        ("DELETE", put),
        ("GET", get.replace(MODEL, OTHER)),
        ("GET", get.replace(MODEL, "jobs/j/a1/..%2Fa2/model")),
        ("PUT", put.replace(MODEL, OTHER)),
        ("DELETE", delete.replace(MODEL, OTHER)),
        ("GET", get.partition("?")[0]),
    ):
        assert await status(method, url, CONTENT if method == "PUT" else None) == 403, (method, url.partition("?")[0])
    assert (await ask("GET", get)).content == CONTENT
    assert await status("DELETE", delete) == 204
    assert await store.absent([MODEL, OTHER]) == [MODEL]


async def test_it_takes_no_more_bytes_than_were_announced(store: BucketObjectStore):
    (put,) = await signed(store, Signing("PUT", MODEL, len(CONTENT)))
    assert await status("PUT", put, CONTENT * 1000) == 403
    assert await store.absent([MODEL]) == [MODEL]


async def test_its_sum_cannot_be_taken_out_of_it(store: BucketObjectStore):
    (put,) = await signed(store, Signing("PUT", MODEL, len(CONTENT), "a" * 64))
    kept = "&".join(part for part in put.partition("?")[2].split("&") if "checksum" not in part)
    assert await status("PUT", f"{put.partition('?')[0]}?{kept}", CONTENT) == 403


@pytest.mark.parametrize("store", [1], indirect=True)
async def test_it_is_over_when_its_time_is(store: BucketObjectStore):
    put, get = await signed(store, Signing("PUT", MODEL), Signing("GET", MODEL))
    await asyncio.sleep(2.1)
    assert (await status("PUT", put, CONTENT), await status("GET", get)) == (403, 403)
