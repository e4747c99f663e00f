"""Look at a folder or zip right here, without a server and without keeping anything."""

import tempfile
from pathlib import Path

from eyebright.cli.terminal import busy
from eyebright.errors import DatasetInvalid, InvalidRequest, NotFound
from eyebright_kit.archive import ArchiveRejected, extract
from eyebright_kit.data.inspect import Rules, inspect
from eyebright_kit.data.relabel import PlanInvalid
from eyebright_wire.datasets import DatasetPlan, DatasetReport


def inspected(path: Path, plan: DatasetPlan | None = None, *, leave_out_broken: bool = False) -> DatasetReport:
    """What it holds and what it is ready for. Raises NotFound, or DatasetInvalid for what is no sound zip."""
    if not path.exists():
        raise NotFound(f"no file or folder {path}")
    with busy(f"Reading {path}…") as reading, tempfile.TemporaryDirectory(prefix="eyebright-") as work:

        def told(what: str, done: int, total: int) -> None:
            reading(f"{path}: {what} {done}/{total}")

        folder = path if path.is_dir() else _unpacked(path, Path(work, "unpacked"))
        try:
            return inspect(folder, rules=Rules(leave_out_broken=leave_out_broken), plan=plan, progress=told)
        except PlanInvalid as error:
            raise InvalidRequest(str(error)) from None


def _unpacked(archive: Path, into: Path) -> Path:
    try:
        extract(archive, into)
    except ArchiveRejected as error:
        raise DatasetInvalid(f"{archive}: {error}") from error
    return into
