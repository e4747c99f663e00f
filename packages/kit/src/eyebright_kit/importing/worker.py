"""The process that touches the data: waits for an order on stdin, shuts itself in, reads, and leaves the result as files.

Its modules are loaded before the walls go up; no byte of the data is touched before.
"""

import errno
import os
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from eyebright_kit.archive import ArchiveRejected
from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.derive import derive
from eyebright_kit.data.findings import BROKEN
from eyebright_kit.data.format import formats
from eyebright_kit.data.inspect import Rules
from eyebright_kit.data.manifest import Manifest
from eyebright_kit.data.relabel import PlanInvalid
from eyebright_kit.data.version import PreparedVersion, prepare
from eyebright_kit.disk import is_full
from eyebright_kit.importing.handover import MANIFEST, REPORT, write_blobs
from eyebright_kit.importing.messages import Enclosed, Moved, Prepared, Refused
from eyebright_kit.importing.order import WorkerLimits, WorkOrder
from eyebright_kit.importing.sandbox import Bounds, enter
from eyebright_wire.datasets import DatasetPlan, DatasetReport
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import PreparedDataset

#: Progress is said at most this often: a million pictures need no million lines.
_TELL_SECONDS = 0.1


def main() -> int:
    formats()
    line = sys.stdin.buffer.readline()
    if not line:
        return 0  # the importer found something wrong with its order before it came to us
    order = WorkOrder.model_validate_json(line)
    _close_stdin()
    say(Enclosed(layers=enter(bounds_of(order), order.importer)))
    say(outcome(order, Telling()))
    return 0


def bounds_of(order: WorkOrder) -> Bounds:
    limits = order.limits
    return Bounds(
        readable=(Path(order.source),),
        writable=(Path(order.work),),
        memory_bytes=limits.memory_bytes,
        cpu_seconds=limits.cpu_seconds,
        file_bytes=limits.file_bytes,
        open_files=limits.open_files,
    )


def outcome(order: WorkOrder, progress: "Telling | None" = None) -> Prepared | Refused:
    """Read the source and leave the result in the work folder, or say why not."""
    source, work = Path(order.source), Path(order.work)
    try:
        rules = Rules(leave_out_broken=order.leave_out_broken, missing=order.missing)
        if order.manifest:
            stored = Manifest(blob_path(source, order.manifest))
            prepared = derive(stored, source, order.plan or DatasetPlan(), work=work, rules=rules, progress=progress)
        else:
            prepared = prepare(source, work=work, rules=rules, plan=order.plan, progress=progress)
        (work / REPORT).write_text(prepared.report.model_dump_json())
        refused = unkeepable(prepared.report, order) if order.keep else None
        return refused or _leave(prepared, work)
    except ArchiveRejected as error:
        return Refused(code=ErrorCode.DATASET_INVALID, message=_short(str(error)))
    except PlanInvalid as error:
        return Refused(code=ErrorCode.CONFIG_INVALID, message=_short(str(error)))
    except MemoryError:
        return _too_large(order.limits)
    except OSError as error:
        return _explained(error, order)


def unkeepable(report: DatasetReport, order: WorkOrder) -> Refused | None:
    """A version is named by its content alone, so it could not tell a set that lacks a file from one that never had it."""
    broken = [finding for finding in report.findings if finding.code in BROKEN]
    if any(report.images.values()) and (order.leave_out_broken or not broken):
        return None
    reasons = dict.fromkeys(reason for readiness in report.readiness for reason in readiness.missing)
    message = "; ".join(reasons) or f"no image was found in {order.shown}"
    fields = {"code", "message", "count", "examples"}
    errors = tuple(finding.model_dump(mode="json", include=fields) for finding in broken)
    return Refused(code=ErrorCode.DATASET_INVALID, message=_short(message), errors=errors)


class Telling:
    """The progress of the reading, told now and then."""

    def __init__(self) -> None:
        self._told_at = 0.0
        self._doing = ""

    def __call__(self, doing: str, done: int, total: int) -> None:
        now = time.monotonic()
        if doing != self._doing or done == total or now - self._told_at >= _TELL_SECONDS:
            self._doing, self._told_at = doing, now
            say(Moved(doing=doing, done=done, total=total))


def say(message: BaseModel) -> None:
    sys.stdout.write(message.model_dump_json() + "\n")
    sys.stdout.flush()


def _leave(prepared: PreparedVersion, work: Path) -> Prepared:
    prepared.manifest_path.replace(work / MANIFEST)
    count = write_blobs(work, prepared.blobs)
    return Prepared(
        dataset=PreparedDataset(manifest_sha256=prepared.sha256, blobs=count),
        images=sum(prepared.report.images.values()),
        size_bytes=prepared.report.size_bytes,
    )


def _explained(error: OSError, order: WorkOrder) -> Refused:
    if is_full(error):
        message = f"no room was left in {order.work} for what {order.shown} holds; free some space and import it again"
        return Refused(code=ErrorCode.DISK_FULL, message=message)
    if error.errno == errno.ENOMEM:
        return _too_large(order.limits)
    if error.errno == errno.EFBIG:
        message = f"{order.shown} unpacks to a file of more than {order.limits.file_bytes / 2**30:g} GiB"
        return Refused(code=ErrorCode.DATASET_INVALID, message=message)
    message = f"{order.shown} cannot be read: {error}; make it readable for the user that runs the server"
    return Refused(code=ErrorCode.STORAGE_ERROR, message=_short(message))


def _too_large(limits: WorkerLimits) -> Refused:
    message = (
        f"reading the data took more than {limits.memory_bytes / 2**30:g} GiB of memory; import fewer images at a time, or "
        "raise EYEBRIGHT_IMPORTS__MEMORY_BYTES"
    )
    return Refused(code=ErrorCode.OUT_OF_MEMORY, message=message)


def _short(message: str) -> str:
    return message.encode(errors="backslashreplace").decode()[:4000]


def _close_stdin() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(main())
