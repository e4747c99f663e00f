"""Jobs, events and decisions for tests of the stores, made by the real core."""

from collections.abc import Callable
from typing import Any

from eyebright.core import lifecycle
from eyebright.core.job import Job, Run
from eyebright.core.records import Change, changed
from eyebright.core.retry import RetryLimits
from eyebright.ports.jobs import AttemptKey
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Event

#: Needs 41 bits and every digit: a store that rounds times would show it.
NOW_MS = 1_763_690_123_457
LEASE_MS = 60_000
LIMITS = RetryLimits()


def job(number: int = 1, **fields: Any) -> Job:
    order = {"trainer": "toy", "task": "classification", "model": "tiny", "dataset_version": "dsv_1"}
    return Job(
        **{"id": f"job_{number:04}", "name": f"job {number}", "created_at_ms": NOW_MS + number, **order, **fields}
    )


def ref(path: str, kind: ArtifactKind = ArtifactKind.MODEL) -> ArtifactRef:
    return ArtifactRef(path=path, size_bytes=5_000_000_000, sha256="ab" * 32, kind=kind)


def started(seq: int = 1) -> Event:
    return Event(seq=seq, kind="started", at_ms=NOW_MS, data={"pid": 7, "host": "here"})


def progress(seq: int, **fields: Any) -> Event:
    data = {"epoch": seq, "epochs": 100, "metrics": {"loss": 1 / seq}, **fields}
    return Event(seq=seq, kind="progress", at_ms=NOW_MS + seq, data=data)


def checkpoint(seq: int, *, step: int, path: str | None = None) -> Event:
    manifest = ref(path or f"checkpoints/{step}/manifest.json", ArtifactKind.CHECKPOINT).model_dump()
    data = {"manifest": manifest, "epoch": 1, "step": step, "metrics": {"top1": 0.5}, "best": step > 10}
    return Event(seq=seq, kind="checkpoint", at_ms=NOW_MS + seq, data=data)


def succeeded(seq: int) -> Event:
    data = {"artifacts": [ref("model.onnx").model_dump()], "metrics": {"top1": 0.9}, "classes": ["a", "b"]}
    return Event(seq=seq, kind="succeeded", at_ms=NOW_MS + seq, data=data)


def failed(seq: int, code: ErrorCode = ErrorCode.TRAINER_ERROR, **fields: Any) -> Event:
    data = {"code": code, "message": "it broke", **fields}
    return Event(seq=seq, kind="failed", at_ms=NOW_MS + seq, data=data)


async def submit(database: Any, *jobs: Job) -> None:
    async with database.jobs.transaction() as transaction:
        for each in jobs:
            await transaction.insert(each)


async def decide(database: Any, key: AttemptKey, decision: Callable[[Run], Change]) -> Change:
    """Lock, decide, save: one transaction."""
    async with database.jobs.transaction() as transaction:
        change = decision((await transaction.lock([key]))[key])
        await transaction.save([change])
    return change


async def claim(
    database: Any,
    job_id: str = "job_0001",
    now_ms: int = NOW_MS,
    slot: int | None = None,
    place: str | None = None,
) -> Run:
    return (await decide(database, (job_id, None), lambda run: claiming(run, now_ms, slot, place))).after


async def post(database: Any, *events: Event, job_id: str = "job_0001", attempt: int = 1, now_ms: int = NOW_MS) -> Run:
    return (await decide(database, (job_id, attempt), lambda run: applying(run, *events, now_ms=now_ms))).after


async def bury(database: Any, job_id: str = "job_0001", attempt: int = 1) -> None:
    """The executor confirms that the attempt is gone."""

    def gone(run: Run) -> Change:
        assert run.attempt is not None
        return changed(run, Run(run.job, lifecycle.gone(run.attempt, NOW_MS + 9)), NOW_MS + 9)

    await decide(database, (job_id, attempt), gone)


def claiming(run: Run, now_ms: int = NOW_MS, slot: int | None = None, place: str | None = None) -> Change:
    claimed = lifecycle.claim(run.job, now_ms, token_sha256="cd" * 32, lease_ms=LEASE_MS, slot=slot, place=place)
    return changed(run, claimed, now_ms)


def applying(run: Run, *events: Event, now_ms: int = NOW_MS) -> Change:
    applied = lifecycle.apply(run, events, now_ms, lease_ms=LEASE_MS, limits=LIMITS)
    return changed(run, applied.run, now_ms, events=applied.events, checkpoints=applied.checkpoints)
