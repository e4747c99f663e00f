"""What a data set version holds, to look at: pages of images, each drawn with its labels, and what was left out."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from eyebright.doors.door import Verbs
from eyebright.doors.http.paths import API, Limit
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright_wire.datasets import PictureView, Split
from eyebright_wire.resources import Page

router = APIRouter(prefix=f"{API}/dataset-versions/{{version_id}}", tags=["data sets"], route_class=NativeRoute)

After = Annotated[int, Query(ge=-1, description="`next` of the page before")]
OfSplit = Annotated[Split | None, Query(description="Only images of this split")]
OfClass = Annotated[str | None, Query(max_length=1000, description="Only images that show this class")]
Side = Annotated[int, Query(ge=16, le=2048, description="The longer side in pixels, at most")]
#: A picture of a version and its number never changes.
_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


def _picture(kind: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "The picture", "content": {kind: {"schema": {"type": "string", "format": "binary"}}}}}


@router.get(
    "/pictures", operation_id="list_pictures", summary="List the images of a version", responses=refusals(400, 404)
)
async def list_pictures(
    version_id: str,
    verbs: Verbs,
    after: After = -1,
    limit: Limit = 50,
    split: OfSplit = None,
    class_name: OfClass = None,
) -> Page[PictureView]:
    """In the version's own order, with their objects. A number names an image of the version for ever."""
    return await verbs.pictures.list(version_id, after, limit, split=split, class_name=class_name)


@router.get(
    "/pictures/{number}/thumbnail",
    operation_id="get_thumbnail",
    summary="One image, drawn with its labels",
    response_class=Response,
    responses={**_picture("image/jpeg"), **refusals(404, 503)},
)
async def get_thumbnail(
    version_id: str,
    number: int,
    verbs: Verbs,
    side: Side = 256,
    labels: Annotated[bool, Query(description="Draw boxes, outlines, masks, keypoints and names")] = True,
) -> Response:
    content = await verbs.pictures.thumbnail(version_id, number, side, labels=labels)
    return Response(content, media_type="image/jpeg", headers=_FOR_EVER)


@router.get(
    "/sheet",
    operation_id="get_sheet",
    summary="Many images of a version on one sheet, drawn with their labels",
    response_class=Response,
    responses={**_picture("image/png"), **refusals(404, 503)},
)
async def get_sheet(
    version_id: str,
    verbs: Verbs,
    limit: Annotated[int, Query(ge=1, le=400)] = 48,
    columns: Annotated[int, Query(ge=1, le=20)] = 8,
    side: Annotated[int, Query(ge=16, le=512)] = 192,
    split: OfSplit = None,
) -> Response:
    """Chosen at even distances from the whole version."""
    content = await verbs.pictures.sheet(version_id, limit, columns, side, split=split)
    return Response(content, media_type="image/png", headers=_FOR_EVER)


@router.get(
    "/changes",
    operation_id="get_changes",
    summary="What a version leaves out or alters against its source",
    response_class=StreamingResponse,
    responses={
        200: {"description": "JSON lines: code, source, detail", "content": {"application/jsonl": {}}},
        **refusals(404),
    },
)
async def get_changes(
    version_id: str,
    verbs: Verbs,
    dataset: Annotated[str | None, Query(max_length=200, description="The data set whose import is meant")] = None,
) -> StreamingResponse:
    """The same content can have come from two sources, one of which had to leave something out."""
    return StreamingResponse(await verbs.pictures.changes(version_id, dataset), media_type="application/jsonl")
