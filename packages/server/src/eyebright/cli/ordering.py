"""From what a person names (a folder, a zip, a data set) to a job that is under way."""

import re
import uuid
from pathlib import Path

from eyebright.cli.findings import tell_findings
from eyebright.cli.importing import imported
from eyebright.cli.sending import sending
from eyebright.cli.terminal import say
from eyebright.client import Client
from eyebright.errors import DatasetInvalid, InvalidRequest, NotFound
from eyebright_wire.datasets import DatasetReport, Readiness, Severity
from eyebright_wire.jobs import JobRequest, PreflightRequest
from eyebright_wire.resources import DatasetImport, DatasetVersionView, JobView

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def dataset_for(client: Client, source: str, task: str, *, leave_out_broken: bool = False) -> str:
    """What to order with: a path is imported and must be ready for the task, anything else is a name that the server knows.

    Raises NotFound, or DatasetInvalid with the exact missing conditions.
    """
    path = Path(source).expanduser()
    if path.exists():
        version = bring(client, path, leave_out_broken=leave_out_broken)
        require_ready(version.report, task, source)
        return version.id
    if _looks_like_path(source):
        raise NotFound(f"no file or folder {path}")
    return source


def bring(client: Client, path: Path, name: str | None = None, *, leave_out_broken: bool = False) -> DatasetVersionView:
    """Import: read in place by a server of this machine, sent as a zip to any other. Tells what was left out."""
    version = imported(client, _brought(client, path, name, leave_out_broken), path)
    say(f"{version.dataset} version {version.number}: {images_line(version.report)}")
    if (first := client.dataset_version(version.id)).dataset != version.dataset:
        say(f"The same content as {first.dataset} version {first.number}: stored once, and jobs show it by that name.")
    tell_findings(finding for finding in version.report.findings if finding.severity is Severity.WARNING)
    return version


def _brought(client: Client, path: Path, name: str | None, leave_out_broken: bool) -> DatasetImport:
    """The order for data that the server can get at by now."""
    if client.local:
        return DatasetImport(path=str(path.absolute()), name=name, leave_out_broken=leave_out_broken)
    with sending(f"Sending {path.name}", resumable=True) as told:
        upload = client.upload(path, told=told)
    return DatasetImport(upload=upload, name=name, leave_out_broken=leave_out_broken)


def require_ready(report: DatasetReport, task: str, source: str) -> None:
    readiness = report.ready_for(task)
    if not readiness.ready:
        raise DatasetInvalid(not_ready_message(report, readiness, source))


def not_ready_message(report: DatasetReport, readiness: Readiness, source: str) -> str:
    errors = [finding.message for finding in report.findings if finding.severity is Severity.ERROR]
    reasons = dict.fromkeys((*readiness.missing, *errors))
    return f"{source} is not ready for {readiness.task}:\n" + "\n".join(f"  - {reason}" for reason in reasons)


def images_line(report: DatasetReport) -> str:
    splits = ", ".join(f"{count} {split}" for split, count in report.images.items())
    return f"{len(report.classes)} classes, images: {splits or 'none'}"


def submit(client: Client, wanted: PreflightRequest, dataset: str) -> JobView:
    """One order, even if the answer is lost on the way and it has to be sent again."""
    order = JobRequest(**{**wanted.model_dump(exclude_unset=True), "dataset": dataset})
    return client.submit(order, key=str(uuid.uuid4()))


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
