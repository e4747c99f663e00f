"""From what a person names (a folder, a zip, a data set) to a job that is under way."""

import re
import uuid
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import Parameter, signature
from itertools import chain
from pathlib import Path
from typing import Any

from eyebright.cli.findings import tell_findings
from eyebright.cli.importing import imported
from eyebright.cli.listing import images_of, is_list
from eyebright.cli.options import (
    Architecture,
    Executor,
    JobName,
    Labels,
    MaxDuration,
    Parent,
    Priority,
    Settings,
    SettingsFile,
    Task,
    Trainer,
)
from eyebright.cli.scalars import settings_of
from eyebright.cli.sending import sending
from eyebright.cli.terminal import say
from eyebright.client import Client
from eyebright.errors import DatasetInvalid, InvalidRequest, NotFound
from eyebright_kit.data.tree import printable
from eyebright_wire.datasets import DatasetPlan, DatasetReport, Readiness, Severity
from eyebright_wire.jobs import JobRequest, PreflightRequest
from eyebright_wire.names import dataset_name
from eyebright_wire.resources import DatasetImport, DatasetVersionView, JobView

_ADDRESS = re.compile(r"[a-z][a-z0-9]+://", re.IGNORECASE)
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def dataset_for(client: Client, source: str, task: str, *, leave_out_broken: bool = False) -> str:
    """What to order with: a path is imported and must be ready for the task, anything else is a name that the server knows.

    Raises NotFound, or DatasetInvalid with the exact missing conditions.
    """
    path = Path(source).expanduser()
    if path.exists() or _ADDRESS.match(source):
        version = bring(client, source, leave_out_broken=leave_out_broken)
        require_ready(version.report, task, source)
        return version.id
    if _looks_like_path(source):
        raise NotFound(f"no file or folder {path}")
    return source


def bring(
    client: Client,
    source: str | Path,
    name: str | None = None,
    *,
    leave_out_broken: bool = False,
    plan: DatasetPlan | None = None,
    listed: bool = False,
) -> DatasetVersionView:
    """Import: read in place by a server of this machine for its operator, else sent as a zip; or fetched by the server from an
    address, or from each that a file lists. Tells what was left out. Raises NotFound for a path where nothing is."""
    how = {"name": name, "leave_out_broken": leave_out_broken, "plan": plan}
    where = _listed(Path(source), name) if listed or is_list(Path(source).expanduser()) else None
    order = DatasetImport.model_validate({**how, **(where or _place(client, source, leave_out_broken))})
    version = imported(client, order, source)
    say(f"{version.dataset} version {version.number}: {images_line(version.report)}")
    if (first := client.dataset_version(version.id)).dataset != version.dataset:
        say(f"The same content as {first.dataset} version {first.number}: stored once, and jobs show it by that name.")
    tell_findings(finding for finding in version.report.findings if finding.severity is Severity.WARNING)
    return version


def _listed(file: Path, name: str | None) -> dict[str, Any]:
    file = file.expanduser()
    return {"images": images_of(file), "name": name or dataset_name(file.stem)}


def _place(client: Client, source: str | Path, leave_out_broken: bool) -> dict[str, str]:
    """Where the server finds the data by now."""
    if _ADDRESS.match(str(source)):
        return {"url": str(source)}
    path = Path(source).expanduser()
    if not path.exists():
        raise NotFound(f"no file or folder {path}")
    if client.may_name_paths:
        return {"path": str(path.absolute())}
    unsent: list[tuple[Path, str]] = []
    left_out = (lambda link, to: unsent.append((link, to))) if leave_out_broken else None
    with sending(f"Sending {path.name}", resumable=True) as told:
        upload = client.upload(path, told=told, left_out=left_out)
    if unsent:
        say(_unsent_line(unsent), "yellow")
    return {"upload": upload}


def _unsent_line(links: list[tuple[Path, str]]) -> str:
    (first, to), many = links[0], len(links) > 1
    rest = f" (and {len(links) - 1:,} more)" if many else ""
    return f"not sent: {printable(str(first))} is a link to {to}, out of the folder or to nothing{rest}"


