"""Bodies that are files: bounded, streamed, and gone afterwards."""

import asyncio
import shutil

import httpx
import pytest
from harness.forms import form
from harness.site import API, Site, bmp, pets
from harness.site import site as make_site

from eyebright.services import room

DAY_SECONDS = 86_400
UPLOAD = "/datasets/upload"


def left_behind(site: Site) -> list[str]:
    folders = [site.context.settings.uploads_dir, site.context.settings.resumable_dir]
    return [path.name for folder in folders if folder.exists() for path in folder.iterdir()]


async def test_a_large_form_is_the_same_data_set_as_the_raw_zip(site):
    archive = pets(40)
    raw = await site.post(f"{API}/datasets?name=a", content=archive)
    form = await site.post(f"{API}/datasets?name=b", data={"note": "hello"}, files={"file": ("x.zip", archive)})
    assert raw.json()["manifest_sha256"] == form.json()["manifest_sha256"]
    assert left_behind(site) == []


async def test_an_import_goes_on_with_its_zip_when_the_server_leaves(site):
    asking = asyncio.create_task(site.http.post(f"{API}/datasets?name=a", content=pets()))
    for _ in range(1000):
        await asyncio.sleep(0.001)
        if jobs := (await site.get(f"{API}/jobs")).json()["items"]:
            break
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    for _ in range(3):
        await site.import_all()
    assert (await site.get(f"{API}/jobs/{jobs[0]['id']}")).json()["state"] == "succeeded"
    site.clock.advance(DAY_SECONDS)
    await site.context.services.uploads.expire()
    assert left_behind(site) == []


@pytest.mark.parametrize("path", [f"{API}/datasets", UPLOAD])
async def test_two_files_in_one_form_are_refused_rather_than_one_of_them_dropped(site, path):
    """Read to their end all the same: many clients look at the answer only then."""
    sent = form(("user_id", "ada", None), ("first", b"1" * 3 * 2**20, "1.zip"), ("second", b"2" * 3 * 2**20, "2.zip"))
    read = 0

    async def pieces():
        nonlocal read
        for start in range(0, len(sent["content"]), 2**16):
            yield sent["content"][start : start + 2**16]
            read = start + 2**16

    answer = await site.post(path, content=pieces(), headers=sent["headers"])
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "more than one file" in answer.json()["detail"]
    assert read >= len(sent["content"])
    assert left_behind(site) == []
    assert [path for path in (site.folder / "objects").rglob("*") if path.is_file()] == []


async def test_a_second_file_that_nobody_chose_is_none(site):
    chosen, other = ("first", pets(), "pets.zip"), ("second", b"", "")
    assert (await site.post(f"{API}/datasets", **form(chosen, other))).status_code == 201


@pytest.mark.parametrize("path", [f"{API}/datasets", UPLOAD])
async def test_json_is_told_that_a_file_is_expected(site, path):
    answer = await site.post(path, json={"user_id": "ada", "dataset_name": "pets"})
    assert answer.status_code == 422
    assert "multipart/form-data" in answer.json()["detail"]


async def test_a_refused_zip_does_not_stay(site):
    assert (await site.post(f"{API}/datasets", content=b"I am a text")).status_code == 422
    assert left_behind(site) == []


async def test_a_form_in_small_pieces_is_put_together(site):
    request = httpx.Request("POST", "http://x", files={"file": ("My “pets” ü.zip", pets())})
    body = request.read()
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))

    async def content():
        for piece in pieces:
            yield piece

    answer = await site.post(
        f"{API}/datasets", content=content(), headers={"Content-Type": request.headers["content-type"]}
    )
    assert answer.status_code == 201
    assert answer.json()["dataset"] == "My-pets"


