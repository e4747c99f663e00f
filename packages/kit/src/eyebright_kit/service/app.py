"""The HTTP surface of a training service: the start that training platforms send, and what an Eyebright asks besides."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from eyebright_kit.service.gate import Gate
from eyebright_kit.service.options import ServiceOptions
from eyebright_kit.service.problems import Refused, refused, unrouted
from eyebright_kit.service.runs import Runs, handle_of
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.runs import Handle
from eyebright_wire.services import (
    DeadLetters,
    RunReports,
    ServiceHealth,
    ServiceModel,
    ServiceModels,
    SpooledEvents,
    TrainingStart,
)

MOST_BYTES = 8 * 2**20  # of a start
_LONGEST_GRACE = 3600.0
_MOST_PROBLEMS = 5
_TIDY_SECONDS = 3600.0

_log = logging.getLogger("eyebright.service")


def service(manifest: TrainerManifest, runs: Runs, options: ServiceOptions) -> Gate:
    """The ASGI application. `runs` is closed with it."""
    doors = _Doors(manifest, runs)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        tidying = asyncio.create_task(_tidy(runs, options.keep_days * 24 * 3600))
        try:
            yield
        finally:
            tidying.cancel()
            await runs.close()

    app = Starlette(
        routes=doors.routes(),
        lifespan=lifespan,
        exception_handlers={Refused: refused, HTTPException: unrouted},
    )
    return Gate(app, options)


async def _tidy(runs: Runs, keep_seconds: float) -> None:
    while True:
        try:
            if removed := await runs.tidy(keep_seconds):
                _log.info("removed the folders of %d trainings that were over", removed)
        except OSError as error:
            _log.warning("cannot remove what is over: %s", error)
        await asyncio.sleep(_TIDY_SECONDS)


class _Doors:
    def __init__(self, manifest: TrainerManifest, runs: Runs) -> None:
        self._manifest = manifest
        self._runs = runs

    def routes(self) -> list[Route]:
        return [
            Route("/training/start", self.start, methods=["POST"]),
            Route("/models", self.models),
            Route("/health", self.health),
            Route("/describe", self.describe),
            Route("/runs", self.reports),
            Route("/runs/{name}", self.report),
            Route("/runs/{name}", self.stop, methods=["DELETE"]),
            Route("/runs/{name}/log", self.log),
            Route("/runs/{name}/spool", self.spool),
            Route("/dead", self.dead),
            Route("/dead/{id}/replay", self.replay, methods=["POST"]),
        ]

    async def start(self, request: Request) -> Response:
        return _json(await self._runs.start(await _asked(request)))

    async def models(self, _: Request) -> Response:
        models = (
            ServiceModel(name=model.name, framework=self._manifest.name, task=task.name)
            for task in self._manifest.tasks
            for model in task.models
        )
        return _json(ServiceModels(models=tuple(models)))

    async def health(self, _: Request) -> Response:
        return _json(
            ServiceHealth(
                framework=self._manifest.name,
                eyebright=version("eyebright-kit"),
                places=self._runs.places,
                free=await self._runs.free(),
            )
        )

    async def describe(self, _: Request) -> Response:
        return _json(self._manifest)

    async def reports(self, _: Request) -> Response:
        return _json(RunReports(runs=tuple(await self._runs.reports())))

    async def report(self, request: Request) -> Response:
        return _json(await self._runs.report(_handle(request)))

    async def stop(self, request: Request) -> Response:
        """Answers once nothing of it runs."""
        grace = _number(request, "grace", 30.0, _LONGEST_GRACE)
        handle = _handle(request)
        await self._runs.stop(handle, timedelta(seconds=grace))
        return _json(await self._runs.report(handle))

    async def log(self, request: Request) -> Response:
        offset = int(_number(request, "offset", 0, 2**53))
        return StreamingResponse(self._runs.log(_handle(request), offset), media_type="application/octet-stream")

    async def spool(self, request: Request) -> Response:
        after = int(_number(request, "after", 0, 2**53))
        return _json(SpooledEvents(events=await self._runs.spooled(_handle(request), after)))

    async def dead(self, _: Request) -> Response:
        return _json(DeadLetters(letters=tuple(await self._runs.letters())))

    async def replay(self, request: Request) -> Response:
        return _json(await self._runs.replay(request.path_params["id"]))


async def _asked(request: Request) -> TrainingStart:
    """The body of a start. Raises Refused for whatever is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # which a page in a browser could not send unasked
        raise Refused(415, "unsupported_media_type", f"found Content-Type {kind!r}; expected application/json")
    try:
        return TrainingStart.model_validate_json(await _body(request))
    except ValidationError as error:
        raise Refused(422, "invalid_request", _sentences(error)) from None


async def _body(request: Request) -> bytes:
    """Counted as it comes: a length may be missing, or be told wrong."""
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MOST_BYTES:
                raise Refused(413, "too_large", f"the start has more than {MOST_BYTES:,} bytes; data go by address")
    except ClientDisconnect:
        raise Refused(400, "invalid_request", "the connection ended within the body") from None
    return bytes(content)


def _sentences(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in problems[:_MOST_PROBLEMS]
    ]
    return "; ".join(told) + ("; …" if len(problems) > _MOST_PROBLEMS else "")


def _handle(request: Request) -> Handle:
    name = request.path_params["name"]
    handle = handle_of(name)
    if handle is None:
        raise Refused(404, "not_found", f"{name!r} is no name of a run; expected <job>-a<attempt>")
    return handle


def _number(request: Request, name: str, default: float, most: float) -> float:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise Refused(422, "invalid_request", f"{name} is {text!r}; expected a number from 0 to {most:g}")
    return number


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
