"""Data sets: import, inspect, list, show."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from eyebright.doors.door import Given, Verbs
from eyebright.doors.guests import Caller, check_order, check_source
from eyebright.doors.http.paths import API, After, IdempotencyKey, Limit, VersionNumber
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.http.uploads import received
from eyebright.doors.prefer import ASYNC, wants_async
from eyebright.doors.problems import refusals
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.names import DatasetName, dataset_name
from eyebright_wire.resources import (
    DatasetImport,
    DatasetInspection,
    DatasetVersionView,
    DatasetView,
    JobView,
    Page,
)

router = APIRouter(prefix=API, tags=["data sets"], route_class=NativeRoute)

Name = Annotated[DatasetName | None, Query(description="Default: the file's own")]
LeaveOutBroken = Annotated[
    bool, Query(description="Go on without files that mean to be images and cannot be used, instead of refusing")
]
Prefer = Annotated[str | None, Header(description=f"`{ASYNC}`: answer at once with the job")]
ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"model": JobView, "description": "The job, under way"}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary", "description": "The zip"}},
    }
}


@router.post(
    "/datasets",
    operation_id="upload_dataset",
    summary="Upload a data set as a zip",
    status_code=201,
    responses=refusals(400, 413, 503, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The zip itself, streamed to disk, or a form with one file",
            "content": {"application/zip": _BINARY, "multipart/form-data": _FORM},
        }
    },
)
async def upload_dataset(
    request: Request, response: Response, given: Given, name: Name = None, leave_out_broken: LeaveOutBroken = False
) -> DatasetVersionView:
    """The archive is inspected and kept as an immutable version; the answer says Ready, or the exact missing condition.

    The same content under the same name is the same version. `errors` of a refusal lists the files that cannot be used.
    """
    datasets = given.services.datasets
    async with received(request, given) as archive:
        chosen = name or dataset_name(Path(archive.filename).name)
        order = DatasetImport(upload=archive.upload, name=chosen, leave_out_broken=leave_out_broken)
        job = await datasets.order(order)
        version = await datasets.imported(job.id)
    return _created(response, version)


@router.post(
    "/datasets:import",
    operation_id="import_dataset",
    summary="Import a folder or zip (on the server, uploaded, or to be fetched), or images by their addresses",
    status_code=201,
    responses={**ACCEPTED, **refusals(404, 409, 413, 503, 507)},
    response_model=DatasetVersionView,
)
async def import_dataset(
    order: DatasetImport,
    response: Response,
    given: Given,
    caller: Caller,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> DatasetVersionView | JSONResponse:
    """Exactly one of `path`, `upload`, `url`, `images` and `version`. Nothing is moved or changed at `path`.

    `images` are fetched one by one, wherever each lies. One that cannot be had fails the import, unless `leave_out_broken`.

    An import is a job. The answer comes once that has ended, or, with `Prefer: respond-async`, at once with the job, which can
    be watched and cancelled like any other; its `imported_version` names the version in the end.
    """
    check_source(order, caller, given)
    if order.train is not None:
        await check_order(order.train, caller, given)
    datasets = given.services.datasets
    job = await datasets.order(order, source="import", key=idempotency_key)
    if wants_async(prefer):
        return _accepted(job)
    return _created(response, await datasets.imported(job.id))


@router.post(
    "/datasets:inspect",
    operation_id="inspect_dataset",
    summary="Look at what an import would find, and keep nothing",
    responses={**ACCEPTED, **refusals(404, 409, 413, 503, 507)},
    response_model=DatasetReport,
)
async def inspect_dataset(
    order: DatasetInspection, given: Given, caller: Caller, prefer: Prefer = None
) -> DatasetReport | JSONResponse:
    """The same sources as an import. With `Prefer: respond-async` the report is the artifact `report.json` of the job."""
    check_source(order, caller, given)
    datasets = given.services.datasets
    job = await datasets.order(order)
    return _accepted(job) if wants_async(prefer) else await datasets.inspected(job.id)


@router.get("/datasets", operation_id="list_datasets", summary="List data sets by name", responses=refusals())
async def list_datasets(verbs: Verbs, after: After = None, limit: Limit = 50) -> Page[DatasetView]:
    return await verbs.datasets.list(after, limit)


@router.get(
    "/datasets/{name}", operation_id="get_dataset", summary="Show a data set and its versions", responses=refusals(404)
)
async def get_dataset(name: str, verbs: Verbs) -> DatasetView:
    return await verbs.datasets.get(name)


@router.delete(
    "/datasets/{name}",
    operation_id="delete_dataset",
    summary="Delete a data set with all its versions",
    status_code=204,
    responses=refusals(404, 409),
)
async def delete_dataset(name: str, verbs: Verbs) -> None:
    """For good. Jobs and models that came of it stay. Refused while a job that has not ended needs it."""
    await verbs.datasets.delete(name)


@router.delete(
    "/datasets/{name}/versions/{number}",
    operation_id="delete_dataset_version",
    summary="Delete one version of a data set",
    status_code=204,
    responses=refusals(404, 409),
)
async def delete_dataset_version(name: str, number: VersionNumber, verbs: Verbs) -> None:
    """For good; its number is not given again. The same data, imported under this name once more, are this version again."""
    await verbs.datasets.delete(name, number)


@router.get(
    "/dataset-versions/{version_id}",
    operation_id="get_dataset_version",
    summary="Show one version and the report of its inspection",
    responses=refusals(404),
)
async def get_dataset_version(version_id: str, verbs: Verbs) -> DatasetVersionView:
    return await verbs.datasets.version(version_id)


def _accepted(job: JobView) -> JSONResponse:
    headers = {"Location": f"{API}/jobs/{job.id}", "Preference-Applied": ASYNC}
    return JSONResponse(job.model_dump(mode="json"), 202, headers)


def _created(response: Response, version: DatasetVersionView) -> DatasetVersionView:
    response.headers["Location"] = f"{API}/dataset-versions/{version.id}"
    return version
