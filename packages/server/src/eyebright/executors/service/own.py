"""A training service of ours: it takes sealed orders, can be asked after its runs, and is the only one that gets the token."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from eyebright.executors.service.line import START, ServiceExecutorSettings, ServiceLine
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.model import WireModel
from eyebright_wire.runs import Handle, Liveness
from eyebright_wire.services import RunReport, RunReports, SpooledEvents, TrainingStart, TrainingStarted

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_Answer = TypeVar("_Answer", bound=WireModel)


class OwnService:
    def __init__(self, line: ServiceLine, settings: ServiceExecutorSettings, monotonic: Callable[[], float]) -> None:
        self._line = line
        self._settings = settings
        self._monotonic = monotonic
        self._headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
        self._reports: Mapping[Handle, RunReport] = {}
        self._reported = float("-inf")

    def trainer(self, framework: str) -> str:
        return framework

    async def describe(self, framework: str) -> TrainerManifest:
        return await self._asked("/describe", TrainerManifest)

    async def start(self, spec: JobSpec) -> None:
        order = TrainingStart(
            job_id=spec.job_id,
            config=spec.config,
            dataset_s3_uri=spec.dataset.blobs.uri if spec.dataset else "none",
            callback_url=spec.callback_url or "",
            spec=spec,
        )
        self._reported = float("-inf")
        sealed = {"content": order.model_dump_json(), "headers": self._headers}
        await self._line.ask("POST", START, TrainingStarted.model_validate_json, **sealed)
        self._reported = float("-inf")  # an answer that was on its way does not know it yet

    async def status(self, handle: Handle) -> Liveness:
        path = _path(handle)
        known = (await self._all()).get(handle)
        return (known or await self._looked(path, RunReport)).liveness

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        """Answers once nothing of it runs."""
        seconds = self._settings.read_seconds + grace.total_seconds()
        asked = {"params": {"grace": grace.total_seconds()}, "headers": self._headers}
        try:
            await self._line.ask("DELETE", _path(handle), RunReport.model_validate_json, seconds=seconds, **asked)
        finally:
            self._reported = float("-inf")

    def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        return self._line.read(f"{_path(handle)}/log", params={"offset": offset}, headers=self._headers)

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        found: list[Event] = []
        while True:
            last = found[-1].seq if found else after
            page = await self._asked(f"{_path(handle)}/spool", SpooledEvents, params={"after": last})
            if not page.events:
                return found
            found += page.events

    async def _all(self) -> Mapping[Handle, RunReport]:
        if self._monotonic() - self._reported >= self._settings.fresh_seconds:
            asked = self._monotonic()
            found = await self._looked("/runs", RunReports)
            self._reports = {Handle(each.job_id, each.attempt): each for each in found.runs}
            self._reported = asked
        return self._reports

    async def _asked(self, path: str, kind: type[_Answer], **options: Any) -> _Answer:
        return await self._line.ask("GET", path, kind.model_validate_json, headers=self._headers, **options)

    async def _looked(self, path: str, kind: type[_Answer]) -> _Answer:
        return await self._asked(path, kind, seconds=self._settings.look_seconds)


def _path(handle: Handle) -> str:
    if not _JOB_ID.fullmatch(handle.job_id):
        raise ValueError(f"{handle.job_id!r} is no job id")
    return f"/runs/{handle.job_id}-a{handle.attempt}"
