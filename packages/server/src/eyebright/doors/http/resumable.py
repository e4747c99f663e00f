"""Uploads that go on where they were cut: the tus protocol, version 1.0.0 (https://tus.io/protocols/resumable-upload)."""

import base64
import binascii
import re
from email.utils import formatdate
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from eyebright.doors.door import DoorContext, Given, Verbs
from eyebright.doors.http.paths import API
from eyebright.doors.problems import refusals
from eyebright.doors.streaming import announced_size, drained
from eyebright.errors import InvalidRequest
from eyebright.services.uploads import Announced, Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,termination"
CONTENT_TYPE = "application/offset+octet-stream"
FILENAME_CHARACTERS = 255
#: A pair of Upload-Metadata.
_PAIR = re.compile(r"([!-+\--~]+)(?: ([A-Za-z0-9+/=]*))?")


class TusRoute(APIRoute):
    """Says the version in every answer, refusals too. X-HTTP-Method-Override counts: some proxies let no PATCH pass."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(_as_meant(scope))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def versioned(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Tus-Resumable"] = VERSION
            await send(message)

        await super().handle(_as_meant(scope), receive, versioned)


def _as_meant(scope: Scope) -> Scope:
    meant = Headers(scope=scope).get("x-http-method-override") if scope["type"] == "http" else None
    return {**scope, "method": meant.upper()} if meant and scope["method"] == "POST" else scope


async def _require_version(
    version: Annotated[
        str | None, Header(alias="Tus-Resumable", description=VERSION, json_schema_extra={"const": VERSION})
    ] = None,
) -> None:
    if version != VERSION:
        detail = f"the header Tus-Resumable is {version or 'missing'}; expected {VERSION}, which this server speaks"
        raise HTTPException(HTTPStatus.PRECONDITION_FAILED, detail, headers={"Tus-Version": VERSION})


router = APIRouter(prefix=f"{API}/uploads", tags=["uploads"], route_class=TusRoute)
_SPOKEN = [Depends(_require_version)]
_BODY: dict[str, Any] = {"content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}}}

UploadId = Annotated[str, Path(description="The last part of the Location that the creation answered", max_length=100)]
_Bytes = Annotated[int, Header(ge=0, le=2**63 - 1)]
Length = Annotated[_Bytes, Header(alias="Upload-Length", description="Bytes of the whole file")]
Offset = Annotated[_Bytes, Header(alias="Upload-Offset", description="Where the body belongs; HEAD tells")]
Metadata = Annotated[
    str,
    Header(
        alias="Upload-Metadata",
        max_length=4096,
        description="Pairs of a key and a value in base64, separated by commas; `filename` is what the file is called",
    ),
]


@router.options(
    "", operation_id="describe_uploads", summary="What of tus is spoken", status_code=204, responses=refusals()
)
async def describe_uploads(given: Given) -> Response:
    about = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS}
    return Response(status_code=204, headers={**about, "Tus-Max-Size": str(given.settings.uploads.archive_bytes)})


@router.post(
    "",
    operation_id="create_upload",
    summary="Begin an upload in pieces, with or without the first one",
    status_code=201,
    response_class=Response,
    dependencies=_SPOKEN,
    responses=refusals(400, 412, 413, 415, 503, 507),
    openapi_extra={"requestBody": {"required": False, **_BODY}},
)
async def create_upload(request: Request, given: Given, length: Length, metadata: Metadata = "") -> Response:
    """`Location` is where to send the rest. Unfinished or unused, it expires: `Upload-Expires`."""
    first = _carries_a_piece(request)
    announced = Announced(length=length, filename=_filename(metadata), metadata=metadata)
    async with drained(request):
        upload = await given.services.uploads.create(announced)
        if first:
            upload = await _first_piece(request, given, upload.id)
    return Response(status_code=201, headers={"Location": f"{API}/uploads/{upload.id}", **_standing(upload)})


@router.head(
    "/{upload_id}",
    operation_id="show_upload",
    summary="How far it got",
    dependencies=_SPOKEN,
    response_class=Response,
    responses=refusals(404, 412),
)
async def show_upload(upload_id: UploadId, verbs: Verbs) -> Response:
    upload = await verbs.uploads.get(upload_id)
    about = {"Upload-Length": str(upload.announced.length), "Cache-Control": "no-store"}
    if upload.announced.metadata:
        about["Upload-Metadata"] = upload.announced.metadata
    return Response(headers={**about, **_standing(upload)})


@router.patch(
    "/{upload_id}",
    operation_id="continue_upload",
    summary="Send the next piece",
    status_code=204,
    dependencies=_SPOKEN,
    responses=refusals(400, 404, 409, 412, 413, 415, 423, 503, 507),
    openapi_extra={"requestBody": {"required": True, **_BODY}},
)
async def continue_upload(upload_id: UploadId, request: Request, given: Given, offset: Offset) -> Response:
    """What came before the line was cut is kept, and what is acknowledged is on the disk."""
    if _content_type(request) != CONTENT_TYPE:
        raise _not_a_piece(request)
    async with drained(request):
        upload = await _append(request, given, upload_id, offset)
    return Response(status_code=204, headers=_standing(upload))


@router.delete(
    "/{upload_id}",
    operation_id="abandon_upload",
    summary="Remove it",
    status_code=204,
    dependencies=_SPOKEN,
    responses=refusals(404, 412, 423),
)
async def abandon_upload(upload_id: UploadId, verbs: Verbs) -> Response:
    await verbs.uploads.abandon(upload_id)
    return Response(status_code=204)


async def _first_piece(request: Request, given: DoorContext, upload_id: str) -> Upload:
    """Whoever is refused, or cut off, never learns the address; so nothing is kept for it."""
    try:
        return await _append(request, given, upload_id, 0)
    except Exception:
        await given.services.uploads.abandon(upload_id)
        raise


async def _append(request: Request, given: DoorContext, upload_id: str, offset: int) -> Upload:
    size = announced_size(request, given.settings.uploads.archive_bytes)
    return await given.services.uploads.append(upload_id, offset, request.stream(), announced=size)


def _standing(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": formatdate(upload.expires_at_ms / 1000, usegmt=True),
    }


def _carries_a_piece(request: Request) -> bool:
    if _content_type(request) == CONTENT_TYPE:
        return True
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        raise _not_a_piece(request)
    return False


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _not_a_piece(request: Request) -> HTTPException:
    found = _content_type(request) or "no Content-Type"
    return HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body is {found}; expected {CONTENT_TYPE}")


def _filename(metadata: str) -> str:
    """For people only. Raises InvalidRequest for metadata that are none."""
    pairs = dict(_pair(part) for part in metadata.split(",")) if metadata.strip() else {}
    named = pairs.get("filename") or pairs.get("name") or b"file"
    return named.decode("utf-8", "replace")[:FILENAME_CHARACTERS]


def _pair(part: str) -> tuple[str, bytes]:
    match = _PAIR.fullmatch(part.strip())
    try:
        if match is not None:
            return match[1], base64.b64decode(match[2] or "", validate=True)
    except binascii.Error:
        pass
    raise InvalidRequest(
        f"Upload-Metadata has the part {part.strip()[:40]!r}; expected a key, a space and a value in base64"
    )
