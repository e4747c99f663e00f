"""What an import keeps, and what it refuses with the way out."""

import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from harness.live import pets
from harness.site import Site
from harness.site import pets as zipped_pets
from harness.site import site as make_site

from eyebright.core import lifecycle
from eyebright.core.records import changed
from eyebright.core.retry import RetryLimits
from eyebright.errors import Conflict, DatasetInvalid, InvalidRequest, KeyReused, NotFound, StorageFull, TooLarge
from eyebright.ports.objects import attempt_prefix, blob_key
from eyebright.services.datasets import IMPORTS
from eyebright.services.uploads import Announced
from eyebright.stores.memory import MemoryDatabase
from eyebright_kit.importing.handover import BLOBS, MANIFEST, REPORT, WORK
from eyebright_kit.importing.order import ImportOrder
from eyebright_wire.datasets import DatasetPlan, DatasetReport, Severity
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import DatasetImport, DatasetInspection, DatasetVersionView, JobView
from eyebright_wire.runs import Handle
from eyebright_wire.storage import Garbage

WAY_OUT = "import again leaving such files out (leave_out_broken)"


class Desk:
    """The verbs of data sets, with somebody who carries imports out."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.datasets = site.context.services.datasets
        self.jobs = site.context.services.jobs

    async def import_path(
        self, path: Path, name: str | None = None, *, leave_out_broken: bool = False
    ) -> DatasetVersionView:
        order = DatasetImport(path=str(path), name=name, leave_out_broken=leave_out_broken)
        return await self.datasets.imported((await self.ended(await self.datasets.order(order))).id)

    async def inspect(self, path: Path) -> DatasetReport:
        order = DatasetInspection(path=str(path))
        return await self.datasets.inspected((await self.ended(await self.datasets.order(order))).id)

    async def ended(self, job: JobView) -> JobView:
        for _ in range(100):
            await self.site.import_all()
            job = await self.jobs.get(job.id)
            if job.state.final and not await self.site.parts.database.jobs.unfinished():
                return job
        raise AssertionError(f"{job.id} is {job.state}")

    async def launched(self, path: Path, name: str = "photos") -> tuple[JobView, Handle]:
        """An import whose process is up and has done nothing yet."""
        self.site.imports.paused = True
        job = await self.datasets.order(DatasetImport(path=str(path), name=name))
        await self.site.import_all()
        self.site.imports.paused = False
        return job, Handle(job.id, 1)

    def work(self, handle: Handle) -> Path:
        return self.site.folder / "objects" / attempt_prefix(handle.job_id, handle.attempt) / WORK

    def carry_out(self, handle: Handle) -> None:
        spec = next(spec for spec in self.site.imports.launches if spec.job_id == handle.job_id)
        self.site.imports.carry_out(spec)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with make_site(tmp_path / "data") as site:
        yield Desk(site)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return pets(tmp_path / "photos", images=4)


def spoil(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")


def kept(tmp_path: Path) -> list[str]:
    """Every blob and every file of a work folder; reports and spools of jobs are no data."""
    objects = tmp_path / "data" / "objects"
    found = [path.relative_to(objects) for path in objects.rglob("*") if path.is_file()]
    return sorted(str(path) for path in found if path.parts[0] not in ("jobs", "store") or WORK in path.parts)


async def test_a_broken_file_is_refused_and_nothing_is_kept(desk: Desk, photos: Path, tmp_path: Path) -> None:
    (photos / "cat" / "a.jpg").write_text("dear diary")
    (photos / "cat" / "b.jpg").write_text("dear diary")
    (photos / "dog" / "c.jpg").write_bytes(b"")
    with pytest.raises(DatasetInvalid) as caught:
        await desk.import_path(photos)
    assert caught.value.message == (
        "cat/a.jpg is named like an image but is none: it is text (and 2 more files cannot be used); "
        f"remove or replace them, or {WAY_OUT}"
    )
    assert caught.value.errors == (
        {
            "code": "not_an_image",
            "message": "2 files are named like images but are none (first: cat/a.jpg: it is text)",
            "count": 2,
            "examples": ["cat/a.jpg", "cat/b.jpg"],
        },
        {
            "code": "empty_file",
            "message": "an image file is empty (dog/c.jpg)",
            "count": 1,
            "examples": ["dog/c.jpg"],
        },
    )
    assert (await desk.datasets.list()).items == ()
    assert kept(tmp_path) == []


async def test_without_its_broken_files_a_set_is_the_set_that_never_had_them(desk: Desk, photos: Path) -> None:
    sound = await desk.import_path(photos)
    (photos / "cat" / "a.jpg").write_text("dear diary")
    with pytest.raises(DatasetInvalid):
        await desk.import_path(photos)
    assert await desk.import_path(photos, leave_out_broken=True) == sound


async def test_what_was_left_out_is_in_the_report(desk: Desk, photos: Path) -> None:
    (photos / "cat" / "a.jpg").write_text("dear diary")
    version = await desk.import_path(photos, "mine", leave_out_broken=True)
    assert version.report.ready_for("classification").ready
    finding = next(found for found in version.report.findings if found.code == "not_an_image")
    assert (finding.severity, finding.examples) == (Severity.WARNING, ("cat/a.jpg",))


async def test_leaving_out_does_not_lift_what_else_is_missing(desk: Desk, photos: Path) -> None:
    spoil(photos / "dog")
    version = await desk.import_path(photos, leave_out_broken=True)
    assert version.report.ready_for("classification").missing[0].startswith("no file in dog/ can be used")


@pytest.mark.parametrize("leave_out_broken", [False, True])
async def test_a_set_of_which_nothing_can_be_used_is_refused_in_any_case(
    desk: Desk, photos: Path, tmp_path: Path, leave_out_broken: bool
) -> None:
    spoil(photos)
    with pytest.raises(DatasetInvalid, match="none of the 8 files where images belong can be used") as caught:
        await desk.import_path(photos, leave_out_broken=leave_out_broken)
    assert WAY_OUT not in caught.value.message
    assert [error["code"] for error in caught.value.errors] == ["empty_file"]
    assert kept(tmp_path) == []


async def test_what_only_is_not_ready_is_kept_with_its_reasons(desk: Desk, tmp_path: Path) -> None:
    version = await desk.import_path(pets(tmp_path / "one", classes=("cat",)))
    assert not version.report.ready_for("classification").ready


async def test_an_import_is_a_job_and_its_end_names_the_version(desk: Desk, photos: Path) -> None:
    job = await desk.datasets.order(DatasetImport(path=str(photos), name="mine", leave_out_broken=True))
    assert (job.kind, job.state, job.name) == (JobKind.IMPORT, JobState.QUEUED, "mine")
    assert job.config == {"path": str(photos), "name": "mine", "leave_out_broken": True}
    job = await desk.ended(job)
    version = await desk.datasets.imported(job.id)
    assert (job.state, job.imported_version, job.model_id) == (JobState.SUCCEEDED, version.id, None)


async def test_an_inspection_tells_all_and_keeps_nothing(desk: Desk, photos: Path, tmp_path: Path) -> None:
    (photos / "cat" / "a.jpg").write_text("dear diary")
    report = await desk.inspect(photos)
    assert report.ready_for("classification").missing[0].startswith("cat/a.jpg is named like an image")
    assert (await desk.datasets.list()).items == ()
    assert kept(tmp_path) == []


async def test_an_imported_folder_may_change_later(desk: Desk, photos: Path, tmp_path: Path) -> None:
    await desk.import_path(photos)
    blobs = {path: path.read_bytes() for path in (tmp_path / "data/objects/blobs").rglob("*") if path.is_file()}
    assert len(blobs) == 9
    spoil(photos)
    assert {path: path.read_bytes() for path in blobs} == blobs


@pytest.mark.parametrize("path", ["photos", "./photos", "/nowhere/at/all", "/dev/null/x", f"/{'x' * 300}"])
async def test_a_path_that_is_relative_or_leads_nowhere_is_refused_before_a_job_is_made(desk: Desk, path: str) -> None:
    with pytest.raises(InvalidRequest):
        await desk.datasets.order(DatasetImport(path=path))
    assert await desk.site.parts.database.jobs.queued() == 0


async def test_a_class_that_a_stored_version_lacks_is_told_before_a_job_is_made(desk: Desk, photos: Path) -> None:
    version = await desk.import_path(photos)
    for wish in (DatasetPlan(drop=("cta",)), DatasetPlan(rename={"cta": "lion"})):
        with pytest.raises(InvalidRequest, match="has no class 'cta'; did you mean 'cat'"):
            await desk.datasets.order(DatasetImport(version=version.id, plan=wish))
        with pytest.raises(InvalidRequest, match="has no class 'cta'"):
            await desk.datasets.order(DatasetInspection(version=version.id, plan=wish))
    assert await desk.site.parts.database.jobs.queued() == 0


async def test_an_upload_is_imported_under_its_own_name(desk: Desk) -> None:
    content = zipped_pets()

    async def sent() -> AsyncIterator[bytes]:
        yield content

    uploads = desk.site.context.services.uploads
    begun = await uploads.create(Announced(length=len(content), filename="My photos (1).zip"))
    with pytest.raises(Conflict, match="send the rest first"):
        await desk.datasets.order(DatasetImport(upload=begun.id))
    await uploads.append(begun.id, 0, sent())
    job = await desk.ended(await desk.datasets.order(DatasetImport(upload=begun.id)))
    assert (job.name, job.config) == ("My-photos-1", {"upload": begun.id})
    assert (await desk.datasets.imported(job.id)).report.images == {"train": 10, "val": 2}


async def test_an_upload_that_is_not_there_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound, match="no upload upl_1"):
        await desk.datasets.order(DatasetImport(upload="upl_1"))


async def test_an_address_is_kept_from_everybody_but_the_importer(desk: Desk) -> None:
    job = await desk.datasets.order(DatasetImport(url="https://store.example/My%20photos.zip?signature=secret"))
    assert "secret" not in job.model_dump_json()
    assert job.config == {"url": "https://store.example/My%20photos.zip"}
    resolved = (await desk.site.parts.database.jobs.get(job.id)).job.resolved
    assert resolved["url"].endswith("?signature=secret")


async def test_an_import_that_is_repeated_goes_by_the_rules_of_the_day(tmp_path: Path) -> None:
    database = MemoryDatabase()
    async with make_site(tmp_path / "data", database) as site:
        job = await site.context.services.datasets.order(DatasetImport(url="https://store.example/x.zip"))
        await site.context.services.jobs.cancel(job.id)
    narrow = {"sources": {"only": ("s3://ours/",)}, "imports": {"memory_bytes": 2**28}}
    async with make_site(tmp_path / "data", database, **narrow) as site:
        site.imports.paused = True
        site.parts.clock.new_id("job")  # the first one's, as this clock begins anew
        again = await site.context.services.jobs.retry(job.id)
        await site.context.services.dispatch.fill([IMPORTS])
        spec = next(spec for spec in site.imports.launches if spec.job_id == again.id)
    order = ImportOrder.model_validate(spec.config)
    assert order.fetching is not None
    assert order.fetching.sources["only"] == ["s3://ours/"]
    assert order.limits.memory_bytes == 2**28


@pytest.mark.parametrize(
    "url",
    [
        "ftp://store.example/x.zip",
        "http://store.example/x.zip",
        "https://me:pass@store.example/x",
        "https://10.0.0.5/x.zip",
        "https://2130706433/x.zip",
        "https://localhost/x.zip",
    ],
)
async def test_an_address_that_this_server_does_not_call_is_refused_at_once(desk: Desk, url: str) -> None:
    with pytest.raises(InvalidRequest):
        await desk.datasets.order(DatasetImport(url=url))
    assert await desk.site.parts.database.jobs.queued() == 0


async def test_nobody_can_order_a_training_where_imports_run(desk: Desk, photos: Path) -> None:
    await desk.import_path(photos)
    answer = await desk.site.post("/api/v1/jobs", json={"dataset": "photos", "executor": "imports"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_cancelled_import_keeps_nothing(desk: Desk, photos: Path, tmp_path: Path) -> None:
    job, handle = await desk.launched(photos)
    desk.work(handle).mkdir(parents=True)
    (desk.work(handle) / "half").write_bytes(b"half")
    await desk.jobs.cancel(job.id)
    job = await desk.ended(job)
    assert job.state is JobState.CANCELLED
    with pytest.raises(Conflict, match="was cancelled"):
        await desk.datasets.imported(job.id)
    assert kept(tmp_path) == []


async def test_the_same_key_and_order_is_one_import_and_another_order_is_refused(desk: Desk, photos: Path) -> None:
    order = DatasetImport(path=str(photos), name="once")
    first, second = [await desk.datasets.order(order, key="mine") for _ in range(2)]
    assert first.id == second.id
    with pytest.raises(KeyReused):
        await desk.datasets.order(DatasetImport(path=str(photos), name="twice"), key="mine")
    assert (await desk.datasets.order(order, key="another")).id != first.id


async def test_an_import_can_be_repeated(desk: Desk, photos: Path) -> None:
    spoil(photos)
    refused = await desk.ended(await desk.datasets.order(DatasetImport(path=str(photos))))
    assert (refused.state, refused.reason) == (JobState.FAILED, ErrorCode.DATASET_INVALID)
    pets(photos, images=4)
    again = await desk.ended(await desk.jobs.retry(refused.id))
    assert (again.state, again.rerun_of) == (JobState.SUCCEEDED, refused.id)
    assert (await desk.datasets.imported(again.id)).dataset == "photos"


async def test_a_killed_importer_is_tried_again_and_leaves_nothing(desk: Desk, photos: Path, tmp_path: Path) -> None:
    job, handle = await desk.launched(photos)
    desk.work(handle).mkdir(parents=True)
    (desk.work(handle) / "half").write_bytes(b"half")
    desk.site.imports.exit(handle, 137)
    await desk.site.import_all()
    desk.site.clock.advance(30)
    job = await desk.ended(job)
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)
    assert [name for name in kept(tmp_path) if "work" in name] == []


async def test_what_memory_did_not_suffice_for_is_too_large(desk: Desk, photos: Path) -> None:
    job, handle = await desk.launched(photos)
    desk.site.imports.say(handle, "started", pid=1, host="here")
    desk.site.imports.say(handle, "failed", code="out_of_memory", message="it took more than 2 GiB", retryable=False)
    desk.site.imports.exit(handle, 1)
    with pytest.raises(TooLarge, match="more than 2 GiB"):
        await desk.datasets.imported((await desk.ended(job)).id)


# What a worker that was taken over could leave


async def test_a_file_that_is_not_what_its_name_says_is_not_kept(desk: Desk, photos: Path, tmp_path: Path) -> None:
    job, handle = await desk.launched(photos)
    desk.carry_out(handle)
    victim = photos / "cat" / "0.png"
    victim.write_bytes(victim.read_bytes() + b"more")
    with pytest.raises(DatasetInvalid, match="changed while it was being imported"):
        await desk.datasets.imported((await desk.ended(job)).id)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("sneak", ["{secret}", "../../../../../../token", "link"])
async def test_a_file_from_elsewhere_is_not_kept(desk: Desk, photos: Path, tmp_path: Path, sneak: str) -> None:
    secret = tmp_path / "token"
    secret.write_text("secret")
    job, handle = await desk.launched(photos)
    desk.carry_out(handle)
    (desk.work(handle) / "link").symlink_to(secret)
    first, *rest = (desk.work(handle) / BLOBS).read_text().splitlines()
    told = {**json.loads(first), "path": sneak.format(secret=secret)}
    (desk.work(handle) / BLOBS).write_text("\n".join([json.dumps(told), *rest]))
    with pytest.raises(DatasetInvalid, match="is no file of the data set"):
        await desk.datasets.imported((await desk.ended(job)).id)
    assert kept(tmp_path) == []


async def test_a_manifest_that_names_a_file_which_did_not_come_is_not_kept(
    desk: Desk, photos: Path, tmp_path: Path
) -> None:
    job, handle = await desk.launched(photos)
    desk.carry_out(handle)
    lines = (desk.work(handle) / BLOBS).read_text().splitlines(keepends=True)
    (desk.work(handle) / BLOBS).write_text("".join(lines[1:]))
    with pytest.raises(DatasetInvalid, match="is not among its files"):
        await desk.datasets.imported((await desk.ended(job)).id)
    assert kept(tmp_path) == []


def another_name(line: str) -> str:
    return json.dumps({**json.loads(line), "sha256": "ab/planted"}) + "\n"


def another_file(line: str) -> str:
    """One that lies in the work folder and that nobody names."""
    content = hashlib.sha256(line.encode()).hexdigest()
    return line + json.dumps({"sha256": content, "path": BLOBS}) + "\n"


#: What somebody who has taken a worker over could leave: the file, what is made of it, and what is said of that.
DECEIT = {
    "a name that is no hash": (BLOBS, lambda text: another_name(text.splitlines()[0]), "a line of blobs.jsonl cannot"),
    "a file that is named nowhere": (BLOBS, another_file, "8 files were announced, 9 came, 1 of them named nowhere"),
    "a line without end": (BLOBS, lambda text: text + "[" * 2**17, "has a line of more than 65,536 bytes"),
    "lists within lists": (BLOBS, lambda text: text + "[" * 60_000 + "\n", "a line of blobs.jsonl cannot be read"),
    "a path that is none": (BLOBS, lambda text: text.replace("photos", "\\u0000"), "is no file of the data set"),
    "a picture that fills the memory": (
        MANIFEST,
        lambda text: text + "[" * 2**25,
        "a line of more than 16,777,216 bytes",
    ),
    "a picture within pictures": (MANIFEST, lambda text: text + "[" * 2**20 + "\n", "manifest cannot be read"),
    "no report": (REPORT, lambda _: "{}", "is no report: Field required"),
    "a report that fills the memory": (REPORT, lambda text: text + " " * 2**25, "more than 33,554,432 bytes"),
}


@pytest.mark.parametrize("deceit", DECEIT)
async def test_what_no_worker_leaves_is_not_kept(desk: Desk, photos: Path, tmp_path: Path, deceit: str) -> None:
    name, altered, said = DECEIT[deceit]
    job, handle = await desk.launched(photos)
    desk.carry_out(handle)
    file = desk.work(handle) / name
    file.write_text(altered(file.read_text()))
    with pytest.raises(DatasetInvalid, match=said):
        await desk.datasets.imported((await desk.ended(job)).id)
    assert kept(tmp_path) == []


async def test_a_link_in_place_of_the_manifest_is_not_followed(desk: Desk, photos: Path, tmp_path: Path) -> None:
    job, handle = await desk.launched(photos)
    desk.carry_out(handle)
    manifest = desk.work(handle) / MANIFEST
    manifest.rename(tmp_path / "elsewhere")
    manifest.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetInvalid, match="no plain file manifest"):
        await desk.datasets.imported((await desk.ended(job)).id)
    assert kept(tmp_path) == []


# What was put for a version that did not come


async def test_an_attempt_that_was_fenced_while_its_files_were_put_leaves_none(
    desk: Desk, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a second import, which has a file in common, keeps its own."""
    shared = pets(tmp_path / "shared", images=2)
    await desk.import_path(shared)
    before = kept(tmp_path)
    os.link(shared / "cat" / "0.png", photos / "cat" / "shared.png")
    job, handle = await desk.launched(photos)
    objects, put = desk.site.parts.objects, desk.site.parts.objects.put

    async def put_and_lose(files, *, owned=False):
        stored = await put(files, owned=owned)
        if len(files) > 1:
            await fence(desk.site, handle)
        return stored

    monkeypatch.setattr(objects, "put", put_and_lose)
    desk.carry_out(handle)
    for _ in range(3):
        await desk.site.import_all()
    assert (await desk.jobs.get(job.id)).state is JobState.QUEUED
    assert kept(tmp_path) == before


