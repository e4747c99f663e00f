"""Uploads of a Vision AI Training Platform's callers: in any order of fields, of any name, whole or not at all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from harness.forms import form
from harness.site import API, Site, pets
from harness.site import site as make_site

UPLOAD, JOBS = "/datasets/upload", "/training/jobs"
NAMES = {"user_id": "test", "dataset_name": "my-dataset"}
ORDER = {"user_id": "test", "model_name": "mean", "framework": "toy"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with make_site(tmp_path, uploads={"archive_bytes": 2**20, "spare_bytes": 0}) as site:
        yield site


FILE = ("file", pets(), "sample.zip")
TEXTS = tuple((name, value, None) for name, value in NAMES.items())


async def kept(site: Site) -> list[str]:
    return await site.parts.objects.keys("uploads/")


def left(site: Site) -> list[Path]:
    return [path for path in (site.folder / "objects").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "request_",
    [
        form(FILE, *TEXTS),
        form(*TEXTS, FILE),
        form(TEXTS[0], FILE, TEXTS[1]),
        {**form(FILE), "params": NAMES},
        {**form(FILE, TEXTS[0]), "params": {"dataset_name": "my-dataset"}},
    ],
    ids=["file first", "file last", "file between", "names in the query", "a name each"],
)
async def test_the_fields_come_in_any_order(site, request_):
    answer = await site.post(UPLOAD, **request_)
    assert answer.status_code == 200, answer.text
    (key,) = await kept(site)
    assert answer.json() == {"s3_uri": (site.folder / "objects" / key).as_uri(), "size": len(pets())}
    assert (await site.parts.objects.local(key)).read_bytes() == pets()
    upload = await site.parts.database.kept_uploads.find(key.split("/")[1])
    assert (upload.user_id, upload.dataset_name, upload.size_bytes) == ("test", "my-dataset", len(pets()))


@pytest.mark.parametrize(
    "name", ["../../x.zip", "/etc/passwd", "a\\..\\b", "", "nul\x00byte.zip", "ü" * 300, "%2e%2e%2fx"]
)
async def test_a_file_name_is_no_path(site, name):
    answer = await site.post(UPLOAD, **form(("file", pets(), name), *TEXTS))
    assert answer.status_code == 200, answer.text
    assert [key.rpartition("/")[2] for key in await kept(site)] == ["dataset.zip"]
    assert len(left(site)) == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (form(*TEXTS), 422),
        (form(FILE, TEXTS[0]), 422),
        (form(FILE, TEXTS[0], ("dataset_name", "", None)), 422),
        (form(FILE, TEXTS[0], ("dataset_name", "a\x00b", None)), 422),
        (form(FILE, TEXTS[0], ("dataset_name", "x" * 201, None)), 422),
        (form(FILE, TEXTS[0], ("dataset_name", "x" * 10_000, None)), 422),
        (form(("file", b"", "empty.zip"), *TEXTS), 422),
        (form(("file", b"x" * (2**20 + 1), "large.zip"), *TEXTS), 413),
        ({"content": b"", "headers": {"Content-Length": str(2**40)}, "params": NAMES}, 413),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data"}}, 422),
        ({**form(FILE), "content": form(FILE)["content"][:500], "params": NAMES}, 422),
    ],
)
async def test_what_is_refused_leaves_nothing(site, request_, status):
    answer = await site.post(UPLOAD, **request_)
    assert answer.status_code == status, answer.text
    assert left(site) == []


async def test_a_disk_must_be_left_some_room(tmp_path):
    async with make_site(tmp_path, uploads={"spare_bytes": 2**60}) as site:
        answer = await site.post(UPLOAD, **form(FILE, *TEXTS))
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
        assert left(site) == []


@pytest.mark.parametrize("how", ["hangs up", "cancelled"])
async def test_what_breaks_off_leaves_nothing(site, how):
    begun = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield form(FILE, *TEXTS)["content"][:2000]
        begun.set()
        if how == "hangs up":
            raise ConnectionResetError
        await asyncio.Event().wait()

    asking = asyncio.create_task(site.http.post(UPLOAD, content=body(), headers=form(FILE)["headers"]))
    await begun.wait()
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert left(site) == []


async def order(site: Site, uri: str) -> httpx.Response:
    return await site.post(JOBS, json={**ORDER, "dataset_s3_uri": uri})


async def test_what_was_uploaded_is_trained_on_by_its_address(site):
    uri = (await site.post(UPLOAD, **form(FILE, *TEXTS))).json()["s3_uri"]
    job = (await order(site, uri)).json()
    assert (job["status"], job["dataset_s3_uri"]) == ("pending", uri)
    await site.post(f"{JOBS}/{job['id']}/start")
    for _ in range(5):
        await site.import_all()
    assert [found["name"] for found in (await site.get(f"{API}/datasets")).json()["items"]] == ["my-dataset"]


async def test_no_other_address_of_ours_opens_anything(site):
    uri = (await site.post(UPLOAD, **form(FILE, *TEXTS))).json()["s3_uri"]
    await site.add_dataset()
    place = (site.folder / "objects").as_uri()
    blob = (await site.parts.objects.keys("blobs/"))[0]
    upload = uri.removesuffix("dataset.zip")
    for other in (
        f"{place}/{blob}",
        f"{place}/",
        place,
        (site.folder).as_uri(),
        "file://",
        upload,
        upload.rstrip("/"),
        f"{uri}/",
        f"{upload}other.zip",
        f"{place}/uploads/upl_none/dataset.zip",
        f"{place}/uploads/../{blob}",
        f"FILE{uri.removeprefix('file')}x",
    ):
        assert (await order(site, other)).status_code == 404, other
        native = await site.post(f"{API}/datasets:import", json={"url": other}, headers={"Prefer": "respond-async"})
        assert native.status_code == 404, other
    images = {"images": [{"url": uri}], "name": "x"}
    assert (await site.post(f"{API}/datasets:import", json=images)).status_code == 422
