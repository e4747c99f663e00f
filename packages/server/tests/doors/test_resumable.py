"""The tus protocol as a caller sees it, and what hostile callers get."""

import base64
import shutil
from email.utils import parsedate_to_datetime

import httpx
import pytest
from harness.site import API, TOKEN, Site, bearer
from harness.site import site as make_site

from eyebright.doors.http.resumable import EXTENSIONS

UPLOADS = f"{API}/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def begin(site: Site, length: int = 10, **headers: str) -> str:
    answer = await site.post(UPLOADS, headers={**TUS, "Upload-Length": str(length), **headers})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


async def send(site: Site, where: str, offset: object, content: bytes, **headers: str) -> httpx.Response:
    return await site.http.patch(where, content=content, headers={**PIECE, "Upload-Offset": str(offset), **headers})


async def offset_of(site: Site, where: str) -> int:
    answer = await site.http.head(where, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def left_behind(site: Site) -> list[str]:
    folder = site.context.settings.resumable_dir
    return [path.name for path in folder.iterdir()] if folder.exists() else []


async def test_it_tells_what_it_speaks(site):
    answer = await site.http.options(UPLOADS)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-extension"] == EXTENSIONS
    assert answer.headers["tus-max-size"] == str(site.context.settings.uploads.archive_bytes)


async def test_a_file_in_two_pieces(site):
    metadata = f"filename {base64_of('my “pets”.zip')},is_confidential"
    where = await begin(site, 10, **{"Upload-Metadata": metadata})
    assert await offset_of(site, where) == 0
    first = await send(site, where, 0, b"01234")
    assert (first.status_code, first.headers["upload-offset"], first.content) == (204, "5", b"")
    assert parsedate_to_datetime(first.headers["upload-expires"]).timestamp() * 1000 == pytest.approx(
        site.clock.now_ms() + 86_400_000, abs=1000
    )
    assert (await send(site, where, 5, b"56789")).headers["upload-offset"] == "10"
    head = await site.http.head(where, headers=TUS)
    assert (head.headers["upload-length"], head.headers["upload-metadata"]) == ("10", metadata)
    assert head.headers["cache-control"] == "no-store"
    complete = await site.context.services.uploads.path_of(where.rpartition("/")[2])
    assert (complete.path.read_bytes(), complete.filename) == (b"0123456789", "my “pets”.zip")


async def test_the_first_piece_may_come_with_the_creation(site):
    answer = await site.post(UPLOADS, content=b"0123", headers={**PIECE, "Upload-Length": "10"})
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "4")
    assert await offset_of(site, answer.headers["location"]) == 4


