"""What a job printed, measured and left."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import FileResponse

from eyebright.doors.door import Verbs
from eyebright.doors.http.files import BYTES, file_answer
from eyebright.doors.http.paths import API, FilePath, JobId
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright.services.charts import POINTS
from eyebright_wire.resources import ArtifactView, CheckpointView, LogChunk, MetricSeries

router = APIRouter(prefix=API, tags=["jobs"], route_class=NativeRoute)

Offset = Annotated[int, Query(ge=0, le=2**53, description="`next_offset` of the chunk before")]
Points = Annotated[
    int,
    Query(
        ge=2,
        le=100_000,
        description="Of each metric at most; of more, those that show its course, with its lowest and highest values",
    ),
]
Attempt = Annotated[int | None, Query(ge=1, le=2**31, description="Default: the newest")]


@router.get("/jobs/{job_id}/logs", operation_id="get_logs", summary="Read what a job printed", responses=refusals(404))
async def get_logs(job_id: JobId, verbs: Verbs, offset: Offset = 0, attempt: Attempt = None) -> LogChunk:
    return await verbs.history.logs(job_id, offset, attempt)


@router.get(
    "/jobs/{job_id}/metrics", operation_id="get_metrics", summary="Read each metric over time", responses=refusals(404)
)
async def get_metrics(job_id: JobId, verbs: Verbs, points: Points = POINTS) -> tuple[MetricSeries, ...]:
    return await verbs.charts.metrics(job_id, points)


@router.get(
    "/jobs/{job_id}/checkpoints",
    operation_id="list_checkpoints",
    summary="List checkpoints, newest first",
    responses=refusals(404),
)
async def list_checkpoints(job_id: JobId, verbs: Verbs) -> tuple[CheckpointView, ...]:
    return await verbs.history.checkpoints(job_id)


@router.get(
    "/jobs/{job_id}/artifacts",
    operation_id="list_artifacts",
    summary="List the verified files of a finished job",
    responses=refusals(404),
)
async def list_artifacts(job_id: JobId, verbs: Verbs) -> tuple[ArtifactView, ...]:
    return await verbs.history.artifacts(job_id)


@router.get(
    "/jobs/{job_id}/artifacts/{path:path}",
    operation_id="get_artifact",
    summary="Download one of them",
    response_class=FileResponse,
    responses={**BYTES, **refusals(404)},
)
async def get_artifact(job_id: JobId, path: FilePath, verbs: Verbs) -> FileResponse:
    return file_answer(await verbs.history.artifact(job_id, path))
