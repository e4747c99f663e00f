"""The tools that change nothing, for every persona."""

import asyncio
from operator import attrgetter
from typing import Annotated

from mcp.server.mcpserver import Context
from pydantic import Field

from eyebright.doors.mcp.answers import (
    Curves,
    DatasetSummary,
    JobSummary,
    LogPart,
    ModelSummary,
    RecipeSummary,
    Told,
    dataset_summary,
    fits,
    job_summary,
    model_summary,
    recipe_summary,
    told,
    told_page,
)
from eyebright.doors.mcp.tools import tool
from eyebright.doors.mcp.ways import in_tools
from eyebright.ports.jobs import JobQuery
from eyebright.services import Services
from eyebright_kit.importing.handover import REPORT as INSPECTION
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.jobs import JobKind, JobState, PreflightRequest
from eyebright_wire.rehearsals import REPORT as REHEARSAL
from eyebright_wire.rehearsals import RehearsalReport
from eyebright_wire.resources import (
    DatasetVersionView,
    JobView,
    ModelComparison,
    ModelView,
    Page,
    Preflight,
    RecipeView,
    TrainerView,
)

JobId = Annotated[str, Field(max_length=200, description="Such as job_0192f3…")]
ModelName = Annotated[
    str,
    Field(max_length=300, description="An id such as mdl_0192f3…, NAME@ALIAS, NAME@3, or NAME, which is its newest"),
]
DatasetName = Annotated[str, Field(max_length=200)]
VersionId = Annotated[str, Field(max_length=200, description="Such as dsv_0192f3…")]
RecipeName = Annotated[str, Field(max_length=200, description="TRAINER/TASK, such as torchvision/classification")]
Limit = Annotated[int, Field(ge=1, le=100, description="Entries on one page")]
_NEXT = "`next` of the page before"
After = Annotated[str | None, Field(max_length=200, description=_NEXT)]
AfterJob = Annotated[str | None, Field(max_length=200, pattern="^job_", description=_NEXT)]
AfterModel = Annotated[str | None, Field(max_length=200, pattern="^mdl_", description=_NEXT)]
Points = Annotated[int, Field(ge=2, le=200, description="Of each metric at most; of more, those that show its course")]
Offset = Annotated[int, Field(ge=0, le=2**53, description="`next_offset` of the part before")]
Lines = Annotated[int, Field(ge=1, le=200)]
Seconds = Annotated[float, Field(ge=0, le=600, description="Answer after so long though the job has not ended")]

#: Past every event (a database counts them in 32 bits): who watches for the state does not want the story again.
_NOW = 2**31 - 1


