"""What jobs said long ago goes, but for what their charts, their readers and whoever repeats himself still need."""

from collections.abc import Mapping, Sequence

import pytest
from harness.objects import MemoryObjects
from samples import LEASE_MS, LIMITS, NOW_MS, bury, claim, failed, job, post, progress, started, submit

from eyebright.errors import Conflict, EventConflict, InvalidRequest
from eyebright.services import compaction as module
from eyebright.services.announce import Announcer
from eyebright.services.charts import Charts
from eyebright.services.compaction import LEASE, Compaction
from eyebright.services.history import History
from eyebright.services.ingest import Ingest
from eyebright.services.old_runs import OldRuns
from eyebright.testing import FakeExecutor, ManualClock
from eyebright_wire.events import Event
from eyebright_wire.runs import Handle
from eyebright_wire.storage import Compacted

ID, DAY = "job_0001", 86_400.0
LATER_MS = NOW_MS + 10**7
#: Of the job `ended`, all that is kept of its nine events.
KEPT = [1, 5, 6, 7, 9]


class House(FakeExecutor):
    """With a folder for each run, of so many bytes, since then."""

    def __init__(self) -> None:
        super().__init__()
        self.folders: dict[Handle, tuple[int, int]] = {}

    async def ended(self, before_ms: int) -> Mapping[Handle, int]:
        return {handle: size for handle, (since_ms, size) in self.folders.items() if since_ms < before_ms}

    async def forget(self, handle: Handle) -> None:
        del self.folders[handle]


class Server:
    """One process over a database."""

    def __init__(self, database, days: float | None = 30) -> None:
        self.database, self.clock = database, ManualClock(LATER_MS)
        self.charts = Charts(database.jobs, database.history, database.curves)
        self.history = History(database.jobs, database.history, database.models, None, None)  # type: ignore[arg-type]
        self.ingest = Ingest(database.jobs, self.clock, Announcer(), lease_ms=LEASE_MS, limits=LIMITS)
        self.house, self.objects = House(), MemoryObjects()
        self.compaction = self.other(days)

    def other(self, days: float | None, runs_days: float | None = None) -> Compaction:
        database = self.database
        runs = OldRuns(
            database.jobs, database.history, self.objects, [self.house, self.house], self.clock, days=runs_days
        )
        return Compaction(
            database.compaction,
            self.charts,
            database.leases,
            self.clock,
            runs,
            holder=self.clock.new_id("rep"),
            events_days=days,
        )

    async def positions(self, job_id: str = ID) -> Sequence[int]:
        return [event.position for event in await self.database.history.events(job_id, 0, 9999)]


@pytest.fixture
def server(database) -> Server:
    return Server(database)


@pytest.fixture
async def ended(server: Server) -> Server:
    """Of two attempts: started, three times progress, stage, failed; started, progress as its last event but one, failed."""
    database = server.database
    await submit(database, job())
    await claim(database)
    stage = Event(seq=5, kind="stage", at_ms=NOW_MS, data={"stage": "evaluating"})
    await post(database, started(), *(progress(seq, step=seq) for seq in (2, 3, 4)), stage)
    await post(database, failed(6, retryable=True))
    await bury(database)
    await claim(database, now_ms=LATER_MS)
    await post(database, started(), progress(2, step=9), attempt=2, now_ms=LATER_MS)
    await post(database, failed(3), attempt=2, now_ms=LATER_MS)
    await bury(database, attempt=2)
    server.clock.advance(31 * DAY)
    return server


async def test_progress_of_long_ago_goes_and_the_chart_stays(ended: Server):
    chart = await ended.charts.metrics(ID)
    looked = await ended.compaction.look()
    assert (looked.jobs, looked.events, looked.removed) == (1, 4, False)
    assert looked.size_bytes > 100
    assert await ended.positions() == list(range(1, 10))
    done = await ended.compaction.compact()
    assert done == looked.model_copy(update={"removed": True})
    assert await ended.positions() == KEPT
    assert await ended.charts.metrics(ID) == chart
    assert (await ended.database.jobs.get(ID)).job.events == 9
    assert (await ended.compaction.look()).events == 0


async def test_who_reads_on_gets_what_is_kept(ended: Server):
    await ended.compaction.compact()
    for after, found in ((0, KEPT), (1, [5, 6, 7, 9]), (3, [5, 6, 7, 9]), (8, [9]), (9, [])):
        assert [event.position for event in (await ended.history.events(ID, after)).items] == found
    page = await ended.history.events(ID, 0, limit=2)
    assert [event.position for event in page.items] == [1, 5]
    assert [event.position for event in (await ended.history.events(ID, int(page.next or 0))).items] == [6, 7, 9]


async def test_who_repeats_himself_is_answered_as_before(ended: Server):
    before = await ended.database.jobs.get(ID)
    await ended.compaction.compact()
    stage = Event(seq=5, kind="stage", at_ms=NOW_MS, data={"stage": "evaluating"})
    repeated = [started(), *(progress(seq, step=seq) for seq in (2, 3, 4)), stage]
    await ended.ingest.replay(ID, 1, repeated)
    await ended.ingest.replay(ID, 1, [progress(3, step=77)])  # that it was another one is not known any more
    for other in (started(2).model_copy(update={"at_ms": 7}), failed(3), stage.model_copy(update={"data": {}})):
        with pytest.raises(EventConflict):
            await ended.ingest.replay(ID, 1, [other])
    assert await ended.positions() == KEPT
    assert await ended.database.jobs.get(ID) == before