async def test_a_creation_whose_piece_is_refused_leaves_nothing(site):
    answer = await site.post(UPLOADS, content=b"01234567890", headers={**PIECE, "Upload-Length": "10"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert left_behind(site) == []


async def test_every_answer_says_the_version(site):
    where = await begin(site)
    answers = [
        await site.http.head(where, headers=TUS),
        await send(site, where, 3, b"x"),
        await send(site, f"{UPLOADS}/upl_{'0' * 23}", 0, b"x"),
        await site.http.head(where),
        await site.post(UPLOADS, headers={**TUS, "Upload-Length": "-1"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 409, 404, 412, 422]
    assert [answer.headers["tus-resumable"] for answer in answers] == ["1.0.0"] * 5


@pytest.mark.parametrize("version", [None, "0.2.2", "2.0.0", "1.0.0, 1.0.0"])
async def test_another_version_is_refused(site, version):
    headers = {"Upload-Length": "1"} if version is None else {"Upload-Length": "1", "Tus-Resumable": version}
    answer = await site.post(UPLOADS, headers=headers)
    assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
    assert left_behind(site) == []


async def test_a_removed_one_is_gone(site):
    where = await begin(site)
    assert (await site.http.delete(where, headers=TUS)).status_code == 204
    assert (await site.http.delete(where, headers=TUS)).status_code == 404
    assert (await send(site, where, 0, b"x")).json()["code"] == "not_found"
    assert left_behind(site) == []


async def test_an_expired_one_is_gone(tmp_path):
    async with make_site(tmp_path, uploads={"expiry_seconds": 60}) as site:
        where = await begin(site)
        site.clock.advance(61)
        assert (await site.http.head(where, headers=TUS)).status_code == 404


async def test_the_method_may_be_told_in_a_header(site):
    where = await begin(site)
    headers = {**PIECE, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert (await site.post(where, content=b"01", headers=headers)).status_code == 204
    assert await offset_of(site, where) == 2


async def test_a_strangers_upload_is_refused_and_leaves_nothing(site):
    for token in ({"Authorization": ""}, bearer("guess"), bearer(TOKEN + "x")):
        creation = await site.post(UPLOADS, content=b"x", headers={**PIECE, "Upload-Length": "1", **token})
        assert creation.status_code == 401
    where = await begin(site)
    stranger = {"Authorization": ""}
    answers = [
        await send(site, where, 0, b"x", **stranger),
        await site.http.head(where, headers={**TUS, **stranger}),
        await site.http.delete(where, headers={**TUS, **stranger}),
        await site.http.options(UPLOADS, headers=stranger),
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert await offset_of(site, where) == 0
    assert len(left_behind(site)) == 2


@pytest.mark.parametrize("length", ["-1", "", "ten", "1.5", "1e3", str(2**63), "9" * 5000, "0x10", "NaN"])
async def test_a_length_that_is_none_is_refused(site, length):
    answer = await site.post(UPLOADS, headers={**TUS, "Upload-Length": length})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert left_behind(site) == []


async def test_a_missing_length_is_refused(site):
    answer = await site.post(UPLOADS, headers=TUS)
    assert answer.status_code == 422
    assert "upload-length" in answer.text.lower()


async def test_a_length_beyond_the_limit_is_refused_at_once(site):
    limit = site.context.settings.uploads.archive_bytes
    answer = await site.post(UPLOADS, headers={**TUS, "Upload-Length": str(limit + 1)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert left_behind(site) == []


async def test_a_length_beyond_the_disk_is_refused_at_once(site, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**10, 10**9, 9 * 10**9))
    answer = await site.post(UPLOADS, headers={**TUS, "Upload-Length": str(10**10)})
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert left_behind(site) == []


@pytest.mark.parametrize("offset", ["-1", "", "0x0", "five", str(2**63), "9" * 5000])
async def test_an_offset_that_is_none_is_refused(site, offset):
    where = await begin(site)
    assert (await send(site, where, offset, b"x")).status_code == 422
    assert await offset_of(site, where) == 0


@pytest.mark.parametrize("offset", [0, 1, 3, 10, 11, 10**15])
async def test_an_offset_where_it_does_not_stand_is_refused(site, offset):
    where = await begin(site)
    await send(site, where, 0, b"01")
    answer = await send(site, where, offset, b"x")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "stands at byte 2" in answer.json()["detail"]
    assert await offset_of(site, where) == 2


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "multipart/form-data", "application/zip"])
async def test_a_body_of_another_type_is_refused(site, content_type):
    where = await begin(site)
    headers = {**TUS, "Upload-Offset": "0"} | ({"Content-Type": content_type} if content_type else {})
    for answer in (
        await site.http.patch(where, content=b"x", headers=headers),
        await site.post(UPLOADS, content=b"x", headers={**headers, "Upload-Length": "1"}),
    ):
        assert answer.status_code == 415
        assert "application/offset+octet-stream" in answer.json()["detail"]
    assert await offset_of(site, where) == 0
    assert len(left_behind(site)) == 2


async def test_a_body_longer_than_announced_is_refused_with_or_without_a_length(site):
    where = await begin(site)

    async def unannounced():
        for _ in range(11):
            yield b"x"

    for content in (b"x" * 11, unannounced()):
        answer = await site.http.patch(where, content=content, headers={**PIECE, "Upload-Offset": "0"})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert await offset_of(site, where) == 10, "the bytes that were announced are kept"


@pytest.mark.parametrize(
    "metadata",
    ["filename not*base64", "filename YQ", "filename YQ== YQ==", " YQ==,", "filename YQ==,,", "a,b,ü YQ==", "x" * 4097],
)
async def test_metadata_that_are_none_are_refused(site, metadata):
    headers = {**TUS, "Upload-Length": "1", "Upload-Metadata": metadata.encode()}
    answer = await site.post(UPLOADS, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert left_behind(site) == []


@pytest.mark.parametrize(
    "name", ["../../../etc/cron.d/x", "/etc/passwd", "a\x00b", "..\\..\\x", "\x1b[2J", "x\r\nSet-Cookie: a=b"]
)
async def test_a_name_is_for_people_and_never_a_path(site, name):
    where = await begin(site, 1, **{"Upload-Metadata": f"filename {base64_of(name)}"})
    await send(site, where, 0, b"x")
    upload_id = where.rpartition("/")[2]
    complete = await site.context.services.uploads.path_of(upload_id)
    assert complete.filename == name
    assert sorted(left_behind(site)) == [f"{upload_id}.bytes", f"{upload_id}.json"]


async def test_a_name_that_is_no_text_or_far_too_long_is_shown_as_well_as_it_can_be(site):
    for raw, shown in ((b"\xff.zip", "\ufffd.zip"), (b"x" * 3000, "x" * 255)):
        where = await begin(site, 0, **{"Upload-Metadata": f"filename {base64.b64encode(raw).decode()}"})
        assert (await site.context.services.uploads.path_of(where.rpartition("/")[2])).filename == shown


@pytest.mark.parametrize("upload_id", ["..", "%2e%2e%2fserver.json", "upl_1", "x" * 101, "upl_" + "0" * 22 + "%00"])
async def test_an_id_never_comes_from_the_caller(site, upload_id):
    await begin(site)
    answer = await send(site, f"{UPLOADS}/{upload_id}", 0, b"x")
    assert answer.status_code in {404, 405, 422}
    assert len(left_behind(site)) == 2


async def test_pages_of_other_servers_that_may_call_can_upload(tmp_path):
    page = "https://photos.example"
    async with make_site(tmp_path, allowed_origins=page) as site:
        wanted = "authorization,tus-resumable,upload-length,upload-metadata,upload-offset"
        asked = {"Origin": page, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": wanted}
        assert (await site.http.options(UPLOADS, headers=asked)).status_code == 200
        answer = await site.post(UPLOADS, headers={**TUS, "Upload-Length": "1", "Origin": page})
        exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert {"location", "upload-offset", "upload-length", "upload-expires", "tus-resumable"} <= exposed
