"""What an import keeps, and what it refuses with the way out."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.live import pets

from eyebright.errors import DatasetInvalid
from eyebright.services.datasets import Datasets
from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.objects.files import FileObjectStore
from eyebright.testing import ManualClock
from eyebright_wire.datasets import Severity

WAY_OUT = "import again leaving such files out (--leave-out-broken)"


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    (tmp_path / "scratch").mkdir()
    objects = FileObjectStore(tmp_path / "objects")
    return Datasets(MemoryDatabase().datasets, objects, ManualClock(), scratch=tmp_path / "scratch")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return pets(tmp_path / "photos", images=4)


def spoil(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")


def kept(tmp_path: Path) -> list[Path]:
    return [path for folder in ("objects", "scratch") for path in (tmp_path / folder).rglob("*") if path.is_file()]


async def test_a_broken_file_is_refused_and_nothing_is_kept(datasets: Datasets, photos: Path, tmp_path: Path) -> None:
    (photos / "cat" / "a.jpg").write_text("dear diary")
    (photos / "cat" / "b.jpg").write_text("dear diary")
    (photos / "dog" / "c.jpg").write_bytes(b"")
    with pytest.raises(DatasetInvalid) as caught:
        await datasets.import_path(photos)
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
    assert (await datasets.list()).items == ()
    assert kept(tmp_path) == []


async def test_without_its_broken_files_a_set_is_the_set_that_never_had_them(datasets: Datasets, photos: Path) -> None:
    sound = await datasets.import_path(photos)
    (photos / "cat" / "a.jpg").write_text("dear diary")
    with pytest.raises(DatasetInvalid):
        await datasets.import_path(photos)
    assert await datasets.import_path(photos, leave_out_broken=True) == sound


async def test_what_was_left_out_is_in_the_report(datasets: Datasets, photos: Path) -> None:
    (photos / "cat" / "a.jpg").write_text("dear diary")
    version = await datasets.import_path(photos, "mine", leave_out_broken=True)
    assert version.report.ready_for("classification").ready
    finding = next(found for found in version.report.findings if found.code == "not_an_image")
    assert (finding.severity, finding.examples) == (Severity.WARNING, ("cat/a.jpg",))


async def test_leaving_out_does_not_lift_what_else_is_missing(datasets: Datasets, photos: Path) -> None:
    spoil(photos / "dog")
    version = await datasets.import_path(photos, leave_out_broken=True)
    assert version.report.ready_for("classification").missing[0].startswith("no file in dog/ can be used")


@pytest.mark.parametrize("leave_out_broken", [False, True])
async def test_a_set_of_which_nothing_can_be_used_is_refused_in_any_case(
    datasets: Datasets, photos: Path, tmp_path: Path, leave_out_broken: bool
) -> None:
    spoil(photos)
    with pytest.raises(DatasetInvalid, match="none of the 8 files where images belong can be used") as caught:
        await datasets.import_path(photos, leave_out_broken=leave_out_broken)
    assert WAY_OUT not in caught.value.message
    assert [error["code"] for error in caught.value.errors] == ["empty_file"]
    assert kept(tmp_path) == []


async def test_what_only_is_not_ready_is_kept_with_its_reasons(datasets: Datasets, tmp_path: Path) -> None:
    version = await datasets.import_path(pets(tmp_path / "one", classes=("cat",)))
    assert not version.report.ready_for("classification").ready


async def test_an_import_that_nobody_waits_for_ends_at_once_and_leaves_nothing(
    datasets: Datasets, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, ended = threading.Event(), threading.Event()

    def slow(*_: object, progress: Callable[..., None], **__: object) -> None:
        working.set()
        try:
            while True:
                progress("reading", 0, 1)
        finally:
            ended.set()

    monkeypatch.setattr("eyebright.services.datasets.prepare", slow)
    importing = asyncio.create_task(datasets.import_path(photos))
    await asyncio.to_thread(working.wait, 10)
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing
    assert await asyncio.to_thread(ended.wait, 10), "the thread goes on for nobody"
    assert list((tmp_path / "scratch").iterdir()) == []
