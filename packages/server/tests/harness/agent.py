"""A site with a Training Agent: projects in a database, data sets in a bucket that is a folder, a trainer that runs nothing."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from eyebright.services import errands
from eyebright.services.training_agent import checks
from eyebright.settings import TrainingAgentSettings
from eyebright.stores.projects.sql import SqlCallers
from eyebright.testing import FakeCatalog, toy_manifest
from eyebright_kit.importing.order import ImportOrder
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Failed
from eyebright_wire.jobs import JobKind, JobSpec
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest
from eyebright_wire.runs import Handle
from harness.callers import TABLES, Callers
from harness.importing import InlineImports
from harness.site import Site, pets
from harness.site import site as make_site

START, STATUS, UPLOAD = "/agents/training/start", "/agents/training/status", "/agents/training/upload"
BUCKET = "gs://bucket/raw"
#: Rounds of the loops until something that must come has come.
_PATIENCE = 500
#: So long nothing outside is given up, and nobody goes on without it: whoever stands still for a moment is not away.
_UNHURRIED_SECONDS = 60


class Bucket(InlineImports):
    """Imports that find their address in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def carry_out(self, spec: JobSpec) -> None:
        order = ImportOrder.model_validate(spec.config)
        assert order.url is not None
        file = self.folder / order.url.rpartition("/")[2]
        if file.exists():
            super().carry_out(spec.model_copy(update={"config": {**spec.config, "url": None, "path": str(file)}}))
        else:
            self._missing(spec, order.url)

    def _missing(self, spec: JobSpec, url: str) -> None:
        handle, message = Handle(spec.job_id, spec.attempt), f"there is nothing at {url}"
        errors = ({"code": "not_found", "field": "url", "message": message},)
        said = Failed(code=ErrorCode.DATASET_INVALID, message=message, retryable=False, errors=errors)
        self.say(handle, "started", pid=1, host="here")
        self.say(handle, "progress", epoch=1, epochs=1, step=0, steps=100, unit="bytes")  # as an importer counts
        self.say(handle, "failed", **said.model_dump(mode="json"))
        self.exit(handle, 65)


class Agent:
    """A site, its callers' database, and what the tests do to both."""

    def __init__(self, site: Site, callers: Callers, folder: Path) -> None:
        self.site = site
        self.callers = callers
        self.folder = folder
        self._begun: set[Handle] = set()
        self._numbers = count(1)

    @property
    def shelf(self) -> Path:
        return self.folder / "models"

    async def add_project(
        self, name: str = "Flowers", gcs_url: str | None = f"{BUCKET}/pets.zip", **columns: Any
    ) -> str:
        """Its id; of one with a data set, unless `gcs_url` is None."""
        said = {"preferred_model": "ResNet18", "epochs": 2, "learning_rate": 0.01, "num_classes": 2}
        row = {"id": str(uuid.UUID(int=next(self._numbers))), "name": name, "metadata": said, **columns}
        project_id = await self.callers.add_project(**row)
        if gcs_url is not None:
            await self.callers.add_dataset(project_id, name="pets", gcs_url=gcs_url)
        return project_id

    def away(self) -> AbstractAsyncContextManager[None]:
        return away(self.callers)

    async def start(self, project_id: str, *, wait: bool = False) -> httpx.Response:
        headers = {} if wait else {"Prefer": "respond-async"}
        return await self.site.post(START, json={"project_id": project_id}, headers=headers)

    async def turn(self, rounds: int = 4) -> None:
        """Everything that goes on by itself, as far as nobody trains."""
        for _ in range(rounds):
            await self.site.import_all()
            await self.site.context.services.relay.tick()
            await asyncio.sleep(0)
            self.site.clock.advance(6)

    async def training(self) -> Handle:
        """The only one that waits, launched and begun."""
        job_id = await self._launched()
        handle = Handle(job_id, 1)
        self._begun.add(handle)
        await self.site.say(handle, self.site.event(1, "started", pid=1, host="here"))
        return handle

    async def _launched(self) -> str:
        for _ in range(_PATIENCE):
            await self.turn(1)
            await self.site.context.services.dispatch.tick()
            for spec in self.site.executor.launches:
                if Handle(spec.job_id, 1) not in self._begun:
                    return spec.job_id
            await asyncio.sleep(0.01)
        raise AssertionError("nothing was launched")

    async def train(self, content: bytes = b"weights") -> Handle:
        """A whole training of two epochs, to its end, and all that is told of it."""
        handle = await self.training()
        await self.finish(handle, content)
        await self.turn()
        return handle

    async def finish(self, handle: Handle, content: bytes = b"weights") -> None:
        for epoch, loss in ((1, 0.75), (2, 0.456)):
            told = {"epoch": epoch, "epochs": 2, "step": epoch, "steps": 2, "epoch_finished": True}
            await self.site.say(handle, self.site.event(epoch + 1, "progress", **told, metrics={"loss": loss}))
        artifacts = [self.site.leave(handle, "model.pth", content)]
        await self.site.succeed(handle, 4, artifacts=artifacts, metrics={"top1": 0.9, "val_loss": 0.5})

    async def jobs(self) -> int:
        """Imports and trainings so far."""
        listed = (await self.site.get("/api/v1/jobs?limit=100")).json()["items"]
        return len([job for job in listed if job["kind"] in (JobKind.IMPORT, JobKind.TRAINING)])

    async def status(self, project_id: str) -> str:
        return next(row["status"] for row in await self.callers.rows("projects") if row["id"] == project_id)

    async def set_status(self, project_id: str, status: str) -> None:
        await self.callers.execute("UPDATE projects SET status = $2 WHERE id = $1::uuid", project_id, status)

    async def models(self) -> list[dict[str, Any]]:
        """Oldest first."""
        return sorted(await self.callers.rows("models"), key=lambda row: row["created_at"])

    async def lines(self, project_id: str) -> list[str]:
        """Of its log, in order."""
        lines = [row for row in await self.callers.rows("agent_logs") if row["project_id"] == project_id]
        return [row["message"] for row in sorted(lines, key=lambda row: row["created_at"])]


