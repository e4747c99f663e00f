"""Vision AI Training Platform: order a job, start it, look at it, report of it, cancel it.

Its words (`completed`, `dataset_s3_uri`, …) live in this package; behind each job are an import and a training of ours.
"""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from eyebright.core.platform_id import job_id_of, uuid_of
from eyebright.doors.compat.vision_platform import callback, uploads
from eyebright.doors.compat.vision_platform.bodies import JobOrder, PlatformJobView, Started
from eyebright.doors.compat.vision_platform.paths import PREFIX, PlatformJobId
from eyebright.doors.compat.vision_platform.words import trainer_of, view_of
from eyebright.doors.door import Verbs
from eyebright.doors.problems import refusals
from eyebright.doors.strict import StrictRoute
from eyebright.errors import ConfigInvalid, InvalidRequest
from eyebright.services.platform_jobs import Wish

#: What of a configuration is no setting of the recipe.
_MODEL, _TASK = "model", "task"

router = APIRouter(prefix=PREFIX, tags=["vision platform"], route_class=StrictRoute)


@router.post(
    "",
    operation_id="platform_create_job",
    summary="Order a job, which begins once it is started",
    responses=refusals(404, 503),
)
async def create_job(asked: JobOrder, verbs: Verbs) -> PlatformJobView:
    """Framework, model and settings are checked at once, the data when they are imported."""
    return view_of(await verbs.platform_jobs.create(_wish(asked)))


@router.get(
    "", operation_id="platform_list_jobs", summary="The jobs that were ordered here, newest first", responses=refusals()
)
async def list_jobs(
    response: Response,
    verbs: Verbs,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: Annotated[str | None, Query(max_length=200, description="The last id of the page before")] = None,
) -> list[PlatformJobView]:
    """Where there are more, the header `Link` has the address of the next page."""
    listed = await verbs.platform_jobs.list(_cursor(after), limit)
    if listed.more:
        query = urlencode({"limit": limit, "after": uuid_of(listed.jobs[-1].first.id)})
        response.headers["Link"] = f'<{PREFIX}?{query}>; rel="next"'
    return [view_of(job) for job in listed.jobs]


@router.get("/{job_id}", operation_id="platform_get_job", summary="Where a job stands", responses=refusals(404))
async def get_job(job_id: PlatformJobId, verbs: Verbs) -> PlatformJobView:
    return view_of(await verbs.platform_jobs.get(job_id))


@router.post(
    "/{job_id}/start", operation_id="platform_start_job", summary="Let a job begin", responses=refusals(404, 409)
)
async def start_job(job_id: PlatformJobId, verbs: Verbs) -> Started:
    """As soon as there is room for it. Asked again, the answer is the same, and nothing is begun twice."""
    await verbs.platform_jobs.start(job_id)
    return Started()


@router.delete("/{job_id}", operation_id="platform_cancel_job", summary="Cancel a job", responses=refusals(404, 409))
async def cancel_job(job_id: PlatformJobId, verbs: Verbs) -> PlatformJobView:
    """One that has not begun is cancelled at once; a running one is asked to stop, and may still finish first."""
    return view_of(await verbs.platform_jobs.cancel(job_id))


def _wish(asked: JobOrder) -> Wish:
    """Raises ConfigInvalid for a configuration that says another model, or what is no task."""
    config = dict(asked.config)
    model, task = config.pop(_MODEL, asked.model_name), config.pop(_TASK, None)
    if model != asked.model_name:
        raise ConfigInvalid(f"model_name is {asked.model_name!r} and config.model is {model!r}; leave one of them out")
    if not isinstance(task, str | None):
        raise ConfigInvalid(f"config.task is {task!r:.200}; expected the name of a task, such as detection")
    return Wish(
        user_id=asked.user_id,
        framework=asked.framework,
        trainer=trainer_of(asked.framework),
        model=asked.model_name,
        source=asked.dataset_s3_uri,
        task=task,
        config=config,
    )


def _cursor(after: str | None) -> str | None:
    if after is None:
        return None
    job_id = job_id_of(after)
    if job_id is None:
        raise InvalidRequest(f"{after!r:.200} is no job's id; expected the last one of the page before")
    return job_id


class VisionPlatformDoor:
    routes = (*router.routes, *callback.router.routes, *uploads.router.routes)
    public = frozenset[str]()
    job_paths = ()
    keyed_paths = callback.KEYED_PATHS
