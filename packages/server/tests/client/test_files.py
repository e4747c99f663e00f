"""Bytes up and down: whole or not at all."""

import errno
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import httpx
import pytest
from harness.scripted import Answer, Scripted, job, ok, page, stream

from eyebright.client import Client
from eyebright.errors import DatasetInvalid, EyebrightError, InvalidRequest, NotFound
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.jobs import JobState
from eyebright_wire.resources import DatasetVersionView, DatasetView, EventView, ModelView, Prediction

REPORT = DatasetReport(format="imagefolder", classes=("a", "b"), images={}, images_per_class={})
VERSION = DatasetVersionView(
    id="dsv_1", dataset="pets", number=1, created_at_ms=1, manifest_sha256="0" * 64, report=REPORT
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.png", "b/2.png"):
        path = tmp_path / "My pets" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(name.encode() * 1000)
    return tmp_path / "My pets"


def uploaded() -> list[Answer | httpx.Response | Exception]:
    """The answers to an upload of one piece and its import."""
    begun = httpx.Response(201, headers={"Location": "/api/v1/uploads/upl_1"})
    return [
        begun,
        lambda request: httpx.Response(204, headers={"Upload-Offset": str(len(request.content))}),
        *imported(),
    ]


def imported() -> list[Answer | httpx.Response | Exception]:
    """The answers to an import, which is a job, and to the question what it made."""
    done = job(JobState.SUCCEEDED, name="pets", imported_version=VERSION.id)
    return [ok(done, 202), ok(DatasetView(name="pets", created_at_ms=1, versions=(VERSION,)))]


def test_a_folder_is_sent_as_a_zip_while_somebody_listens(server: Scripted, client: Client, folder: Path) -> None:
    server.answers = uploaded()
    heard: list[tuple[int, int | None]] = []
    assert client.upload_dataset(folder, told=lambda done, total: heard.append((done, total))) == VERSION
    _, request, order, _ = server.asked
    with zipfile.ZipFile(io.BytesIO(request.content)) as archive:
        assert sorted(archive.namelist()) == ["a/1.png", "b/2.png"]
    assert json.loads(order.content) == {"upload": "upl_1", "name": "My-pets"}
    assert request.headers["content-length"] == str(len(request.content))
    assert heard[-1] == (len(request.content), len(request.content))


@pytest.mark.parametrize(("link", "to"), [("a/9.png", "../elsewhere/9.png"), ("a/9.png", "a/none.png"), ("c", "a")])
def test_a_folder_with_a_link_that_cannot_be_sent_along_is_not_sent(
    server: Scripted, client: Client, folder: Path, tmp_path: Path, link: str, to: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / link).symlink_to(folder / to)
    with pytest.raises(InvalidRequest, match=rf"{link} is a link to .*send a copy without links"):
        client.upload_dataset(folder)
    assert server.asked == []


def test_links_that_lead_out_are_left_out_and_told_where_broken_files_may_be(
    server: Scripted, client: Client, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "c").mkdir()
    for name in ("a/9.png", "c/1.png"):
        (folder / name).symlink_to("/etc/hostname")
    (folder / "b" / "9.png").symlink_to("nowhere.png")
    server.answers = uploaded()
    client.upload_dataset(folder, leave_out_broken=True)
    with zipfile.ZipFile(io.BytesIO(server.asked[1].content)) as archive:
        assert sorted(archive.namelist()) == ["a/1.png", "b/2.png", "c/"]
    assert [message.split(" is a link")[0] for message in caplog.messages] == [
        f"not sent: {folder / name}" for name in ("a/9.png", "b/9.png", "c/1.png")
    ]


def test_a_link_to_a_folder_inside_is_not_taken_for_broken(server: Scripted, client: Client, folder: Path) -> None:
    (folder / "c").symlink_to("a")
    with pytest.raises(InvalidRequest, match=r"c is a link to .*send a copy without links"):
        client.upload_dataset(folder, leave_out_broken=True)
    assert server.asked == []


def test_a_folder_with_what_is_no_file_is_not_sent(server: Scripted, client: Client, folder: Path) -> None:
    os.mkfifo(folder / "a" / "9.png")
    with pytest.raises(InvalidRequest, match=r"9\.png is a pipe, a socket or a device"):
        client.upload_dataset(folder)
    assert server.asked == []


def test_a_folder_that_is_empty_is_sent_as_it_is(server: Scripted, client: Client, folder: Path) -> None:
    """It is a class without examples, and the server must say so as it would of the folder itself."""
    (folder / "c").mkdir()
    server.answers = uploaded()
    client.upload_dataset(folder)
    with zipfile.ZipFile(io.BytesIO(server.asked[1].content)) as archive:
        assert sorted(archive.namelist()) == ["a/1.png", "b/2.png", "c/"]


def test_a_folder_that_may_not_be_read_is_not_taken_for_an_empty_one(
    server: Scripted, client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def guarded(path: str | Path) -> object:
        if Path(path).name == "b":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(PermissionError, match="My pets/b"):
        client.upload_dataset(folder)
    assert server.asked == []


def test_a_name_that_no_zip_can_hold_is_told(server: Scripted, client: Client, folder: Path) -> None:
    (folder / "a" / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    with pytest.raises(InvalidRequest, match=r"a/\\xff\.png is not valid UTF-8.*rename it"):
        client.upload_dataset(folder)
    assert server.asked == []


def test_a_zip_is_sent_as_it_is(server: Scripted, client: Client, tmp_path: Path) -> None:
    server.answers = uploaded()
    archive = tmp_path / "pets.zip"
    archive.write_bytes(b"PK" + bytes(3_000_000))
    client.upload_dataset(archive, "cats")
    assert server.asked[1].content == archive.read_bytes()
    assert json.loads(server.asked[2].content)["name"] == "cats"


def test_nothing_is_sent_of_what_does_not_exist(server: Scripted, client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file or folder"):
        client.upload_dataset(tmp_path / "nowhere")
    assert not server.asked


def test_an_import_names_the_absolute_path(
    server: Scripted, client: Client, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    server.answers = imported()
    monkeypatch.chdir(folder.parent)
    client.import_dataset("My pets")
    assert f'"{folder}"'.encode() in server.asked[0].content


def test_broken_files_are_left_out_only_where_somebody_says_so(server: Scripted, client: Client, folder: Path) -> None:
    for lenient in (False, True):
        server.answers = [*uploaded(), *imported()]
        client.upload_dataset(folder, leave_out_broken=lenient)
        client.import_dataset(folder, leave_out_broken=lenient)
        (folder / "a" / "more.png").write_bytes(b"another upload")
    orders = [request for request in server.asked if request.url.path.endswith(":import")]
    assert [json.loads(order.content).get("leave_out_broken") for order in orders] == [None, None, True, True]


def test_an_import_is_ordered_and_then_watched_so_that_no_line_must_stand_for_hours(
    server: Scripted, client: Client, folder: Path
) -> None:
    _, made = imported()
    server.answers = [ok(job(), 202), stream(job(JobState.SUCCEEDED, name="pets", imported_version=VERSION.id)), made]
    assert client.import_dataset(folder) == VERSION
    assert server.asked[0].headers["prefer"] == "respond-async"
    assert sum(request.url.path.endswith(":import") for request in server.asked) == 1


def test_a_refusal_of_broken_files_names_them(server: Scripted, client: Client, folder: Path) -> None:
    found = {"code": "empty_file", "message": "an image file is empty (a/0.png)", "examples": ["a/0.png"]}
    failed = job(JobState.FAILED, reason="dataset_invalid", message="a/0.png is empty")
    said = EventView(seq=1, kind="failed", at_ms=1, position=1, attempt=1, data={"errors": [found]})
    server.answers = [ok(failed, 202), page(said)]
    with pytest.raises(DatasetInvalid, match=r"a/0.png is empty") as caught:
        client.import_dataset(folder)
    assert caught.value.errors == (found,)


def model_with(content: bytes) -> ModelView:
    ref = ArtifactRef(
        path="weights/model.onnx",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        kind=ArtifactKind.MODEL,
    )
    return ModelView(
        id="mdl_1", name="pets", number=1, job_id="job_1", attempt=1, trainer="toy", task="classification", architecture="tiny",
        dataset_version="dsv_1", artifacts=(ref,), created_at_ms=1,
    )  # fmt: skip


def test_a_downloaded_model_is_verified(server: Scripted, client: Client, tmp_path: Path) -> None:
    server.answers = [ok(model_with(b"weights")), httpx.Response(200, content=b"weights")]
    (path,) = client.download_model("mdl_1", tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "weights" / "model.onnx"
    assert path.read_bytes() == b"weights"


def test_a_damaged_download_leaves_what_was_there_before(server: Scripted, client: Client, tmp_path: Path) -> None:
    before = tmp_path / "weights" / "model.onnx"
    before.parent.mkdir()
    before.write_bytes(b"yesterday")
    server.answers = [ok(model_with(b"weights")), httpx.Response(200, content=b"weighty")]
    with pytest.raises(EyebrightError, match="was promised"):
        client.download_model("mdl_1", tmp_path)
    assert [path.name for path in before.parent.iterdir()] == ["model.onnx"]
    assert before.read_bytes() == b"yesterday"


def test_an_image_is_sent_as_its_bytes(server: Scripted, client: Client, tmp_path: Path) -> None:
    answer = Prediction(model_id="mdl_1", scores=(), seconds=0.1)
    server.answers = [ok(answer)]
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8cat")
    assert client.predict("mdl_1", tmp_path / "cat.jpg") == answer
    assert server.asked[0].content == b"\xff\xd8cat"
