"""What a person sees of an import under way, and how they end it."""

from collections.abc import Iterator
from typing import Any

import pytest

from eyebright.cli import importing
from eyebright.cli.importing import imported
from eyebright.errors import Conflict
from eyebright_wire.events import Progress, Unit
from eyebright_wire.jobs import JobState, Stage
from eyebright_wire.resources import DatasetImport, JobView

ORDER = DatasetImport(path="/photos")


def job(state: JobState, **fields: Any) -> JobView:
    order = {"trainer": "importer", "task": "import", "model": "dataset", "dataset_version": "", "created_at_ms": 0}
    return JobView(**{"id": "job_1", "name": "photos", "state": state, **order, **fields})


def reading(step: int, unit: Unit = Unit.IMAGES, stage: Stage = Stage.VALIDATING) -> JobView:
    progress = Progress(epoch=1, epochs=1, step=step, steps=1797, unit=unit)
    return job(JobState.RUNNING, stage=stage, progress=progress)


class Told:
    """A client whose job goes its way, or is interrupted."""

    def __init__(self, *seen: JobView | type[KeyboardInterrupt], ended: bool = False) -> None:
        self.seen = seen
        self.ended = ended
        self.cancelled: list[str] = []

    def order_import(self, order: DatasetImport) -> JobView:
        return job(JobState.QUEUED)

    def watch(self, job_id: str) -> Iterator[JobView]:
        for item in self.seen:
            if not isinstance(item, JobView):
                raise item
            yield item

    def imported(self, job: JobView) -> JobView:
        return job

    def cancel(self, job_id: str) -> None:
        if self.ended:
            raise Conflict("it has ended")
        self.cancelled.append(job_id)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What stood beside the spinner, one after the other."""
    said: list[str] = []

    class Busy:
        def __init__(self, message: str) -> None:
            said.append(message)

        def __enter__(self) -> Any:
            return said.append

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(importing, "busy", Busy)
    return said


def test_stage_and_count_are_shown_until_the_end(words: list[str]) -> None:
    seen = [
        job(JobState.QUEUED, queue_position=2),
        reading(1_500_000, Unit.BYTES, Stage.FETCHING),
        reading(0),
        reading(640),
        job(JobState.RUNNING, stage=Stage.UPLOADING),
        last := job(JobState.SUCCEEDED, imported_version="dsv_1"),
    ]
    assert imported(Told(*seen), ORDER, "photos") == last
    assert words[:6] == [
        "Importing photos…",
        "Importing photos: number 2 in line",
        "Importing photos: fetching 1.5 MB of 1.8 kB",
        "Importing photos: validating 0/1797 images",
        "Importing photos: validating 640/1797 images",
        "Importing photos: uploading",
    ]


def test_ctrl_c_cancels_the_import(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    client = Told(reading(640), KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        imported(client, ORDER, "photos")
    assert client.cancelled == ["job_1"]
    assert "nothing of it is kept" in capsys.readouterr().err


def test_ctrl_c_that_comes_too_late_says_so(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    client = Told(reading(640), KeyboardInterrupt, ended=True)
    with pytest.raises(KeyboardInterrupt):
        imported(client, ORDER, "photos")
    assert "already ended" in capsys.readouterr().err
