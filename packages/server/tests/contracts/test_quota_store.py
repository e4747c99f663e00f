"""What a project uses is counted right, and no more of its jobs begin than may."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from samples import LIMITS, NOW_MS, bury, claiming, decide, job, ref, submit

from eyebright.core import lifecycle
from eyebright.core.kept_upload import KeptUpload
from eyebright.core.project import Project
from eyebright.core.quota import Quota, Usage
from eyebright.core.records import Artifact, Version, changed
from eyebright.core.scope import DEFAULT_PROJECT, EVERYTHING, Scope, within
from eyebright.errors import GuardViolated
from eyebright_wire.errors import ErrorCode

BIRDS = "birds"


@pytest.fixture
async def projects(database: Any) -> Any:
    await database.projects.add(Project(id=BIRDS, created_at_ms=NOW_MS))
    return database


async def waiting(database: Any, *numbers: int, project: str) -> None:
    with within(Scope(project)):
        await submit(database, *(job(number, project=project) for number in numbers))


async def claimed(database: Any, limit: int = 10) -> list[str]:
    """As a dispatcher does it; the projects of what began."""
    with within(EVERYTHING):
        async with database.jobs.transaction() as transaction:
            found = await transaction.claimable("local", NOW_MS, limit)
            await transaction.save([claiming(run) for run in found])
    return [run.job.project for run in found]


async def test_what_was_put_is_there_and_replaces_what_was_before(projects: Any):
    assert await projects.quotas.get(BIRDS) == Quota(project=BIRDS)
    for quota in (
        Quota(project=BIRDS, running_jobs=3),
        Quota(project=BIRDS, storage_bytes=2**40, requests_per_minute=6),
    ):
        await projects.quotas.put(quota)
        assert await projects.quotas.get(BIRDS) == quota
    assert await projects.quotas.get(DEFAULT_PROJECT) == Quota(project=DEFAULT_PROJECT)


async def test_a_project_that_is_not_there_has_none(projects: Any):
    with pytest.raises(GuardViolated):
        await projects.quotas.put(Quota(project="nowhere", running_jobs=1))


async def test_no_more_jobs_of_a_project_begin_than_may(projects: Any):
    await projects.quotas.put(Quota(project=BIRDS, running_jobs=2))
    await waiting(projects, 1, 2, 3, 4, project=BIRDS)
    await waiting(projects, 5, 6, project=DEFAULT_PROJECT)
    assert Counter(await claimed(projects)) == {BIRDS: 2, DEFAULT_PROJECT: 2}
    assert await claimed(projects) == []
    assert (await projects.quotas.usage(BIRDS)).running_jobs == await projects.quotas.running_jobs(BIRDS) == 2
    assert await projects.quotas.running_jobs("nowhere") == 0


async def test_those_who_must_wait_are_in_nobodys_way(projects: Any):
    await projects.quotas.put(Quota(project=BIRDS, running_jobs=0))
    await waiting(projects, *range(1, 9), project=BIRDS)
    await waiting(projects, 9, project=DEFAULT_PROJECT)
    assert await claimed(projects, limit=2) == [DEFAULT_PROJECT]


async def test_a_job_whose_process_may_still_be_there_counts(projects: Any):
    await projects.quotas.put(Quota(project=BIRDS, running_jobs=1))
    await waiting(projects, 1, 2, project=BIRDS)
    assert await claimed(projects, limit=1) == [BIRDS]
    with within(EVERYTHING):
        await decide(
            projects,
            ("job_0001", None),
            lambda run: changed(run, lifecycle.end(run, ErrorCode.USER_CANCELLED, "", NOW_MS, limits=LIMITS), NOW_MS),
        )
        assert await claimed(projects) == []
        await bury(projects)
    assert await claimed(projects) == [BIRDS]


async def test_dispatchers_that_claim_at_once_stay_within_it_together(projects: Any):
    await projects.quotas.put(Quota(project=BIRDS, running_jobs=2))
    await waiting(projects, *range(1, 9), project=BIRDS)
    began = await asyncio.gather(*(claimed(projects, limit=1) for _ in range(4)))
    assert sum(map(len, began)) == 2


async def test_what_is_kept_is_counted_in_bytes(projects: Any):
    with within(Scope(BIRDS)):
        about = {"id": "dsv_1", "dataset": "pets", "manifest_sha256": "ab" * 32}
        for name, size in (("pets", 5 * 2**40), ("more", 7)):
            report = {"size_bytes": size}
            await projects.datasets.add_version(
                Version(**{**about, "dataset": name}, report=report, number=0, created_at_ms=NOW_MS, project=BIRDS)
            )
        assert (await projects.quotas.usage(BIRDS)).storage_bytes == 5 * 2**40 + 7
        await projects.datasets.delete("more", None, NOW_MS)
        upload = {"user_id": "ann", "dataset_name": "pets", "created_at_ms": NOW_MS, "project": BIRDS}
        await projects.kept_uploads.add(KeptUpload(id="upl_1", size_bytes=100, **upload))
        await submit(projects, job(1, project=BIRDS))
        await decide(projects, ("job_0001", None), claiming)
        file = Artifact(job_id="job_0001", attempt=1, ref=ref("model.onnx"))
        await decide(projects, ("job_0001", 1), lambda run: changed(run, run, NOW_MS, artifacts=(file,)))
        kept = 5 * 2**40 + 100 + file.ref.size_bytes
        assert await projects.quotas.usage(BIRDS) == Usage(running_jobs=1, storage_bytes=kept)
    assert (await projects.quotas.usage(DEFAULT_PROJECT)).storage_bytes == 0
