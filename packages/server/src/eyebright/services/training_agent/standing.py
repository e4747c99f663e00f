"""How a project's training stands, for callers that ask every second."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cachetools import TTLCache

from eyebright.core.callers import LogLine
from eyebright.core.job import Job
from eyebright.core.pace import fraction
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.clock import Clock
from eyebright.services.training_agent.ledger import Ledger
from eyebright_wire.jobs import JobKind

#: Lines of the log in one answer.
LINES = 50
#: So long an answer is good for everybody who asks the same.
FRESH_MS = 1000
#: Projects whose answers are remembered so long.
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """`status` is the project's own; `logs` are the newest lines, the oldest first."""

    status: str
    progress: dict[str, Any] = field(default_factory=dict[str, Any])
    logs: Sequence[LogLine] = ()


class Standings:
    def __init__(self, database: CallersDatabase, ledger: Ledger, clock: Clock) -> None:
        self._database = database
        self._ledger = ledger
        self._asked: dict[str, asyncio.Task[Standing]] = {}
        self._known = TTLCache[str, Standing, int](_REMEMBERED, FRESH_MS, clock.monotonic_ms)

    async def of(self, project_id: str) -> Standing:
        """At most a second old: many who ask at once are one question. Raises NotFound, or Unavailable."""
        if (known := self._known.get(project_id)) is not None:
            return known
        if (asked := self._asked.get(project_id)) is None:
            asked = self._asked[project_id] = asyncio.create_task(self._look(project_id))
            asked.add_done_callback(lambda task: self._answered(project_id, task))
        return await asyncio.shield(asked)

    def _answered(self, project_id: str, task: asyncio.Task[Standing]) -> None:
        """Though nobody may wait for it any more."""
        del self._asked[project_id]
        if not task.cancelled() and task.exception() is None:
            self._known[project_id] = task.result()

    async def _look(self, project_id: str) -> Standing:
        project, lines, job = await asyncio.gather(
            self._database.project(project_id),
            self._database.recent_logs(project_id, LINES),
            self._ledger.newest(project_id),
        )
        return Standing(project.status, _progress(job) if job else {}, lines[::-1])


def _progress(job: Job) -> dict[str, Any]:
    """Of the import first, which has no epochs, then of the training."""
    told = job.progress
    trains = told if job.kind is JobKind.TRAINING else None
    return {
        "job_id": job.id,
        "kind": job.kind,
        "state": job.state,
        "stage": job.stage,
        "epoch": trains.epoch if trains else 0,
        "epochs": trains.epochs if trains else job.resolved.get("epochs"),
        "percent": round(100 * fraction(told), 1) if told else 0.0,
        "eta_seconds": told.eta_seconds if told and not job.state.final else None,
        "metrics": dict(told.metrics if told else {}),
    }
