"""What can be known to be wrong before anything runs."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from eyebright.core.records import Model
from eyebright.core.resolve import nearest
from eyebright.errors import ConfigInvalid, DatasetInvalid, LicenceDenied
from eyebright_wire.datasets import DatasetReport, Split
from eyebright_wire.manifest import TaskInfo, TrainerManifest


def is_denied(licence: str, denied: Collection[str]) -> bool:
    """Whether an SPDX expression names a licence of those families. AGPL-3.0, AGPL-3.0-only and AGPL-3.0-or-later are one: who
    refuses any of them means them all. SPDX names have no case."""
    words = re.findall(r"[A-Za-z0-9.+-]+", licence)
    return not {_family(word) for word in words}.isdisjoint(map(_family, denied))


def _family(licence: str) -> str:
    return re.sub(r"(-only|-or-later|\+)$", "", licence.casefold())


def check_licence(manifest: TrainerManifest, denied: Collection[str]) -> None:
    """Raises LicenceDenied."""
    if is_denied(manifest.licence, denied):
        raise LicenceDenied(refused_by_licence(manifest.name, manifest.licence))


def refused_by_licence(trainer: str, licence: str) -> str:
    return (
        f"trainer {trainer} is under {licence}, which this server's policy refuses (EYEBRIGHT_LICENCE_DENY). "
        "Choose another trainer, or ask the operator."
    )


def task_of(manifest: TrainerManifest, name: str) -> TaskInfo:
    task = manifest.task(name)
    if task is None:
        known = [word for task in manifest.tasks for word in (task.name, *task.aliases)]
        raise ConfigInvalid(f"trainer {manifest.name} has no task {name!r}.{nearest(name, known)}")
    return task


def model_of(task: TaskInfo, name: str | None) -> str:
    """The model by name, or the task's default."""
    if name is None:
        if not task.default_model:
            raise ConfigInvalid("the trainer names no model of its own; say which one is to be trained, as `model`")
        return task.default_model
    if reason := task.refused_models.get(name):
        raise ConfigInvalid(f"{name} {reason}")
    if not task.offers(name):
        known = [model.name for model in task.models]
        close = get_close_matches(name.partition(".")[0], [*known, *task.more_models], n=1)
        raise ConfigInvalid(f"unknown model {name!r} for {task.name}.{nearest(name, close or known)}")
    return name


def check_export(trainer: str, task: TaskInfo, form: str) -> None:
    """Raises ConfigInvalid when the trainer cannot make this form of a model that is registered already."""
    if form not in task.exports:
        known = f"it makes {', '.join(task.exports)}" if task.exports else "it makes none"
        raise ConfigInvalid(f"trainer {trainer} cannot export {task.name} as {form!r}; {known}")
    if not task.exports_later:
        raise ConfigInvalid(
            f"trainer {trainer} exports only what it has just trained; train once more with exports=[{form}]"
        )


def check_parent(parent: Model, trainer: str, task: TaskInfo, model: str, config: Mapping[str, Any]) -> None:
    """Raises ConfigInvalid when training cannot begin from this model."""
    if not task.takes_parent:
        raise ConfigInvalid(
            f"trainer {trainer} cannot begin {task.name} from a model; leave the parent out, or choose another trainer"
        )
    ordered = {"trainer": trainer, "task": task.name, "model": model}
    for name, own in (("trainer", parent.trainer), ("task", parent.task), ("model", parent.architecture)):
        if ordered[name] != own:
            raise ConfigInvalid(
                f"{parent.title} was made with {name}={own}, and the order says {name}={ordered[name]}. Weights fit into what "
                f"they were made with only: leave {name} out, or begin from another model"
            )
    if config.get("pretrained") is True:
        raise ConfigInvalid(
            f"pretrained=true and the parent {parent.title} are two things to begin from; leave one of them out"
        )


def check_ready(report: DatasetReport, task: str, version_id: str) -> None:
    """Raises DatasetInvalid with every missing condition."""
    readiness = report.ready_for(task)
    if not readiness.ready:
        missing = "; ".join(readiness.missing)
        problems = [{"field": "dataset", "message": condition} for condition in readiness.missing]
        other = f". It is ready for {', '.join(report.ready_tasks)}" if report.ready_tasks else ""
        raise DatasetInvalid(f"data set {version_id} is not ready for {task}: {missing}{other}", errors=problems)


def check_captions(report: DatasetReport, needed: Collection[str]) -> None:
    """Raises ConfigInvalid when images to train on have no caption and settings that would do instead are empty."""
    total = sum(report.images.values())
    silent = total - report.captions
    if needed and silent > total - report.images.get(Split.TRAIN, 0):  # more than there are in other splits
        problems = [{"field": key, "message": _needed(key, silent, total)} for key in needed]
        raise ConfigInvalid("; ".join(problem["message"] for problem in problems), errors=problems)


def _needed(key: str, silent: int, total: int) -> str:
    return f"{key} is needed, as {silent:,} of {total:,} images have no caption; set {key}, or caption every image"