def require_ready(report: DatasetReport, task: str, source: str) -> None:
    readiness = report.ready_for(task)
    if not readiness.ready:
        raise DatasetInvalid(not_ready_message(report, readiness, source))


def not_ready_message(report: DatasetReport, readiness: Readiness, source: str) -> str:
    errors = [finding.message for finding in report.findings if finding.severity is Severity.ERROR]
    reasons = dict.fromkeys((*readiness.missing, *errors))
    lines = [f"{source} is not ready for {readiness.task}:", *(f"  - {reason}" for reason in reasons)]
    if report.ready_tasks:
        lines.append(f"It is ready for {', '.join(report.ready_tasks)}; choose with --task {report.ready_tasks[0]}")
    return "\n".join(lines)


def images_line(report: DatasetReport) -> str:
    splits = ", ".join(f"{count} {split}" for split, count in report.images.items())
    return f"{_labels(report)}, images: {splits or 'none'}"


def _labels(report: DatasetReport) -> str:
    if report.classes or not report.captions:
        return f"{len(report.classes) or 'no'} classes"
    return f"{report.captions:,} caption{'' if report.captions == 1 else 's'}"


def wanted(
    *,
    task: Task = None,
    model: Architecture = None,
    trainer: Trainer = None,
    parent: Parent = None,
    settings: Settings = None,
    config: SettingsFile = None,
    name: JobName = None,
    labels: Labels = None,
    priority: Priority = 0,
    max_duration: MaxDuration = None,
    executor: Executor = None,
) -> PreflightRequest:
    """An order that names no data yet, from the options that say it. Raises InvalidRequest."""
    order = PreflightRequest(
        name=name,
        trainer=trainer,
        model=model,
        parent=parent,
        config=settings_of(settings, config),
        labels=labels_of(labels),
        priority=priority,
        max_duration_seconds=seconds_of(max_duration),
        executor=executor,
    )
    return order if task is None else order.model_copy(update={"task": task})  # said, not only meant


def takes_order(verb: Callable[..., int]) -> Callable[..., int]:
    """A command with the options of `wanted`, whose verb is given the order that these say as `order`."""
    options = signature(wanted).parameters

    @wraps(verb)
    def command(**given: Any) -> int:
        order = wanted(**{name: given.pop(name) for name in options})
        return verb(order=order, **given)

    own = [[*options.values()] if each.name == "order" else [each] for each in signature(verb).parameters.values()]
    parameters = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in chain.from_iterable(own)]
    command.__signature__ = signature(verb).replace(parameters=parameters)  # pyright: ignore[reportAttributeAccessIssue]
    return command


def submit(client: Client, wanted: PreflightRequest, dataset: str) -> JobView:
    """One order, even if the answer is lost on the way and it has to be sent again."""
    order = JobRequest(**{**wanted.model_dump(exclude_unset=True), "dataset": dataset})
    return client.submit(order, key=str(uuid.uuid4()))


def labels_of(said: Iterable[str] | None) -> dict[str, str]:
    """`["style_id=1"]` → `{"style_id": "1"}`."""
    found: dict[str, str] = {}
    for label in said or ():
        key, equals, value = label.partition("=")
        if not equals or not key:
            raise InvalidRequest(f"{label!r} is no label; expected KEY=VALUE, such as --label team=a")
        if found.setdefault(key, value) != value:
            raise InvalidRequest(f"the label {key} is given twice, as {found[key]!r} and as {value!r}; expected one")
    return found


def seconds_of(text: str | None) -> int | None:
    """`90`, `90s`, `30m`, `2h`, `1d`."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+)([smhd]?)", text.strip())
    if match is None or int(match[1]) == 0:
        raise InvalidRequest(f"{text!r} is not a duration. Write 90s, 30m, 2h or 1d.")
    return int(match[1]) * UNITS[match[2]]


def _looks_like_path(source: str) -> bool:
    return "/" in source or "\\" in source or source.startswith((".", "~")) or source.endswith(".zip")