@asynccontextmanager
async def away(callers: Callers) -> AsyncIterator[None]:
    """Nobody reaches the database meanwhile."""
    await _allow_connections(callers, False)
    yield
    await _allow_connections(callers, True)


async def _allow_connections(callers: Callers, allow: bool) -> None:
    administrator = Callers(callers.url.rpartition("/")[0] + "/postgres")
    await administrator.execute(f"ALTER DATABASE {callers.name} ALLOW_CONNECTIONS {allow}")
    if not allow:
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", callers.name
        )


@asynccontextmanager
async def agent(folder: Path, url: str, **settings: Any) -> AsyncIterator[Agent]:
    """`url`: of an empty database."""
    callers, bucket = Callers(url), folder / "bucket"
    await callers.script(TABLES)
    bucket.mkdir(parents=True)
    (bucket / "pets.zip").write_bytes(pets())
    chosen = TrainingAgentSettings(**{"models": str(folder / "models"), "pretrained": False, **settings})
    database = SqlCallers(url, _UNHURRIED_SECONDS, _UNHURRIED_SECONDS)
    with (
        patch.object(errands, "PATIENCE_SECONDS", _UNHURRIED_SECONDS),
        patch.object(errands, "_HASTE_SECONDS", _UNHURRIED_SECONDS),
        patch.object(checks, "PATIENCE_SECONDS", _UNHURRIED_SECONDS),
    ):
        async with make_site(
            folder / "data",
            callers=database,
            catalog=FakeCatalog(torchvision()),
            importer=Bucket(bucket),
            training_agent=chosen,
        ) as site:
            yield Agent(site, callers, folder)
    await database.close()


def torchvision() -> TrainerManifest:
    """As far as projects have to do with it."""
    names = ("resnet18", "resnet34", "resnet50", "mobilenet_v2", "efficientnet_b0")
    recipe = {"epochs": 30, "batch": 32, "lr0": 0.001, "optimizer": "AdamW", "pretrained": False, "imgsz": 224}
    task = TaskInfo(
        name="classification",
        models=tuple(ModelInfo(name=name) for name in names),
        default_model="resnet18",
        config_schema=_SCHEMA,
        recipe=recipe,
    )
    return toy_manifest(name="torchvision", tasks=(task,))


_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "epochs": {"type": "integer", "minimum": 1},
        "batch": {"type": "integer", "minimum": 1, "maximum": 4096},
        "lr0": {"type": "number", "exclusiveMinimum": 0},
        "optimizer": {"enum": ["Adam", "AdamW"]},
        "pretrained": {"type": "boolean"},
        "imgsz": {"type": "integer", "minimum": 8},
    },
}