async def test_what_is_young_or_runs_or_has_left_something_running_stays(server: Server):
    database = server.database
    await submit(database, *(job(number) for number in (1, 2, 3)))
    for number in (1, 2, 3):
        job_id = f"job_{number:04}"
        await claim(database, job_id)
        await post(database, started(), progress(2), progress(3), job_id=job_id)
    await post(database, failed(4))
    await bury(database)
    await post(database, failed(4), job_id="job_0002")
    assert (await server.compaction.compact()).events == 0, "it ended a moment ago"
    server.clock.advance(31 * DAY)
    assert (await server.compaction.compact()).jobs == 1
    assert await server.positions() == [1, 4]
    assert await server.positions("job_0002") == [1, 2, 3, 4], "its process was not seen to be gone"
    assert await server.positions("job_0003") == [1, 2, 3]


async def test_the_first_and_the_last_word_stay_even_if_they_are_progress(server: Server):
    database = server.database
    await submit(database, job())
    await claim(database)
    await post(database, *(progress(seq) for seq in range(1, 6)))
    await post(database, failed(6))
    await bury(database)
    await database.compaction.drop(ID, 99, NOW_MS)
    assert await server.positions() == [1, 2, 3, 4, 5, 6], "its curves have nothing yet"


async def test_long_jobs_go_in_portions_and_many_jobs_in_pages(server: Server, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    monkeypatch.setattr(module, "PAGE", 2)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)
    database = server.database
    await submit(database, *(job(number) for number in range(1, 6)))
    for number in range(1, 6):
        job_id = f"job_{number:04}"
        await claim(database, job_id)
        await post(database, started(), *(progress(seq) for seq in range(2, 2 + 2 * number)), job_id=job_id)
        await post(database, failed(2 + 2 * number), job_id=job_id)
        await bury(database, job_id)
    server.clock.advance(31 * DAY)
    done = await server.compaction.compact()
    assert (done.jobs, done.events) == (5, 30)
    assert [len(await server.positions(f"job_{number:04}")) for number in range(1, 6)] == [2] * 5


async def test_a_server_does_it_by_itself_if_the_settings_say_so_and_one_of_several(ended: Server):
    await ended.other(None).keep_up()
    await ended.database.leases.take(LEASE, "another", ended.clock.now_ms(), 10**9)
    await ended.compaction.keep_up()
    assert len(await ended.positions()) == 9
    with pytest.raises(Conflict, match="a server compacts"):
        await ended.other(1).compact()
    await ended.database.leases.release(LEASE, "another")
    await ended.other(30).keep_up()
    assert await ended.positions() == KEPT


async def test_how_old_has_to_be_said(ended: Server):
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_RETENTION__EVENTS_DAYS"):
        await ended.other(None).look()
    assert (await ended.other(None).look(40)) == Compacted(removed=False)
    assert (await ended.other(None).look(7)).events == 4


async def test_folders_of_runs_go_with_what_was_left_of_them_elsewhere(ended: Server):
    first, second = Handle(ID, 1), Handle(ID, 2)
    ended.house.folders = {first: (NOW_MS, 100), second: (LATER_MS, 20), Handle("job_9999", 1): (NOW_MS, 1)}
    left, kept = ("jobs/job_0001/a1.log", "jobs/job_0001/a1/spool.jsonl"), "jobs/job_0001/a1/model.onnx"
    ended.objects.bytes |= dict.fromkeys((*left, kept), b"x")
    looked = await ended.other(None, 30).look()
    assert looked == Compacted(runs=2, runs_bytes=120, removed=False)
    assert len(ended.house.folders) == 3
    assert await ended.other(None, 30).compact() == looked.model_copy(update={"removed": True})
    assert list(ended.house.folders) == [Handle("job_9999", 1)], "it may be another database's"
    assert list(ended.objects.bytes) == [kept]
    assert len(await ended.positions()) == 9


async def test_the_folder_of_a_run_stays_while_its_job_goes_on_or_ended_lately(server: Server):
    database = server.database
    await submit(database, *(job(number) for number in (1, 2, 3)))
    for number in (1, 2, 3):
        await claim(database, f"job_{number:04}")
        server.house.folders[Handle(f"job_{number:04}", 1)] = (0, 1)
    await post(database, started(), failed(2, retryable=True))
    await bury(database)
    await post(database, started(), failed(2), job_id="job_0002", now_ms=NOW_MS + 9)
    server.clock.advance(31 * DAY)
    assert (await server.other(None, 30).compact()).runs == 0, (
        "one is tried again, one was not seen to be gone, one runs"
    )
    await bury(database, "job_0002")
    assert (await server.other(None, 32).compact()).runs == 0
    assert (await server.other(None, 30).compact()).runs == 1


async def test_a_server_looks_after_its_own_folder_each_hour(ended: Server):
    ended.house.folders = {Handle(ID, 1): (NOW_MS, 100)}
    compaction = ended.other(None, 30)
    await ended.database.leases.take(LEASE, "another", ended.clock.now_ms(), 10**9)
    await compaction.keep_up()
    assert ended.house.folders == {}, "nobody else can"
    ended.house.folders = {Handle(ID, 2): (LATER_MS, 100)}
    await compaction.keep_up()
    assert len(ended.house.folders) == 1
    ended.clock.advance(3600)
    await compaction.keep_up()
    assert ended.house.folders == {}