async def test_a_full_disk_ends_the_import_and_leaves_nothing(
    desk: Desk, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = desk.site.parts.objects.put

    async def full(files, *, owned=False):
        if len(files) > 1:
            await put(files[:3], owned=owned)
            raise StorageFull("the disk is full")
        return await put(files, owned=owned)

    monkeypatch.setattr(desk.site.parts.objects, "put", full)
    with pytest.raises(StorageFull):
        await desk.import_path(photos)
    assert kept(tmp_path) == []


async def test_what_a_server_had_put_that_died_before_the_commit_goes_and_what_a_version_names_stays(
    desk: Desk, photos: Path, tmp_path: Path
) -> None:
    await desk.ended(await desk.datasets.order(DatasetImport(path=str(photos))))
    before = kept(tmp_path)
    assert len(before) == 9, "eight pictures and the manifest"
    orphan = blob_key("aa" * 32)
    put = tmp_path / "data/objects" / orphan
    put.parent.mkdir(parents=True, exist_ok=True)
    put.write_bytes(b"orphan")
    collection = desk.site.context.services.collection
    assert await collection.look() == Garbage(files=1, size_bytes=6, removed=False)
    await collection.keep_up()
    assert kept(tmp_path) == before
    assert await collection.look() == Garbage(files=0, size_bytes=0, removed=False)


async def fence(site: Site, handle: Handle) -> None:
    """The attempt is lost while its results are being looked at."""
    key = (handle.job_id, handle.attempt)
    now_ms = site.clock.now_ms()
    async with site.parts.database.jobs.transaction() as transaction:
        run = (await transaction.lock([key]))[key]
        if run.current:
            lost = lifecycle.end(run, ErrorCode.WORKER_LOST, "lost", now_ms, limits=RetryLimits())
            await transaction.save([changed(run, lost, now_ms)])
