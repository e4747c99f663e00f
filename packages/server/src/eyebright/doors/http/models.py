"""Registered models: list, show, compare, name by aliases, download, predict, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import FileResponse

from eyebright.doors.door import Given, Verbs
from eyebright.doors.http.files import BYTES, file_answer
from eyebright.doors.http.paths import API, AfterModel, AliasName, FilePath, Limit, ModelName
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.http.uploads import image_of
from eyebright.doors.problems import refusals
from eyebright_wire.resources import ExportRequest, ModelComparison, ModelExport, ModelView, Page, Prediction

router = APIRouter(prefix=API, tags=["models"], route_class=NativeRoute)

Name = Annotated[str | None, Query(max_length=200, description="Only the versions of this name")]
Compared = Annotated[str, Query(description="A model, named as in a path", max_length=300)]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["image"],
        "properties": {"image": {"type": "string", "format": "binary"}},
    }
}


@router.get("/models", operation_id="list_models", summary="List models, newest first", responses=refusals())
async def list_models(verbs: Verbs, name: Name = None, after: AfterModel = None, limit: Limit = 50) -> Page[ModelView]:
    return await verbs.models.list(after, limit, name)


@router.get(
    "/models:compare",
    operation_id="compare_models",
    summary="Put two models side by side",
    responses=refusals(404),
)
async def compare_models(left: Compared, right: Compared, verbs: Verbs) -> ModelComparison:
    """Each metric with its difference, the settings that differ, and the classes that only one of them knows."""
    return await verbs.models.compare(left, right)


@router.get(
    "/models/{model}/files/{path:path}",
    operation_id="get_model_file",
    summary="Download one of a model's files",
    response_class=FileResponse,
    responses={**BYTES, **refusals(404)},
)
async def get_model_file(model: ModelName, path: FilePath, verbs: Verbs) -> FileResponse:
    return file_answer(await verbs.models.file(model, path))


@router.put(
    "/models/{model:path}/aliases/{alias}",
    operation_id="set_model_alias",
    summary="Let an alias point to a model",
    responses=refusals(404),
)
async def set_model_alias(model: ModelName, alias: AliasName, verbs: Verbs) -> ModelView:
    """An alias points to one model of its name: set elsewhere, it has moved."""
    return await verbs.models.point(model, alias)


@router.delete(
    "/models/{model:path}/aliases/{alias}",
    operation_id="remove_model_alias",
    summary="Take an alias away from the model that has it",
    responses=refusals(404),
)
async def remove_model_alias(model: ModelName, alias: AliasName, verbs: Verbs) -> ModelView:
    return await verbs.models.unpoint(model, alias)


# From here on the name of a model may go on to the end of the path: names have slashes, as in `google/vit-base`.


@router.get(
    "/models/{model:path}",
    operation_id="get_model",
    summary="Show a model and where it came from",
    responses=refusals(404),
)
async def get_model(model: ModelName, verbs: Verbs) -> ModelView:
    return await verbs.models.get(model)


@router.delete(
    "/models/{model:path}",
    operation_id="delete_model",
    summary="Delete a model and its files",
    status_code=204,
    responses=refusals(404, 409),
)
async def delete_model(model: ModelName, verbs: Verbs) -> None:
    """For good; its number is never given again. Refused while an alias points to it."""
    await verbs.models.delete(model)


@router.post(
    "/models/{model:path}:export",
    operation_id="export_model",
    summary="Have a form of a model made that it lacks",
    responses={202: {"model": ModelExport, "description": "A job is making it"}, **refusals(404, 503)},
)
async def export_model(model: ModelName, asked: ExportRequest, response: Response, verbs: Verbs) -> ModelExport:
    """Made by the model's own trainer and scored again on the validation images, as at the end of a training. Asked twice, it is
    one job; once that has succeeded, the export is the model's."""
    found = await verbs.exports.order(model, asked.format)
    if found.job is not None:
        response.status_code = 202
        response.headers["Location"] = f"{API}/jobs/{found.job.id}"
    return found


@router.post(
    "/models/{model:path}:predict",
    operation_id="predict",
    summary="Ask a model about an image",
    responses=refusals(400, 404, 413, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The encoded image itself (JPEG, PNG, …), or a form with one file",
            "content": {"image/*": _BINARY, "application/octet-stream": _BINARY, "multipart/form-data": _FORM},
        }
    },
)
async def predict(model: ModelName, request: Request, given: Given) -> Prediction:
    """Computed by the model's own trainer in a process that ends afterwards; takes about a second."""
    await given.services.models.get(model)  # before megabytes are read for a model that isn't there
    image = await image_of(request, given.settings.uploads.image_bytes)
    return await given.services.models.predict(model, image)
