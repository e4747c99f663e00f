"""The OpenAPI document of all doors together."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from eyebright_wire.artifacts import UrlsRequest
from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.events import EventBatch, Heartbeat
from eyebright_wire.resources import ProblemDetails

DESCRIPTION = """
Give it images and a recipe; get back a trained, evaluated, exported, registered vision model.

Every call needs `Authorization: Bearer <token>`. The token lies in the file `token` of the server's data folder; the button
*Authorize* above takes it. Refusals are `application/problem+json` (RFC 9457) with a stable `code`.
Lists are paged: pass `next` as `?after=` until it is null.
"""
_SECURITY = {
    "operator": {"type": "http", "scheme": "bearer", "description": "The operator's token"},
    "attempt": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token in one attempt's job spec; good for that alone",
    },
    "key": {"type": "apiKey", "in": "query", "name": "key", "description": "The same token, in an address that has it"},
}
#: Models that no signature shows: refusals, and bodies that are parsed outside of the framework.
_MODELS = (ProblemDetails, EventBatch, Heartbeat, UrlsRequest, TrainingUpdate)


def document(app: FastAPI) -> dict[str, Any]:
    """Built once, when somebody asks: it costs 0.1 s that a start need not wait for."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
        components = made.setdefault("components", {})
        components["securitySchemes"] = _SECURITY
        components.setdefault("schemas", {}).update(_schemas())
        made["security"] = [{"operator": []}]
        app.openapi_schema = made
    return app.openapi_schema


def _schemas() -> dict[str, Any]:
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    return definitions["$defs"]
