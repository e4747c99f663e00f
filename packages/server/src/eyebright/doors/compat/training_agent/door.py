"""Training Agent: a project's id in, the address of its trained model out.

Its words (`project_id`, `pending_training`, `agent_logs`, …) live here and in the services of the same name.
"""

import asyncio
import uuid
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from eyebright.core.callers import AGENT
from eyebright.doors.compat.training_agent.bodies import AgentLog, StatusResponse, TrainingRequest, TrainingResponse
from eyebright.doors.compat.training_agent.route import REFUSALS, AgentRoute
from eyebright.doors.door import DoorContext, Verbs
from eyebright.doors.prefer import ASYNC, wants_async
from eyebright.doors.problems import refusals
from eyebright.errors import InvalidRequest, Unavailable
from eyebright.services.training_agent import TrainingAgent

PREFIX = "/agents/training"
#: How often it is looked whether somebody still waits for the end of a training.
LOOK_SECONDS = 5.0
#: How often it is looked whether projects could be trained, and how often while they could not.
AGAIN_SECONDS, TROUBLED_SECONDS = 60.0, 10.0
OK = "ok"
UNKEYED = "SUPABASE_URL is set and SUPABASE_KEY is not, so no project can be read; set both, and start the server again"

log = structlog.stdlib.get_logger(__name__)

#: Its callers were never asked to say that what they send is JSON; only what is said to be something else is refused.
router = APIRouter(prefix=PREFIX, tags=["training agent"], route_class=AgentRoute, strict_content_type=False)


async def agent(verbs: Verbs) -> TrainingAgent:
    if verbs.training_agent is None:
        raise Unavailable(
            "this server knows no database of projects; set EYEBRIGHT_TRAINING_AGENT__DATABASE_URL, or SUPABASE_URL and "
            "SUPABASE_KEY, and start it again"
        )
    return verbs.training_agent


Agent = Annotated[TrainingAgent, Depends(agent)]
Prefer = Annotated[str | None, Header(description=f"`{ASYNC}`: answer at once; the status says what becomes of it")]


@router.post(
    "/start",
    operation_id="agent_start",
    summary="Train a project, and answer when that is done",
    responses={
        202: {"model": TrainingResponse, "description": "Under way; Location is its status"},
        429: {"model": TrainingResponse, "description": "Too many starts in a minute"},
        **refusals(),
        **REFUSALS,
    },
    response_model=TrainingResponse,
)
async def start(
    asked: TrainingRequest, request: Request, agent: Agent, prefer: Prefer = None
) -> TrainingResponse | JSONResponse:
    """The training is a job that goes on though nobody waits. Who asks again, meanwhile or after its end, hears of the same."""
    project_id = _uuid(asked.project_id)
    await agent.allowance.take()
    job_id = await agent.starting.start(project_id)
    if wants_async(prefer):
        headers = {"Location": f"{PREFIX}/status/{project_id}", "Preference-Applied": ASYNC}
        return JSONResponse(TrainingResponse(success=True).model_dump(), 202, headers)
    return TrainingResponse(success=True, model_url=await _waited(request, agent.starting.outcome(job_id)))


@router.get(
    "/status/{project_id}",
    operation_id="agent_status",
    summary="How a project's training stands",
    responses={**refusals(), **REFUSALS},
)
async def status(project_id: str, agent: Agent) -> StatusResponse:
    """At most a second old."""
    standing = await agent.standings.of(_uuid(project_id))
    return StatusResponse(
        status=standing.status,
        progress=standing.progress,
        logs=tuple(
            AgentLog(
                id=line.id,
                project_id=line.project_id,
                agent_name=AGENT,
                message=line.message,
                log_level=line.level,
                created_at=line.created_at,
            )
            for line in standing.logs
        ),
    )


@router.post(
    "/upload",
    operation_id="agent_upload",
    summary="Upload the model of a finished training that could not be uploaded",
    responses={**refusals(), **REFUSALS},
)
async def upload(asked: TrainingRequest, agent: Agent) -> TrainingResponse:
    """What lies there already is not sent again."""
    return TrainingResponse(success=True, model_url=await agent.starting.upload(_uuid(asked.project_id)))


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidRequest(f"{text!r:.200} is no project's id; expected a UUID") from None


async def _waited(request: Request, outcome: Coroutine[Any, Any, str]) -> str:
    """Raises ClientDisconnect, and waits no longer, once the caller has hung up."""
    waiting = asyncio.create_task(outcome)
    try:
        while not (await asyncio.wait([waiting], timeout=LOOK_SECONDS))[0]:
            if await request.is_disconnected():
                raise ClientDisconnect
        return waiting.result()
    finally:
        waiting.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await waiting


class TrainingAgentDoor:
    routes = tuple(router.routes)
    public = frozenset[str]()
    job_paths = ()

    def __init__(self) -> None:
        self._condition: str | None = None
        self._problems: Mapping[str, str] = {}

    async def run(self, context: DoorContext) -> None:
        """Looks now and again whether projects could be trained, and says so; returns where nobody has any."""
        agent = context.services.training_agent
        if agent is None:
            if context.settings.training_agent.supabase_url:
                self._tell({"SUPABASE_KEY": UNKEYED})
            return
        while True:
            self._tell(await agent.checks.problems())
            await context.clock.sleep(AGAIN_SECONDS if self._condition == OK else TROUBLED_SECONDS)

    def condition(self) -> str | None:
        """With what projects have trouble; None where nobody has any. Strangers may ask this: what it is stays in the log."""
        return self._condition

    def _tell(self, problems: Mapping[str, str]) -> None:
        if problems and problems != self._problems:
            log.warning("projects cannot be trained at present", problem="; ".join(problems.values()))
        if not problems and self._problems:
            log.info("projects can be trained again")
        self._problems = problems
        self._condition = f"trouble with {' and '.join(problems)}; the server's log tells more" if problems else OK