async def test_too_large_is_refused_by_the_announced_length_and_by_the_counted_one(tmp_path):
    async with make_site(tmp_path, uploads={"archive_bytes": 2000}) as site:

        async def unannounced():
            for _ in range(100):
                yield b"x" * 100

        for content in (b"x" * (2 * 2**20), unannounced()):
            answer = await site.post(f"{API}/datasets", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
            assert "EYEBRIGHT_UPLOADS__" in answer.json()["detail"]
        assert left_behind(site) == []


async def test_an_upload_that_does_not_fit_on_the_disk_is_refused_before_it_is_read(site, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    answer = await site.post(f"{API}/datasets", content=pets())
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert left_behind(site) == []


async def test_an_upload_without_a_length_leaves_the_spare_space_too(tmp_path, monkeypatch):
    free, spare, passed = 40 * 2**20, 10 * 2**20, []
    async with make_site(tmp_path, uploads={"spare_bytes": spare}) as site:

        def usage(folder):
            used = sum(path.stat().st_size for path in site.context.settings.uploads_dir.iterdir())
            passed.append(used)
            return shutil._ntuple_diskusage(10**9, 10**9 - free + used, free - used)

        async def endless():
            for _ in range(100):
                yield bytes(2**20)

        monkeypatch.setattr(shutil, "disk_usage", usage)
        answer = await site.post(f"{API}/datasets", content=endless())
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
        assert "EYEBRIGHT_UPLOADS__SPARE_BYTES" in answer.json()["detail"]
        assert free - spare < max(passed) < free
        assert left_behind(site) == []


async def test_a_disk_that_fills_up_on_the_way_is_told_and_nothing_stays(site, monkeypatch):
    def full(file, buffer):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "_write", full)
    answer = await site.post(f"{API}/datasets", content=pets())
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert left_behind(site) == []


@pytest.mark.parametrize("kind", ["application/zip", "multipart/form-data; boundary=b"])
async def test_a_sender_that_falls_silent_is_let_go_and_nothing_stays(site, monkeypatch, kind):
    monkeypatch.setattr(room, "SILENCE_SECONDS", 0.01)

    async def silent():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.zip"\r\n\r\nPK'
        await asyncio.Event().wait()

    answer = await site.post(f"{API}/datasets", content=silent(), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert left_behind(site) == []


async def test_after_a_refusal_nobody_who_falls_silent_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "SILENCE_SECONDS", 0.01)

    async def too_much():
        yield bytes(3000)
        await asyncio.Event().wait()

    async with make_site(tmp_path, uploads={"archive_bytes": 2000}) as site:
        answer = await site.post(f"{API}/datasets", content=too_much())
        assert (answer.status_code, left_behind(site)) == (413, [])


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 101, "a\n"])
async def test_a_name_can_never_be_a_path(site, name):
    answer = await site.post(f"{API}/datasets", params={"name": name}, content=pets())
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"no form at all"),
        (f"multipart/form-data; boundary={'b' * 300}", b"x"),
        ("multipart/form-data; boundary=b", b"--b--\r\n"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
        ),
    ],
)
async def test_a_form_without_a_file_is_told_so(site, content_type, body):
    answer = await site.post(f"{API}/datasets", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 422, answer.text
    assert "form" in answer.json()["detail"]


async def test_an_image_beyond_the_limit_is_not_read_into_memory(tmp_path):
    async with make_site(tmp_path, uploads={"image_bytes": 1000}) as site:
        await site.add_dataset()
        handle = await site.launch()
        await site.say(handle, site.event(1, "started", pid=1, host="here"))
        await site.succeed(handle)
        model = (await site.get(f"{API}/models")).json()["items"][0]["id"]
        assert (await site.post(f"{API}/models/{model}:predict", content=bmp(1))).status_code == 200
        assert (await site.post(f"{API}/models/{model}:predict", content=b"x" * 1001)).status_code == 413


async def test_a_json_body_beyond_the_limit_is_refused(tmp_path):
    async with make_site(tmp_path, uploads={"json_bytes": 1000}) as site:
        answer = await site.post(f"{API}/jobs", json={"dataset": "x" * 2000})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.headers["content-type"] == "application/problem+json"
        events = await site.post(f"{API}/jobs/a/attempts/1/events", content=b"x" * 2000)
        assert events.status_code == 413
