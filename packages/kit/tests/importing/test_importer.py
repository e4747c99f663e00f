"""Whole imports as their executor starts them: from a spec file to an exit code and what lies on disk afterwards."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from eyebright_kit.data.manifest import Manifest
from eyebright_kit.data.version import prepare
from eyebright_kit.errors import TrainerFailure
from eyebright_kit.importing.handover import REPORT, WORK, read_blobs, read_report
from eyebright_kit.importing.manifest import MODEL, TASK
from eyebright_kit.importing.messages import Enclosed, Moved
from eyebright_kit.importing.order import WorkerLimits, WorkOrder
from eyebright_kit.importing.supervision import Supervision
from eyebright_kit.runtime import Stopped
from eyebright_kit.testing.ingest import IngestServer
from eyebright_wire.artifacts import Grant
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import Event, Failed, Succeeded
from eyebright_wire.jobs import IMPORTER, JobSpec

SECONDS = 120.0


@dataclass
class Import:
    """One attempt in a folder of its own."""

    folder: Path
    config: dict[str, Any]
    events_url: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> "subprocess.Popen[bytes]":
        run = self.folder / "run"
        run.mkdir(parents=True)
        spec = JobSpec(
            job_id="job_1",
            attempt=1,
            trainer=IMPORTER,
            task=TASK,
            model=MODEL,
            config=self.config,
            output=Grant(uri=(self.folder / "output").as_uri() + "/"),
            events_url=self.events_url,
            heartbeat_seconds=0.2,
            token="the-attempts-own",
        )
        (run / "spec.json").write_text(spec.model_dump_json())
        with (run / "log.txt").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "eyebright_kit.importing", "run", str(run / "spec.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.defpath, **self.environment},
                start_new_session=True,
            )

    def run(self) -> int:
        return self.start().wait(SECONDS)

    @property
    def work(self) -> Path:
        return self.folder / "output" / WORK

    @property
    def log(self) -> str:
        return (self.folder / "run" / "log.txt").read_text()

    @property
    def events(self) -> list[Event]:
        lines = (self.folder / "run" / "spool.jsonl").read_bytes().splitlines(keepends=True)
        return [event for line in lines if (event := Event.from_line(line))]

    @property
    def failed(self) -> Failed:
        assert self.events[-1].kind == "failed", self.log
        return Failed.model_validate(self.events[-1].data)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return drawn(tmp_path / "pets")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What takes far longer to read than a test takes to act meanwhile."""
    folder = drawn(tmp_path_factory.mktemp("many") / "pets")
    Image.new("RGB", (8000, 8000)).save(folder / "cat" / "large.png", compress_level=1)
    for number in range(500):
        os.link(folder / "cat" / "large.png", folder / "cat" / f"large-{number}.png")
    return folder


