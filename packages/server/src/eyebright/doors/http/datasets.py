"""Data sets: import, list, show."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from eyebright.doors.door import Given, Verbs
from eyebright.doors.http.paths import API, After, Limit
from eyebright.doors.http.uploads import received
from eyebright.doors.problems import refusals
from eyebright.doors.strict import StrictRoute
from eyebright_wire.datasets import DatasetName, dataset_name
from eyebright_wire.resources import DatasetImport, DatasetVersionView, DatasetView, Page

router = APIRouter(prefix=API, tags=["data sets"], route_class=StrictRoute)

Name = Annotated[DatasetName | None, Query(description="Default: the file's own")]
LeaveOutBroken = Annotated[
    bool, Query(description="Go on without files that mean to be images and cannot be used, instead of refusing")
]
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
    async with received(request, given) as archive:
        chosen = name or dataset_name(Path(archive.filename).name)
        version = await given.services.datasets.import_path(archive.path, chosen, leave_out_broken=leave_out_broken)
    return _created(response, version)


@router.post(
    "/datasets:import",
    operation_id="import_dataset",
    summary="Import a folder or zip that the server can read",
    status_code=201,
    responses=refusals(503, 507),
)
async def import_dataset(order: DatasetImport, response: Response, verbs: Verbs) -> DatasetVersionView:
    """Nothing is moved or changed at `path`, which must be absolute."""
    version = await verbs.datasets.import_path(Path(order.path), order.name, leave_out_broken=order.leave_out_broken)
    return _created(response, version)


@router.get("/datasets", operation_id="list_datasets", summary="List data sets by name", responses=refusals())
async def list_datasets(verbs: Verbs, after: After = None, limit: Limit = 50) -> Page[DatasetView]:
    return await verbs.datasets.list(after, limit)


@router.get(
    "/datasets/{name}", operation_id="get_dataset", summary="Show a data set and its versions", responses=refusals(404)
)
async def get_dataset(name: str, verbs: Verbs) -> DatasetView:
    return await verbs.datasets.get(name)


@router.get(
    "/dataset-versions/{version_id}",
    operation_id="get_dataset_version",
    summary="Show one version and the report of its inspection",
    responses=refusals(404),
)
async def get_dataset_version(version_id: str, verbs: Verbs) -> DatasetVersionView:
    return await verbs.datasets.version(version_id)


def _created(response: Response, version: DatasetVersionView) -> DatasetVersionView:
    response.headers["Location"] = f"{API}/dataset-versions/{version.id}"
    return version
