"""The web application: the doors that are installed, behind the gate. `openapi()` is the document of its API."""

from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from eyebright import plugins
from eyebright.doors import problems
from eyebright.doors.document import document
from eyebright.doors.door import AgentDoor, Door, KeyedDoor, ProjectDoor
from eyebright.doors.gate import Gate, Rules, own_names
from eyebright.doors.limit import BodyLimit
from eyebright.doors.roles import HEADER
from eyebright.doors.traffic import Footfall, Traffic
from eyebright.ports.clock import Clock
from eyebright.services import Services
from eyebright.settings import Settings
from eyebright.telemetry import Instruments

DOORS = "eyebright.doors"
#: What pages of other servers may send and read besides, to upload in pieces.
TUS_REQUEST_HEADERS = ("Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset", "X-HTTP-Method-Override")
TUS_ANSWER_HEADERS = (
    "Location",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
)


def web(
    settings: Settings,
    token: str,
    doors: Sequence[Door],
    instruments: Instruments,
    footfall: Footfall,
    clock: Clock,
    services: Services,
    exists: Callable[[str], Awaitable[bool]],
) -> FastAPI:
    """The doors behind the gate. `exists`: a project of that name."""
    rules = Rules(
        token=token,
        public=frozenset[str]().union(*(door.public for door in doors)),
        job_paths=[pattern for door in doors for pattern in door.job_paths],
        keyed_paths=[pattern for door in doors if isinstance(door, KeyedDoor) for pattern in door.keyed_paths],
        hosts=own_names(settings.host, settings.allowed_hosts, settings.public_url),
        now_ms=clock.now_ms,
        access=services.access,
        origins=settings.allowed_origins,
        agent_paths=frozenset[str]().union(*(door.agent_paths for door in doors if isinstance(door, AgentDoor))),
        revoked=settings.mcp.revoked,
        project_paths=[pattern for door in doors if isinstance(door, ProjectDoor) for pattern in door.project_paths],
        exists=exists,
        require_turn=services.quotas.require_turn,
        secure=(settings.public_url or "").startswith("https:"),
    )
    app = _bare(doors)
    app.user_middleware = [
        Middleware(Traffic, instruments, footfall),
        *_cors(settings),
        Middleware(Gate, rules, app.router.routes, services.audit),
        Middleware(BodyLimit, settings.uploads.json_bytes),
    ]
    return app


def openapi() -> dict[str, Any]:
    """The OpenAPI document. Opens nothing and needs no server."""
    return document(_bare(installed_doors(Settings())))


def installed_doors(settings: Settings) -> list[Door]:
    """Every way in, or those that the settings name."""
    return [plugins.load(DOORS, name)() for name in settings.doors or plugins.names(DOORS)]


def _bare(doors: Sequence[Door]) -> FastAPI:
    app = FastAPI(
        title="Eyebright",
        version=version("eyebright"),
        routes=[route for door in doors for route in door.routes],
        openapi_url=None,  # the documentation is a door's own page
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    problems.install(app)
    app.openapi = lambda: document(app)
    return app


def _cors(settings: Settings) -> list[Middleware]:
    if not settings.allowed_origins:
        return []
    allowed = ("Authorization", "Content-Type", "Idempotency-Key", HEADER, *TUS_REQUEST_HEADERS)
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH"),
            allow_headers=allowed,
            expose_headers=TUS_ANSWER_HEADERS,
        )
    ]
