"""A start without a sealed order, as training platforms send it: what it comes to as an order of ours."""

import hashlib
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from eyebright_kit.egress import shown
from eyebright_kit.remote.failure import FetchFailed
from eyebright_kit.remote.fetch import Sources, require_fetchable
from eyebright_kit.service.problems import Refused
from eyebright_wire.artifacts import Grant
from eyebright_wire.jobs import JobSpec, Resources
from eyebright_wire.manifest import TaskInfo, TrainerManifest
from eyebright_wire.services import TrainingStart

#: Ids that a folder or an object may be called by as they are: UUIDs, for example.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
#: What a config says besides the trainer's own settings.
_ABOUT = ("model", "task", "framework")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where data may come from and where results go: `results` is `s3://bucket/prefix/`, `endpoint` the store's address if it is
    not Amazon's."""

    results: str | None = None
    endpoint: str | None = None

    @property
    def sources(self) -> Sources:
        return Sources(schemes=("https", "s3"), endpoints={"s3": self.endpoint} if self.endpoint else {})

    @property
    def fetching(self) -> dict[str, Any]:
        sources = self.sources
        return {"sources": {"schemes": sources.schemes, "endpoints": dict(sources.endpoints)}}

    def results_of(self, job_id: str) -> str:
        """Where the files of a training are put. Raises Refused when there is no such place."""
        if self.results is None:
            raise Refused(
                503,
                "storage_error",
                "this service has nowhere to put results; whoever runs it can name a bucket: serve --results s3://bucket/",
            )
        return f"{self.results.rstrip('/')}/jobs/{plain_id(job_id)}/"


def plain_id(job_id: str) -> str:
    """The id itself if nothing in it could mean something to a file system or a store; else a name that is made of its hash."""
    if _PLAIN.fullmatch(job_id):
        return job_id
    return f"job-{hashlib.sha256(job_id.encode()).hexdigest()[:40]}"


def spec_of(asked: TrainingStart, manifest: TrainerManifest, output: str) -> JobSpec:
    """Raises Refused for a model, a task or a setting that the trainer does not know."""
    task, model = _task_and_model(asked.config, manifest)
    return JobSpec(
        job_id=plain_id(asked.job_id),
        attempt=1,
        trainer=manifest.name,
        task=task.name,
        model=model,
        config={**task.recipe, **_settings(asked.config, task)},
        output=Grant(uri=output),
        resources=Resources(),
        fetching={},
    )


def require_data(url: str, elsewhere: Elsewhere) -> None:
    """Raises Refused for an address that nothing may be fetched from."""
    try:
        require_fetchable(url, sources=elsewhere.sources)
    except FetchFailed as error:
        raise Refused(422, "invalid_request", f"dataset_s3_uri {shown(url)}: {error.message}") from None


def _task_and_model(config: dict[str, Any], manifest: TrainerManifest) -> tuple[TaskInfo, str]:
    wanted, model = config.get("task"), config.get("model")
    for name, value in (("task", wanted), ("model", model)):
        if value is not None and not isinstance(value, str):
            raise _unfit(f"config.{name} is {value!r}; expected a name")
    tasks = [task for task in manifest.tasks if wanted is None or wanted in (task.name, *task.aliases)]
    if not tasks:
        raise _unfit(f"task {wanted!r} is not known; there are {', '.join(task.name for task in manifest.tasks)}")
    if model is None:
        return tasks[0], tasks[0].default_model
    for task in tasks:
        if task.offers(model):
            return task, model
    models = [model.name for task in tasks for model in task.models]
    raise _unfit(f"model {model!r} is not known; {_near(model, models)}")


def _settings(config: dict[str, Any], task: TaskInfo) -> dict[str, Any]:
    settings = {name: value for name, value in config.items() if name not in _ABOUT}
    known = list(task.config_schema.get("properties", {}))
    for name in settings:
        if name not in known:
            raise _unfit(f"config.{name} is no setting of this trainer; {_near(name, known)}")
    return settings


def _near(found: str, known: list[str]) -> str:
    near = get_close_matches(found, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


def _unfit(detail: str) -> Refused:
    return Refused(422, "config_invalid", detail)
