"""Answers that are files."""

from pathlib import Path
from typing import Any

from starlette.responses import FileResponse

_BINARY = {"schema": {"type": "string", "format": "binary"}}

#: The `responses` of an endpoint that sends a file; parts of it can be asked for with `Range`.
BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {"application/octet-stream": _BINARY}},
    206: {"description": "The part that `Range` asks for", "content": {"application/octet-stream": _BINARY}},
}
#: What a browser may show in place. Anything else could be a page with a script in it, made by whoever made the data set.
_SHOWN = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


def file_answer(path: Path) -> FileResponse:
    media_type = _SHOWN.get(path.suffix.lower())
    return FileResponse(
        path,
        media_type=media_type or "application/octet-stream",
        filename=path.name,
        content_disposition_type="inline" if media_type else "attachment",
        headers={"X-Content-Type-Options": "nosniff"},
    )
