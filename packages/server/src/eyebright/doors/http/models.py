"""Registered models: list, show, download, predict."""

from fastapi import APIRouter, Request
from starlette.responses import FileResponse

from eyebright.doors.door import Given, Verbs
from eyebright.doors.http.files import BYTES, file_answer
from eyebright.doors.http.paths import API, AfterModel, FilePath, Limit
from eyebright.doors.http.uploads import image_of
from eyebright.doors.problems import refusals
from eyebright_wire.resources import ModelView, Page, Prediction

router = APIRouter(prefix=API, tags=["models"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["image"],
        "properties": {"image": {"type": "string", "format": "binary"}},
    }
}


@router.get("/models", operation_id="list_models", summary="List models, newest first", responses=refusals())
async def list_models(verbs: Verbs, after: AfterModel = None, limit: Limit = 50) -> Page[ModelView]:
    return await verbs.models.list(after, limit)


@router.get(
    "/models/{model_id}",
    operation_id="get_model",
    summary="Show a model and where it came from",
    responses=refusals(404),
)
async def get_model(model_id: str, verbs: Verbs) -> ModelView:
    return await verbs.models.get(model_id)


@router.get(
    "/models/{model_id}/files/{path:path}",
    operation_id="get_model_file",
    summary="Download one of a model's files",
    response_class=FileResponse,
    responses={**BYTES, **refusals(404)},
)
async def get_model_file(model_id: str, path: FilePath, verbs: Verbs) -> FileResponse:
    return file_answer(await verbs.models.file(model_id, path))


@router.post(
    "/models/{model_id}:predict",
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
async def predict(model_id: str, request: Request, given: Given) -> Prediction:
    """Computed by the model's own trainer in a process that ends afterwards; takes about a second."""
    await given.services.models.get(model_id)  # before megabytes are read for a model that isn't there
    image = await image_of(request, given.settings.uploads.image_bytes)
    return await given.services.models.predict(model_id, image)