class Reading:
    def __init__(self, services: Services) -> None:
        self._services = services

    @tool("plan", "Estimate a training")
    async def estimate_training(self, order: PreflightRequest) -> Told[Preflight]:
        """Everything that is wrong with an order, what it would run as, and the time, memory and disk space it would take, with
        how wrong such estimates are of earlier ones. Nothing is kept. Without `dataset`, everything but the data is checked."""
        return told(await self._services.preflights.preflight(order, in_tools))

    @tool("plan", "Show a rehearsal's report")
    async def describe_rehearsal(self, job_id: JobId) -> Told[RehearsalReport]:
        """What rehearse_training has found, once its job has succeeded: each thing that a training does, and whether it works."""
        return told(RehearsalReport.model_validate_json(await self._artifact(job_id, REHEARSAL)))

    @tool("discover", "List trainers")
    async def list_trainers(self) -> Told[Page[TrainerView]]:
        """The training frameworks, installed or not, with their tasks, models and licences."""
        return told(Page[TrainerView](items=await self._services.recipes.trainers()))

    @tool("discover", "List recipes")
    async def list_recipes(self) -> Told[Page[RecipeSummary]]:
        """What can be trained: one recipe for each task of each installed trainer."""
        recipes = await self._services.recipes.list()
        return told(Page[RecipeSummary](items=tuple(map(recipe_summary, recipes))))

    @tool("discover", "Show a recipe")
    async def describe_recipe(self, recipe: RecipeName) -> Told[RecipeView]:
        """Its settings with their defaults and, as a JSON Schema, their limits."""
        return told(await self._services.recipes.get(recipe))

    @tool("discover", "List data sets")
    async def list_datasets(self, after: After = None, limit: Limit = 20) -> Told[Page[DatasetSummary]]:
        """Data sets by name, each with its versions and the tasks that they are ready for."""
        return told_page(await self._services.datasets.list(after, limit), dataset_summary, attrgetter("name"))

    @tool("discover", "Show a data set")
    async def describe_dataset(self, name: DatasetName) -> Told[DatasetSummary]:
        """One data set and its versions."""
        return told(dataset_summary(await self._services.datasets.get(name)))

    @tool("discover", "Show a data set version")
    async def describe_dataset_version(self, version_id: VersionId) -> Told[DatasetVersionView]:
        """The report of its inspection: classes, images of each split, what is wrong with files, and for which tasks it is
        ready or what is missing."""
        return told(await self._services.datasets.version(version_id))

    @tool("discover", "Show an inspection's report")
    async def describe_inspection(self, job_id: JobId) -> Told[DatasetReport]:
        """What inspect_dataset has found, once its job has succeeded: as describe_dataset_version tells it of a version."""
        return told(DatasetReport.model_validate_json(await self._artifact(job_id, INSPECTION)))

    @tool("monitor", "List jobs")
    async def list_jobs(
        self,
        kind: JobKind | None = None,
        states: tuple[JobState, ...] = (),
        after: AfterJob = None,
        limit: Limit = 20,
    ) -> Told[Page[JobSummary]]:
        """Trainings, imports, exports and rehearsals, newest first; describe_job tells all of one."""
        query = JobQuery(kinds=frozenset({kind} if kind else ()), states=frozenset(states), after=after, limit=limit)
        return told_page(await self._services.jobs.list(query), job_summary, attrgetter("id"))

    @tool("monitor", "Show a job")
    async def describe_job(self, job_id: JobId) -> Told[JobView]:
        """Its state, progress and newest metrics; once ended, why, and what came of it (`model_id`, `imported_version`)."""
        return told(await self._services.jobs.get(job_id))

    @tool("monitor", "Watch a job")
    async def watch_job(self, job_id: JobId, context: Context, seconds: Seconds = 30) -> Told[JobView]:
        """Waits until the job has ended, at most `seconds`, and tells of its progress meanwhile. `state` says how it stands."""
        epoch = -1
        try:
            async with asyncio.timeout(seconds):
                async for news in self._services.watch.follow(job_id, _NOW):
                    if isinstance(news, JobView) and news.progress and news.progress.epoch > epoch:
                        epoch = news.progress.epoch
                        await context.report_progress(epoch, news.progress.epochs, f"{news.state}, epoch {epoch}")
        except TimeoutError:
            pass
        return await self.describe_job(job_id)

    @tool("monitor", "Read a job's log")
    async def read_log(self, job_id: JobId, offset: Offset = 0, lines: Lines = 100) -> Told[LogPart]:
        """What the job printed, in whole lines from `offset` on; fewer than `lines` if they are long."""
        part = await self._log_part(job_id, offset, lines)
        while not fits(part) and len(part.lines) > 1:
            part = await self._log_part(job_id, offset, len(part.lines) // 2)
        return told(part)

    @tool("monitor", "Read a job's metrics")
    async def read_metrics(self, job_id: JobId, points: Points = 50) -> Told[Curves]:
        """Each metric over time, as [epoch, step, value]; in fewer `points` if there are many metrics."""
        series = await self._services.charts.metrics(job_id, points)
        curves = Curves(metrics={each.name: tuple((p.epoch, p.step, p.value) for p in each.points) for each in series})
        while not fits(curves) and any(len(curve) > 2 for curve in curves.metrics.values()):
            curves = Curves(metrics={name: (*curve[:-1:2], curve[-1]) for name, curve in curves.metrics.items()})
        return told(curves)

    @tool("manage", "List models")
    async def list_models(
        self, name: Annotated[str | None, Field(max_length=200)] = None, after: AfterModel = None, limit: Limit = 20
    ) -> Told[Page[ModelSummary]]:
        """Registered models, newest first; of one name if it is given. describe_model tells all of one."""
        return told_page(await self._services.models.list(after, limit, name), model_summary, attrgetter("id"))

    @tool("manage", "Show a model")
    async def describe_model(self, model: ModelName) -> Told[ModelView]:
        """Its metrics, classes, files and exports, and where it came from."""
        return told(await self._services.models.get(model))

    @tool("manage", "Compare two models")
    async def compare_models(self, left: ModelName, right: ModelName) -> Told[ModelComparison]:
        """Each metric with its difference, the settings that differ, and the classes that only one of them knows."""
        return told(await self._services.models.compare(left, right))

    async def _log_part(self, job_id: str, offset: int, lines: int) -> LogPart:
        found = await self._services.history.lines(job_id, offset, 0, lines)
        return LogPart(lines=found.lines, next_offset=found.next_offset, complete=found.complete)

    async def _artifact(self, job_id: str, path: str) -> bytes:
        return await asyncio.to_thread((await self._services.history.artifact(job_id, path)).read_bytes)
