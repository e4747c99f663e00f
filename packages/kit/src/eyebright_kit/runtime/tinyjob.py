"""A tiny honest job in a folder of its own: pictures that can be learned, stored as blobs, and a spec that orders a run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eyebright_kit.runtime.tinyset import TinySet, tiny_set
from eyebright_wire.artifacts import Grant
from eyebright_wire.jobs import DatasetGrant, ExportOrder, JobSpec, ModelGrant, Resources, ResumePoint
from eyebright_wire.manifest import TaskInfo, TrainerManifest
from eyebright_wire.rehearsals import RehearsalOrder


@dataclass(frozen=True)
class TinyJob:
    """Where a tiny job lives. Attempts of it lie side by side, as an executor would lay them out."""

    root: Path
    manifest: TrainerManifest
    config: dict[str, Any] = field(default_factory=dict[str, Any])  # laid over recipe and conformance settings
    events_url: str | None = None
    heartbeat_seconds: float = 15.0
    task_name: str = ""  # default: the manifest's first
    parent: ModelGrant | None = None
    export: ExportOrder | None = None
    altered: Callable[[TinySet], TinySet] = lambda data: data
    rehearsal: RehearsalOrder | None = None

    @property
    def task(self) -> TaskInfo:
        """Raises KeyError for one that the manifest does not have."""
        tasks = {task.name: task for task in self.manifest.tasks}
        return tasks[self.task_name or self.manifest.tasks[0].name]

    @property
    def data(self) -> TinySet:
        return self.altered(tiny_set(self.task.name))

    @property
    def blobs(self) -> Path:
        return self.root / "objects" / "blobs" / "sha256"

    def run_folder(self, attempt: int = 1) -> Path:
        return self.root / "runs" / f"a{attempt}"

    def output(self, attempt: int = 1) -> Path:
        return self.root / "objects" / "jobs" / "tiny" / f"a{attempt}"

    def write_spec(self, attempt: int = 1, resume: tuple[ResumePoint, ...] = (), **config: Any) -> Path:
        """Seals the order of one attempt and answers where it lies."""
        folder = self.run_folder(attempt)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "spec.json"
        path.write_text(self.spec(attempt, resume, **config).model_dump_json(indent=2))
        path.chmod(0o600)
        return path

    def spec(self, attempt: int = 1, resume: tuple[ResumePoint, ...] = (), **config: Any) -> JobSpec:
        task = self.task
        return JobSpec(
            job_id="tiny",
            attempt=attempt,
            trainer=self.manifest.name,
            task=task.name,
            model=task.tried_model or task.default_model,
            config={**task.recipe, **self.manifest.conformance, **self.config, **config},
            dataset=DatasetGrant(
                version_id="tiny@1",
                name="tiny",
                manifest_sha256=self.data.store(self.blobs),
                blobs=Grant(uri=self.blobs.as_uri() + "/"),
            ),
            parent=self.parent,
            export=self.export,
            output=Grant(uri=self.output(attempt).as_uri() + "/"),
            resume=resume,
            resources=Resources(threads=1),
            events_url=self.events_url,
            token="tiny",  # noqa: S106 - opens nothing
            heartbeat_seconds=self.heartbeat_seconds,
            rehearsal=self.rehearsal,
        )
