"""Training jobs: check, order, list, show, cancel, repeat."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator

from eyebright.doors.door import Given, Verbs
from eyebright.doors.guests import Caller, check_order, check_retry
from eyebright.doors.http.paths import API, AfterJob, IdempotencyKey, JobId, Limit
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright.ports.jobs import JobQuery
from eyebright.services.jobs import Submitted
from eyebright_wire.jobs import JobKind, JobRequest, JobState, PreflightRequest, RehearsalRequest, RetryRequest
from eyebright_wire.resources import JobView, Page, Preflight

router = APIRouter(prefix=API, tags=["jobs"], route_class=NativeRoute)


def _is_pair(label: str) -> str:
    if not label.partition(":")[0] or ":" not in label:
        raise ValueError(f"{label!r} is not of the form key:value")
    return label


Kind = Annotated[JobKind | None, Query(description="Only trainings, imports or rehearsals; default: all")]
States = Annotated[list[JobState] | None, Query(alias="state", description="Any of these")]
Labels = Annotated[
    list[Annotated[str, AfterValidator(_is_pair)]] | None, Query(alias="label", description="key:value; all of these")
]


@router.post(
    "/jobs",
    operation_id="submit_job",
    summary="Order a training",
    status_code=201,
    responses={
        200: {"model": JobView, "description": "This order was already taken under the same key"},
        **refusals(404, 409, 503),
    },
)
async def submit_job(
    order: JobRequest, response: Response, given: Given, caller: Caller, idempotency_key: IdempotencyKey = None
) -> JobView:
    """Only `dataset` must be given. Everything is checked before anything is kept: trainer, model, settings, data set."""
    await check_order(order, caller, given)
    return _ordered(response, await given.services.jobs.submit(order, key=idempotency_key))


@router.post(
    "/jobs:preflight",
    operation_id="preflight_job",
    summary="Check an order without placing it",
    responses=refusals(),
)
async def preflight_job(order: PreflightRequest, given: Given, caller: Caller) -> Preflight:
    """Everything that is wrong with an order, at once: trainer, model, settings, and the data set if one is named; and a forecast
    of the disk space, the memory and the time that it would take. Nothing is kept."""
    await check_order(order, caller, given)
    return await given.services.preflights.preflight(order)


@router.post(
    "/jobs:rehearse",
    operation_id="rehearse_job",
    summary="Try the first batches of an order",
    status_code=201,
    responses={
        200: {"model": JobView, "description": "This rehearsal was already ordered under the same key"},
        **refusals(404, 409, 503),
    },
)
async def rehearse_job(
    order: RehearsalRequest, response: Response, given: Given, caller: Caller, idempotency_key: IdempotencyKey = None
) -> JobView:
    """A job of the kind `rehearsal`: within a minute the first batch, the largest one, a validation, a checkpoint that is gone on
    from, each export, and a connection to the webhook, if one is named. It succeeds whatever it finds; its artifact
    `rehearsal.json` says which step failed, and why. No model comes of it."""
    await check_order(order, caller, given)
    return _ordered(response, await given.services.jobs.rehearse(order, key=idempotency_key))


@router.get("/jobs", operation_id="list_jobs", summary="List jobs, newest first", responses=refusals())
async def list_jobs(
    verbs: Verbs,
    kind: Kind = None,
    states: States = None,
    labels: Labels = None,
    trainer: str | None = None,
    dataset_version: str | None = None,
    after: AfterJob = None,
    limit: Limit = 50,
) -> Page[JobView]:
    query = JobQuery(
        kinds=frozenset({kind} if kind else ()),
        states=frozenset(states or ()),
        trainer=trainer,
        dataset_version=dataset_version,
        labels=_pairs(labels or []),
        after=after,
        limit=limit,
    )
    return await verbs.jobs.list(query)


@router.get("/jobs/{job_id}", operation_id="get_job", summary="Show a job", responses=refusals(404))
async def get_job(job_id: JobId, verbs: Verbs) -> JobView:
    return await verbs.jobs.get(job_id)


@router.post("/jobs/{job_id}:cancel", operation_id="cancel_job", summary="Stop a job", responses=refusals(404, 409))
async def cancel_job(job_id: JobId, verbs: Verbs) -> JobView:
    """A queued job is cancelled at once; a running one is asked to stop, and may still finish first."""
    return await verbs.jobs.cancel(job_id)


@router.post(
    "/jobs/{job_id}:retry",
    operation_id="retry_job",
    summary="Order a finished job once more",
    status_code=201,
    responses=refusals(404, 409, 503),
)
async def retry_job(
    job_id: JobId,
    response: Response,
    verbs: Verbs,
    caller: Caller,
    wanted: RetryRequest | None = None,
    fresh: bool = False,
) -> JobView:
    """A new job with the same order; its `rerun_of` names this one.

    A training that was cancelled or failed goes on from its newest whole checkpoint, and `resume_from` names the job that left
    it. With `fresh`, or when the trainer is of another version now, it begins anew. One that failed with `export_failed` has its
    weights: `{"config": {"exports": []}}` registers them without the export.
    """
    if caller:
        check_retry(await verbs.jobs.get(job_id), caller)
    config = wanted.config if wanted else {}
    return _at(response, await verbs.jobs.retry(job_id, fresh=fresh, config=config))


def _pairs(labels: list[str]) -> dict[str, str]:
    return {key: value for key, _, value in (label.partition(":") for label in labels)}


def _ordered(response: Response, submitted: Submitted) -> JobView:
    if not submitted.created:
        response.status_code = 200
    return _at(response, submitted.view)


def _at(response: Response, job: JobView) -> JobView:
    response.headers["Location"] = f"{API}/jobs/{job.id}"
    return job
