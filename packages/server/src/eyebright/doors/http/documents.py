"""The documentation page of the API: Swagger UI from an installed package, so that it works where no internet is.

The page itself and the OpenAPI document hold nothing secret and are open; its Authorize button takes the operator's token,
which stays in the memory of that page.
"""

from functools import cache
from http import HTTPStatus
from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse, JSONResponse

router = APIRouter(include_in_schema=False)

_ASSETS = {
    "/docs/swagger-ui-bundle.js": "text/javascript",
    "/docs/swagger-ui.css": "text/css",
    "/docs/favicon.png": "image/png",
}
PUBLIC = frozenset({"/", "/docs", "/openapi.json", *_ASSETS})
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/")
@router.get("/docs")
async def docs() -> HTMLResponse:
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Eyebright API",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )
    return HTMLResponse(page.body, headers=_HEADERS)


@router.get("/docs/{name}")
async def asset(request: Request, name: str) -> FileResponse:
    """Only what the page needs, by exact name."""
    path = f"/docs/{name}"
    if path not in _ASSETS:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return FileResponse(_package() / name, media_type=_ASSETS[path], headers=_HEADERS)


@cache
def _package() -> Path:
    """Where fastapi-offline keeps the files; the package itself need not be imported."""
    return Path(str(distribution("fastapi-offline").locate_file("fastapi_offline/static")))
