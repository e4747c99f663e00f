from samples import (
    LIMITS,
    NOW_MS,
    bury,
    checkpoint,
    claim,
    decide,
    failed,
    job,
    post,
    progress,
    ref,
    started,
    submit,
    succeeded,
)

from eyebright.core import lifecycle
from eyebright.core.job import Run
from eyebright.core.records import Artifact, Transition, changed
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobState

ID = "job_0001"


async def test_every_change_of_state_is_kept(database):
    await submit(database, job(created_at_ms=NOW_MS))
    await claim(database, now_ms=NOW_MS + 1)
    await post(database, started(), progress(2), now_ms=NOW_MS + 2)
    await post(database, failed(3, ErrorCode.NAN_LOSS), now_ms=NOW_MS + 3)
    assert await database.history.transitions(ID) == [
        Transition(job_id=ID, version=1, state=JobState.QUEUED, at_ms=NOW_MS),
        Transition(job_id=ID, version=2, state=JobState.STARTING, at_ms=NOW_MS + 1),
        Transition(job_id=ID, version=3, state=JobState.RUNNING, at_ms=NOW_MS + 2),
        Transition(
            job_id=ID,
            version=4,
            state=JobState.FAILED,
            at_ms=NOW_MS + 3,
            reason=ErrorCode.NAN_LOSS,
            message="it broke",
        ),
    ]
    assert await database.history.transitions("job_9999") == []


async def test_events_are_paged_by_position_over_all_attempts(database):
    await submit(database, job(1), job(2))
    await claim(database)
    await post(database, started(), progress(2), failed(3, retryable=True))
    await bury(database)
    await claim(database, now_ms=NOW_MS + 10**7)
    await post(database, started(), progress(2), attempt=2)
    await claim(database, "job_0002")
    await post(database, started(), job_id="job_0002")
    seen = [(event.position, event.attempt, event.seq) for event in await database.history.events(ID, 0, 99)]
    assert seen == [(1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 1), (5, 2, 2)]
    assert [event.position for event in await database.history.events(ID, 2, 2)] == [3, 4]
    assert await database.history.events(ID, 5, 99) == []
    assert await database.history.events("job_9999", 0, 99) == []


async def test_events_can_be_narrowed_to_kinds(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), progress(2), checkpoint(3, step=1), progress(4))
    found = await database.history.events(ID, 0, 2, frozenset({"progress", "checkpoint"}))
    assert [event.position for event in found] == [2, 3]
    found = await database.history.events(ID, 2, 9, frozenset({"progress"}))
    assert [(event.position, event.data["metrics"]) for event in found] == [(4, {"loss": 0.25})]


async def test_what_many_jobs_told_is_read_at_once(database):
    await submit(database, job(1), job(2), job(3))
    for job_id in (ID, "job_0002"):
        await claim(database, job_id)
    await post(database, started(), progress(2), progress(3), progress(4))
    await post(database, started(), progress(2), job_id="job_0002")
    asked = [ID, "job_0002", "job_0003", "job_9999"]
    told = await database.history.told(asked, frozenset({"progress", "failed"}), 2)
    assert {job_id: [event.position for event in events] for job_id, events in told.items()} == {
        ID: [2, 3],
        "job_0002": [2],
    }
    assert told[ID] == await database.history.events(ID, 0, 2, frozenset({"progress"}))
    assert await database.history.told([], frozenset({"progress"}), 2) == {}


async def test_checkpoints_come_newest_first(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), checkpoint(2, step=5), checkpoint(3, step=20), failed(4, retryable=True))
    await bury(database)
    await claim(database, now_ms=NOW_MS + 10**7)
    await post(database, started(), checkpoint(2, step=7), attempt=2)
    found = await database.history.checkpoints(ID)
    assert [(each.attempt, each.step, each.best) for each in found] == [(2, 7, False), (1, 20, True), (1, 5, False)]
    assert found[0].manifest == ref("checkpoints/7/manifest.json", ArtifactKind.CHECKPOINT)
    assert (found[0].metrics, found[0].at_ms, found[0].epoch) == ({"top1": 0.5}, NOW_MS + 2, 1)


async def test_a_checkpoint_written_to_the_same_place_replaces_the_older_one(database):
    await submit(database, job())
    await claim(database)
    again = (checkpoint(2, step=5, path="last/m"), checkpoint(3, step=6, path="last/m"))
    await post(database, started(), *again)
    await post(database, checkpoint(4, step=20, path="last/m"))
    found = await database.history.checkpoints(ID)
    assert [(each.step, each.best) for each in found] == [(20, True)]


async def test_attempts_are_kept_with_how_they_ended(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), failed(2, ErrorCode.WORKER_LOST))
    await bury(database)
    await claim(database, now_ms=NOW_MS + 10**7)
    found = await database.history.attempts(ID)
    assert [(each.number, each.outcome, each.live) for each in found] == [(1, "worker_lost", False), (2, None, True)]


async def test_artifacts_are_kept_with_the_attempt_that_made_them(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), succeeded(2))
    artifacts = tuple(
        Artifact(job_id=ID, attempt=1, ref=ref(path, kind))
        for path, kind in [("a/b.onnx", ArtifactKind.EXPORT), ("labels.json", ArtifactKind.LABELS)]
    )

    def decision(run: Run):
        return changed(run, lifecycle.succeed(run, NOW_MS, model_id="model_1"), NOW_MS, artifacts=artifacts)

    await decide(database, (ID, 1), decision)
    assert tuple(await database.history.artifacts(ID)) == artifacts
    assert await database.history.made([ID, "job_9999"]) == {ID: [*artifacts]}
    assert await database.history.made([]) == {}
    assert await database.history.artifacts("job_9999") == []


async def test_what_a_lost_attempt_left_is_still_there(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), checkpoint(2, step=1))

    def decision(run: Run):
        return changed(run, lifecycle.end(run, ErrorCode.HUNG, "stuck", NOW_MS, limits=LIMITS), NOW_MS)

    await decide(database, (ID, 1), decision)
    assert len(await database.history.events(ID, 0, 9)) == 2
    assert len(await database.history.checkpoints(ID)) == 1