def drawn(folder: Path, images: int = 4) -> Path:
    for label, shade in (("cat", 40), ("dog", 200)):
        (folder / label).mkdir(parents=True)
        for number in range(images):
            Image.new("RGB", (8, 8), (shade, number % 256, number // 256)).save(folder / label / f"{number}.png")
    return folder


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


@pytest.mark.parametrize("as_zip", [False, True])
def test_an_import_tells_its_story_and_leaves_what_a_version_is_made_of(
    tmp_path: Path, pets: Path, as_zip: bool
) -> None:
    source = zipped(pets) if as_zip else pets
    done = Import(tmp_path / "job", {"path": str(source)})
    assert done.run() == ExitCode.DONE, done.log
    stages = [event.data["stage"] for event in done.events if event.kind == "stage"]
    assert stages == ["fetching", "validating", "uploading"]
    progress = [event.data for event in done.events if event.kind == "progress"]
    assert progress
    assert (progress[-1]["step"], progress[-1]["steps"], progress[-1]["unit"]) == (8, 8, "images")
    said = Succeeded.model_validate(done.events[-1].data)
    (tmp_path / "other").mkdir()
    expected = prepare(source, work=tmp_path / "other")
    assert said.dataset is not None
    assert (said.dataset.manifest_sha256, said.dataset.blobs) == (expected.sha256, 8)
    assert [ref.path for ref in said.artifacts] == [REPORT]
    blobs = list(read_blobs(done.work, None if as_zip else pets))
    assert {blob.sha256 for blob in blobs} == {sha256 for sha256, _ in expected.blobs}
    assert {blob.own for blob in blobs} == {as_zip}


def test_an_inspection_leaves_its_report_and_offers_no_version(tmp_path: Path, pets: Path) -> None:
    (pets / "cat" / "note.jpg").write_text("dear diary")
    done = Import(tmp_path / "job", {"path": str(pets), "keep": False})
    assert done.run() == ExitCode.DONE, done.log
    assert Succeeded.model_validate(done.events[-1].data).dataset is None
    report = json.loads((done.folder / "output" / REPORT).read_text())
    assert [finding["code"] for finding in report["findings"] if finding["severity"] == "error"] == ["not_an_image"]


def test_broken_files_are_named_one_by_one(tmp_path: Path, pets: Path) -> None:
    (pets / "cat" / "note.jpg").write_text("dear diary")
    done = Import(tmp_path / "job", {"path": str(pets)})
    assert done.run() == ExitCode.BAD_DATA
    assert done.failed.code is ErrorCode.DATASET_INVALID
    assert done.failed.message.startswith("cat/note.jpg is named like an image")
    assert done.failed.errors is not None
    assert done.failed.errors[0]["examples"] == ["cat/note.jpg"]


def test_an_archive_that_leads_out_of_itself_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as archive:
        archive.writestr("../up.png", b"x")
    done = Import(tmp_path / "job", {"path": str(tmp_path / "up.zip")})
    assert done.run() == ExitCode.BAD_DATA
    assert (done.failed.code, done.failed.retryable) == (ErrorCode.DATASET_INVALID, False)


def test_a_source_that_has_gone_is_a_bad_order(tmp_path: Path) -> None:
    done = Import(tmp_path / "job", {"path": str(tmp_path / "gone")})
    assert done.run() == ExitCode.BAD_CONFIG
    assert "import it again once it is there" in done.failed.message


def test_too_little_memory_is_said_with_the_way_out(tmp_path: Path, pets: Path) -> None:
    with (pets / "cat" / "huge.bmp").open("wb") as file:
        file.write(b"BM")
        file.truncate(250 * 2**20)
    done = Import(tmp_path / "job", {"path": str(pets), "limits": {"memory_bytes": 2**28}})
    assert done.run() == ExitCode.TRAINER_ERROR
    assert (done.failed.code, done.failed.retryable) == (ErrorCode.OUT_OF_MEMORY, False)
    assert "more than 0.25 GiB of memory" in done.failed.message
    assert "EYEBRIGHT_IMPORTS__MEMORY_BYTES" in done.failed.message


def test_too_much_processor_time_is_said_with_the_way_out(tmp_path: Path, pets: Path) -> None:
    Image.new("RGB", (8000, 8000)).save(pets / "cat" / "large.png", compress_level=1)
    for number in range(8):
        os.link(pets / "cat" / "large.png", pets / "cat" / f"large-{number}.png")
    done = Import(tmp_path / "job", {"path": str(pets), "limits": {"cpu_seconds": 1}})
    done.run()
    assert (done.failed.code, done.failed.retryable) == (ErrorCode.MAX_DURATION_EXCEEDED, False)
    assert "more than 1 s of processor time" in done.failed.message


def test_the_worker_knows_no_secret(tmp_path: Path, many: Path) -> None:
    one = Import(tmp_path / "job", {"path": str(many)}, environment={"AWS_SECRET_ACCESS_KEY": "x", "TRAINING_RUN": "r"})
    with importing(one) as (_, worker):
        assert set(worker.environ()) <= {"TRAINING_RUN", "MALLOC_ARENA_MAX", "LC_CTYPE"}
        assert worker.environ()["TRAINING_RUN"] == "r"  # by which the executor finds it
        files = {file.path for file in worker.open_files()}
        assert not any("spec.json" in path or "spool" in path for path in files)
        assert os.getsid(worker.pid) == worker.pid
        assert Path(f"/proc/{worker.pid}/fd/0").readlink() == Path("/dev/null")


def test_a_killed_worker_is_a_loss_and_can_be_tried_again(tmp_path: Path, many: Path) -> None:
    one = Import(tmp_path / "job", {"path": str(many)})
    with importing(one) as (importer, worker):
        worker.kill()
        assert importer.wait(SECONDS) == ExitCode.TEMPORARY
    assert (one.failed.code, one.failed.retryable) == (ErrorCode.WORKER_LOST, True)


def test_a_killed_importer_takes_its_worker_with_it(tmp_path: Path, many: Path) -> None:
    with importing(Import(tmp_path / "job", {"path": str(many)})) as (importer, worker):
        importer.kill()
        importer.wait()
        worker.resume()  # a stopped process dies of SIGKILL too; it is resumed so that nothing else could be the reason
        until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_an_import_that_is_told_to_stop_leaves_nothing_running(tmp_path: Path, many: Path) -> None:
    with importing(Import(tmp_path / "job", {"path": str(many)})) as (importer, worker):
        importer.terminate()
        assert importer.wait(SECONDS) == ExitCode.PREEMPTED
        assert not worker.is_running()


def test_a_cancelled_import_says_so(tmp_path: Path, many: Path) -> None:
    with IngestServer() as server:
        one = Import(tmp_path / "job", {"path": str(many)}, events_url=server.url)
        with importing(one) as (importer, worker):
            server.cancel_after = "started"  # the next heartbeat hears it
            assert importer.wait(SECONDS) == ExitCode.DONE
            assert not worker.is_running()
    assert one.events[-1].kind == "cancelled"


# Data that lie elsewhere


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Serves `tmp_path`; the rules by which it may be called."""
    handler = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        port = server.server_address[1]
        egress = {"schemes": ["http", "https"], "ports": [port], "allow": ["127.0.0.0/8"]}
        yield f"http://127.0.0.1:{port}", {"egress": egress, "limits": {"spare_bytes": 0, "tries": 1}}
        server.shutdown()


def test_what_lies_elsewhere_is_fetched_first(tmp_path: Path, pets: Path, site: tuple[str, dict[str, Any]]) -> None:
    url, rules = site
    archive = zipped(pets)
    done = Import(tmp_path / "job", {"url": f"{url}/{archive.name}", "fetching": rules})
    assert done.run() == ExitCode.DONE, done.log
    fetching = [event.data for event in done.events if event.kind == "progress" and event.data["unit"] == "bytes"]
    assert fetching[-1]["step"] == archive.stat().st_size
    assert all(blob.own for blob in read_blobs(done.work, None))
    assert Succeeded.model_validate(done.events[-1].data).dataset is not None


def test_what_is_not_there_is_said(tmp_path: Path, site: tuple[str, dict[str, Any]]) -> None:
    url, rules = site
    done = Import(tmp_path / "job", {"url": f"{url}/none.zip", "fetching": rules})
    assert done.run() == ExitCode.BAD_DATA
    assert (done.failed.code, done.failed.retryable) == (ErrorCode.DATASET_INVALID, False)
    assert "none.zip" in done.failed.message


def test_what_is_there_but_no_data_set_is_refused_alike(tmp_path: Path, site: tuple[str, dict[str, Any]]) -> None:
    url, rules = site
    (tmp_path / "page.zip").write_text("<!doctype html>")
    done = Import(tmp_path / "job", {"url": f"{url}/page.zip", "fetching": rules})
    assert done.run() == ExitCode.BAD_DATA
    assert (done.failed.code, done.failed.retryable) == (ErrorCode.DATASET_INVALID, False)


def test_what_is_no_address_is_told_apart(tmp_path: Path, site: tuple[str, dict[str, Any]]) -> None:
    done = Import(tmp_path / "job", {"url": "gs://bucket/../set.zip", "fetching": site[1]})
    assert done.run() == ExitCode.BAD_CONFIG
    assert (done.failed.code, done.failed.retryable) == (ErrorCode.CONFIG_INVALID, False)


def test_a_place_that_stays_away_is_not_asked_by_the_next_attempt_again(
    tmp_path: Path, site: tuple[str, dict[str, Any]]
) -> None:
    rules = {**site[1], "egress": {**site[1]["egress"], "ports": [9]}}
    done = Import(tmp_path / "job", {"url": "http://127.0.0.1:9/set.zip", "fetching": rules})
    done.run()
    assert (done.failed.code, done.failed.retryable) == (ErrorCode.STORAGE_ERROR, False)
    assert "could not be reached in 1 tries" in done.failed.message


def test_what_the_operator_does_not_permit_is_not_called(tmp_path: Path, site: tuple[str, dict[str, Any]]) -> None:
    done = Import(tmp_path / "job", {"url": f"{site[0]}/pets.zip?signature=secret"})
    done.run()
    assert done.failed.code is ErrorCode.CONFIG_INVALID
    assert "secret" not in done.log
    assert "secret" not in done.failed.model_dump_json()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


# Images by a list


PICTURES = ("red", "green", "blue")


def hung(folder: Path) -> list[str]:
    """Pictures to be listed, under names that say nothing of what they are."""
    folder.mkdir()
    for number, colour in enumerate(PICTURES):
        Image.new("RGB", (32, 32), colour).save(folder / f"{colour}", "PNG" if number else "JPEG")
    return [f"{folder.name}/{colour}" for colour in PICTURES]


def order_of(
    tmp_path: Path, url: str, rules: dict[str, Any], paths: list[str], *, signature: str = "secret", **config: Any
) -> Import:
    """Each with a caption but the last."""
    listed = tmp_path / "images.jsonl"
    captions = [f"a {path.rpartition('/')[2]} wall" for path in paths[:-1]] + [None]
    rows = [
        {"url": f"{url}/{path}?sig={signature}", "caption": text} for path, text in zip(paths, captions, strict=True)
    ]
    listed.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return Import(tmp_path / "job", {"images": str(listed), "fetching": rules, **config})


def report_of(done: Import) -> DatasetReport:
    """What the server keeps; the artifact says the same."""
    report = read_report(done.work)
    assert json.loads((done.folder / "output" / REPORT).read_text()) == report.model_dump(mode="json")
    return report


def test_a_list_becomes_a_set_of_images_with_their_captions(tmp_path: Path, site: tuple[str, dict[str, Any]]) -> None:
    done = order_of(tmp_path, *site, hung(tmp_path / "walls"))
    assert done.run() == ExitCode.DONE, done.log
    before_reading = itertools.takewhile(lambda event: event.data.get("stage") != "validating", done.events)
    *_, fetched = (event.data for event in before_reading if event.kind == "progress")
    assert (fetched["step"], fetched["steps"], fetched["unit"]) == (3, 3, "images")
    samples = {sample.source: sample.caption for sample in Manifest(done.work / "manifest").samples()}
    assert samples == {"00001.jpg": "a red wall", "00002.png": "a green wall", "00003.png": ""}
    report = report_of(done)
    assert (report.format, report.captions) == ("captions", 2)
    (uncaptioned,) = [finding for finding in report.findings if finding.code == "missing_caption"]
    assert uncaptioned.examples == (f"00003.png ({site[0]}/walls/blue)",)
    assert "secret" not in done.log
    assert "secret" not in (done.folder / "run" / "spool.jsonl").read_text()


def test_the_same_list_is_the_same_version_whatever_it_was_signed_with(
    tmp_path: Path, site: tuple[str, dict[str, Any]]
) -> None:
    paths, versions = hung(tmp_path / "walls"), set[str]()
    for signature in ("monday", "tuesday"):
        done = order_of(tmp_path, *site, paths, signature=signature)
        assert done.run() == ExitCode.DONE, done.log
        succeeded = Succeeded.model_validate(done.events[-1].data)
        assert succeeded.dataset is not None
        versions.add(succeeded.dataset.manifest_sha256)
        shutil.rmtree(done.folder)
    assert len(versions) == 1


def test_an_image_that_is_not_there_fails_the_import_by_its_address(
    tmp_path: Path, site: tuple[str, dict[str, Any]]
) -> None:
    paths = [*hung(tmp_path / "walls"), *(f"walls/none-{number}" for number in range(12))]
    done = order_of(tmp_path, *site, paths)
    assert done.run() == ExitCode.BAD_DATA
    assert done.failed.message.startswith(
        "12 of 15 images could not be fetched; mend the list, or import again leaving"
    )
    assert done.failed.message.count("there is nothing at") == 10
    assert done.failed.message.endswith("; and 2 more")
    assert done.failed.errors is not None
    assert [error["field"] for error in done.failed.errors] == [f"images.{place}" for place in range(3, 15)]
    assert done.log.count("there is nothing at") >= 12
    assert "secret" not in done.failed.model_dump_json()


def test_what_did_not_come_is_left_out_when_it_may_be_and_is_on_the_list(
    tmp_path: Path, site: tuple[str, dict[str, Any]]
) -> None:
    paths = ["walls/none", *hung(tmp_path / "walls")]
    done = order_of(tmp_path, *site, paths, leave_out_broken=True)
    assert done.run() == ExitCode.DONE, done.log
    report = report_of(done)
    (missing,) = [finding for finding in report.findings if finding.code == "missing_image"]
    assert (missing.count, missing.examples) == (1, (f"{site[0]}/walls/none",))
    assert report.changes is not None
    assert report.changes.by_code == {"missing_image": 1}
    sources = {sample.source for sample in Manifest(done.work / "manifest").samples()}
    assert sources == {"00002.jpg", "00003.png", "00004.png"}


def test_an_inspection_of_a_list_tells_what_is_missing(tmp_path: Path, site: tuple[str, dict[str, Any]]) -> None:
    done = order_of(tmp_path, *site, [*hung(tmp_path / "walls"), "walls/none"], keep=False)
    assert done.run() == ExitCode.DONE, done.log
    report = report_of(done)
    assert [(one.code, one.severity) for one in report.findings if one.severity == "error"] == [
        ("missing_image", "error")
    ]
    assert "none is listed but not there" in report.ready_for("text_to_image").missing[0]


def test_a_list_of_which_nothing_came_is_no_set_even_if_some_may_be_left_out(
    tmp_path: Path, site: tuple[str, dict[str, Any]]
) -> None:
    done = order_of(tmp_path, *site, ["none"], leave_out_broken=True)
    assert done.run() == ExitCode.BAD_DATA
    assert done.failed.message.startswith("1 of 1 images could not be fetched")


def test_what_came_and_is_no_image_is_refused_by_its_address(tmp_path: Path, site: tuple[str, dict[str, Any]]) -> None:
    (tmp_path / "page.webp").write_text("<!doctype html><p>Sign in")
    done = order_of(tmp_path, *site, [*hung(tmp_path / "walls"), "page.webp"])
    assert done.run() == ExitCode.BAD_DATA
    shown = f"00004.webp ({site[0]}/page.webp)"
    assert done.failed.message.startswith(f"{shown} is named like an image but is none: it is a web page")
    assert done.failed.errors is not None
    assert done.failed.errors[0]["examples"] == [shown]


def test_places_that_stay_away_say_nothing_against_the_list(tmp_path: Path, site: tuple[str, dict[str, Any]]) -> None:
    rules = {**site[1], "egress": {**site[1]["egress"], "ports": [9]}}
    done = order_of(tmp_path, "http://127.0.0.1:9", rules, ["a", "b"])
    done.run()
    assert (done.failed.code, done.failed.retryable) == (ErrorCode.STORAGE_ERROR, False)


def test_an_import_that_was_killed_while_it_fetched_begins_anew(
    tmp_path: Path, site: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = hung(tmp_path / "walls")
    seen, waiting = threading.Event(), threading.Event()

    def linger(self: QuietHandler) -> None:
        if self.path.startswith("/walls/blue") and not waiting.is_set():
            seen.set()
            waiting.wait(SECONDS)
        SimpleHTTPRequestHandler.do_GET(self)

    monkeypatch.setattr(QuietHandler, "do_GET", linger)
    one = order_of(tmp_path, *site, paths)
    process = one.start()
    assert seen.wait(SECONDS)
    process.kill()
    process.wait()
    waiting.set()
    assert (one.work / "fetched").is_dir()
    shutil.rmtree(one.folder / "run")
    assert one.run() == ExitCode.DONE, one.log
    assert sum(report_of(one).images.values()) == 3


# A worker that was taken over, or breaks


GARBAGE = {
    "print('{}')": "said something that is no answer",
    "print('x' * 5_000_000)": "said something that is no answer (a line that does not end)",
    "import pickle, sys; sys.stdout.buffer.write(pickle.dumps({}))\nprint()": "said something that is no answer",
    "import sys; sys.exit(3)": "ended with exit status 3",
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "crashed (SIGSEGV)",
    "pass": "ended with exit status 0",
}


@pytest.mark.parametrize("program", GARBAGE)
def test_what_is_no_answer_is_not_believed(program: str) -> None:
    with pytest.raises(TrainerFailure) as caught:
        supervised(f"import sys; sys.stdin.readline()\n{program}")
    assert GARBAGE[program] in caught.value.message
    assert not caught.value.retryable


def test_a_worker_that_does_not_leave_after_its_last_word_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eyebright_kit.importing.supervision._LINGER_SECONDS", 0.1)
    with pytest.raises(TrainerFailure, match="was killed"):
        supervised("import os, time; os.close(1); time.sleep(600)")


def test_nobody_waits_for_a_silent_worker_once_it_is_to_stop() -> None:
    with pytest.raises(Stopped):
        supervised("import time; time.sleep(600)", stopping=lambda: True)


def supervised(program: str, stopping: Callable[[], bool] = lambda: False) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    order = WorkOrder(
        source="/", work="/", shown="", leave_out_broken=False, keep=True, plan=None, limits=WorkerLimits(), importer=0
    )

    def heard(_message: Enclosed | Moved) -> None: ...

    with Supervision(worker, WorkerLimits()) as supervision:
        supervision.carry_out(order, heard=heard, stopping=stopping)


class importing:
    """An import that is under way: its processes, the worker stopped in the middle of its work. Nothing is left of them."""

    def __init__(self, one: Import) -> None:
        self._one = one

    def __enter__(self) -> tuple["subprocess.Popen[bytes]", psutil.Process]:
        self._importer = self._one.start()
        process = psutil.Process(self._importer.pid)
        until(lambda: any("eyebright_kit.importing.worker" in child.cmdline() for child in process.children()))
        self._worker = process.children()[0]
        until(lambda: Path(f"/proc/{self._worker.pid}/fd/0").readlink() == Path("/dev/null"))
        self._worker.suspend()
        return self._importer, self._worker

    def __exit__(self, *_: object) -> None:
        for process in (self._importer, self._worker):
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._importer.wait()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)
