"""Write a folder or zip in another format, right here, without a server."""

import tempfile
from pathlib import Path

from eyebright.cli.terminal import busy
from eyebright.core.resolve import nearest
from eyebright.errors import Conflict, DatasetInvalid, InvalidRequest, NotFound
from eyebright_kit.archive import ArchiveRejected
from eyebright_kit.data.convert import Conversion, NoLabelLeft, convert
from eyebright_kit.data.format import Format, formats
from eyebright_kit.data.inspect import Rules
from eyebright_kit.data.relabel import PlanInvalid
from eyebright_kit.data.version import PreparedVersion, prepare
from eyebright_wire.datasets import DatasetPlan


def converted(
    source: Path, into: Path, name: str, plan: DatasetPlan, *, leave_out_broken: bool, lossy: bool = False
) -> tuple[PreparedVersion, Conversion]:
    """What was read and what was written. Raises NotFound, InvalidRequest, Conflict, DatasetInvalid; nothing is written then."""
    form = format_called(name)
    if not source.exists():
        raise NotFound(f"no file or folder {source}")
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise Conflict(f"{into} is there already and not an empty folder; name a new one")
    if into.resolve().is_relative_to(source.resolve()):
        raise Conflict(f"{into} lies in {source}, and would become a part of it; name a folder elsewhere")
    with busy(f"Reading {source}…") as telling, tempfile.TemporaryDirectory(prefix="eyebright-") as work:

        def told(what: str, done: int, total: int) -> None:
            telling(f"{source}: {what} {done}/{total}")

        rules = Rules(leave_out_broken=leave_out_broken)
        try:
            version = prepare(source, work=Path(work), rules=rules, plan=plan, progress=told)
        except ArchiveRejected as error:
            raise DatasetInvalid(f"{source}: {error}") from error
        except PlanInvalid as error:
            raise InvalidRequest(str(error)) from None
        _require_readable(version)
        telling(f"Writing {into}…")
        try:
            return version, convert(version.manifest, dict(version.blobs).__getitem__, form, into, lossy=lossy)
        except NoLabelLeft as error:
            raise InvalidRequest(f"{error}. To write the images alone, add --lossy") from None


def format_called(name: str) -> Format:
    """Raises InvalidRequest with the nearest name."""
    found = next((form for form in formats() if form.name == name), None)
    if found is None:
        raise InvalidRequest(f"unknown format {name!r}.{nearest(name, [form.name for form in formats()])}")
    return found


def _require_readable(version: PreparedVersion) -> None:
    """A set that is not ready for training can be converted all the same, but not one that is not whole."""
    blocking = [finding.message for finding in version.report.findings if finding.severity == "error"]
    if blocking or not version.report.images:
        reasons = dict.fromkeys(reason for readiness in version.report.readiness for reason in readiness.missing)
        raise DatasetInvalid("; ".join(blocking) or "; ".join(reasons))
