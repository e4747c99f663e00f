"""The run directory of one attempt: the folder that holds its spec, and all that its process leaves for the executor.

spec.json       the sealed JobSpec
process.json    {"pid", "created"}: which process runs it
spool.jsonl     everything it said, numbered
heartbeat.json  its last sign of life
exit.json       {"code"}: its very last act
output/         artifacts and checkpoints of an attempt whose output is in a bucket, until they lie there
scratch/        the laid-out data set and the trainer's own files; removed at the end
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from eyebright_kit.disk import replace, replace_durably
from eyebright_kit.errors import ConfigInvalid
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Failed
from eyebright_wire.jobs import JobSpec
from eyebright_wire.run_directory import EXIT, HEARTBEAT, PROCESS, SCRATCH, SPOOL


@dataclass(frozen=True)
class RunFolder:
    """The paths of one attempt's run directory."""

    path: Path

    @property
    def spool(self) -> Path:
        return self.path / SPOOL

    @property
    def heartbeat(self) -> Path:
        return self.path / HEARTBEAT

    @property
    def scratch(self) -> Path:
        return self.path / SCRATCH

    @property
    def output(self) -> Path:
        """What is on its way to a bucket. Of a killed process too, so not in the scratch space."""
        return self.path / "output"

    @property
    def brought(self) -> Path:
        """What came from a bucket."""
        return self.scratch / "brought"

    @property
    def data(self) -> Path:
        return self.scratch / "data"

    @property
    def data_ready(self) -> Path:
        """Written by rank 0 once the data set is laid out; the other ranks wait for it."""
        return self.scratch / "data.json"

    @property
    def parent(self) -> Path:
        """The registered model that training begins from."""
        return self.scratch / "parent"

    @property
    def staging(self) -> Path:
        return self.scratch / "output"

    @property
    def work(self) -> Path:
        return self.scratch / "work"

    def wipe(self) -> None:
        """Removes what a killed process of this attempt left: its scratch space and its notes about dead ranks."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        for note in self._failed_ranks():
            note.unlink(missing_ok=True)

    def prepare(self) -> None:
        for folder in (self.data, self.staging, self.work):
            folder.mkdir(parents=True, exist_ok=True)

    def clean(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)

    def write_process(self) -> None:
        """Says which process this is; where the system does not tell its start time the executor's own note has to do."""
        if (created := _process_created()) is not None:
            replace(self.path / PROCESS, json.dumps({"pid": os.getpid(), "created": created}).encode())

    def write_exit(self, code: int) -> None:
        replace_durably(self.path / EXIT, json.dumps({"code": code}).encode())

    def write_left(self, rank: int) -> None:
        """A rank above 0 needs the scratch space no more."""
        replace(self.scratch / f"left-{rank}", b"")

    def ranks_left(self) -> int:
        return len(list(self.scratch.glob("left-*")))

    def write_failed_rank(self, rank: int, failed: Failed) -> None:
        said = failed.model_copy(update={"message": f"rank {rank}: {failed.message}"})
        replace(self.path / f"failed-rank-{rank}.json", said.model_dump_json().encode())

    def failed_rank(self) -> Failed | None:
        """What another rank of this attempt died of, if one did. Of several it is one that knows its reason: the others may
        only have stumbled over its absence."""
        notes = [Failed.model_validate_json(note.read_bytes()) for note in self._failed_ranks()]
        return min(notes, key=lambda failed: failed.code is ErrorCode.TRAINER_ERROR, default=None)

    def knows_reason(self) -> bool:
        """Has a rank died that could say more than that something went wrong?"""
        failed = self.failed_rank()
        return failed is not None and failed.code is not ErrorCode.TRAINER_ERROR

    def _failed_ranks(self) -> list[Path]:
        """Their notes, the oldest first."""
        return sorted(self.path.glob("failed-rank-*.json"), key=lambda note: note.stat().st_mtime_ns)


def read_spec(path: Path) -> JobSpec:
    """Opens the sealed order. Raises ConfigInvalid when it cannot be read or understood."""
    try:
        return JobSpec.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ConfigInvalid(f"there is no file {path}; expected the spec.json of a job") from None
    except ValidationError as error:
        raise ConfigInvalid(f"{path} is no job spec: {'; '.join(_complaints(error))}") from None
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error}") from error


def _complaints(error: ValidationError) -> Iterator[str]:
    """Without what was found, which may be the token."""
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        yield ".".join(map(str, problem["loc"])) + ": " * bool(problem["loc"]) + problem["msg"]


def _process_created() -> float | None:
    """When this process began, in seconds since 1970: the very number that psutil's `create_time()` answers on Linux."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except (OSError, StopIteration):
        return None
    return float(fields[19]) / os.sysconf("SC_CLK_TCK") + float(boot.split()[1])
