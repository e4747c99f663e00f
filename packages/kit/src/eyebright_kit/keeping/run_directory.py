"""The folder of one attempt: everything the trainer process and its keeper tell each other lies in it.

launch.json     {"at_ms"}: somebody is starting, or has started, this attempt; made once, never replaced
spec.json       the sealed JobSpec, 0600
process.json    {"pid", "created"}: the leading process, noted by its keeper and by the process itself
log.txt         what the process printed
spool.jsonl     its numbered events
heartbeat.json  its last sign of life
exit.json       {"code"}: its very last act
stop.json       {"at_ms"}: it was asked to stop
gone.json       {"code", "out_of_memory"}: nothing of it runs any more, and never will again
scratch/        its working files
"""

import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eyebright_kit.disk import replace_durably
from eyebright_wire.events import Event, Heartbeat
from eyebright_wire.run_directory import EXIT, HEARTBEAT, PROCESS, SCRATCH, SPEC, SPOOL
from eyebright_wire.runs import Handle

_log = logging.getLogger("eyebright.keeping")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
#: A folder that is being removed.
_LEAVING = "leaving-"
_ATTEMPT = re.compile(r"a[0-9]+")
#: A longer line counts as damaged; no reporter could post it either.
_LINE_BYTES = 16 * 2**20


def open_runs(runs_dir: Path) -> list[Handle]:
    """Those with a claim whose end nobody has noted, whatever else lies there."""
    runs = (
        path.parent for path in sorted(runs_dir.glob("*/a*/launch.json")) if not (path.parent / "gone.json").exists()
    )
    return [Handle(run.parent.name, int(run.name[1:])) for run in runs if _ATTEMPT.fullmatch(run.name)]


def ended_runs(runs_dir: Path, before_ms: int) -> dict[Handle, int]:
    """Those whose end was noted before then, and the bytes in their folders."""
    found: dict[Handle, int] = {}
    for end in sorted(runs_dir.glob("*/a*/gone.json")):
        run = end.parent
        with suppress(FileNotFoundError):  # somebody else removes it
            if _ATTEMPT.fullmatch(run.name) and end.stat().st_mtime_ns // 1_000_000 < before_ms:
                found[Handle(run.parent.name, int(run.name[1:]))] = sum(
                    path.lstat().st_size for path in run.rglob("*") if not path.is_dir()
                )
    return found


def remove_leftovers(runs_dir: Path) -> None:
    """What removals that were cut short have left."""
    for rest in runs_dir.glob(f"*/{_LEAVING}*"):
        _remove(rest)


class RunDirectory:
    """Reads answer None for what is missing or unreadable, unless they say otherwise; writes are whole and on the disk, or raise
    OSError."""

    def __init__(self, runs_dir: Path, handle: Handle) -> None:
        if not _ID.fullmatch(handle.job_id):
            raise ValueError(f"{handle.job_id!r} is no job id")
        self._runs_dir = runs_dir
        self.path = runs_dir / handle.job_id / f"a{handle.attempt}"

    @property
    def spec(self) -> Path:
        return self.path / SPEC

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    def claim(self, at_ms: int) -> bool:
        """Take the right to start this attempt. False: it was taken before, by whomever; there is no second start, ever."""
        for folder in (self._runs_dir, self.path.parent, self.path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with (self.path / "launch.json").open("x") as file:
                json.dump({"at_ms": at_ms}, file)
        except FileExistsError:
            return False
        except OSError:
            self.unclaim()
            raise
        return True

    def unclaim(self) -> None:
        """Give the right back: nothing was started."""
        for name in ("launch.json", SPEC):
            with suppress(OSError):
                (self.path / name).unlink()

    def claimed_at_ms(self) -> int | None:
        """None: nobody ever began to start it. 0: somebody did, but a crash or a full disk kept the time from being noted."""
        if not (self.path / "launch.json").exists():
            return None
        at_ms = self._read("launch.json").get("at_ms")
        return at_ms if isinstance(at_ms, int) else 0

    def write_spec(self, text: str) -> None:
        replace_durably(self.spec, text.encode())

    def process(self) -> tuple[int, float] | None:
        """(pid, creation time in seconds since 1970)."""
        record = self._read(PROCESS)
        pid, created = record.get("pid"), record.get("created")
        if isinstance(pid, int) and pid > 0 and isinstance(created, int | float):
            return pid, float(created)
        return None

    def write_process(self, pid: int, created: float) -> None:
        replace_durably(self.path / PROCESS, json.dumps({"pid": pid, "created": created}).encode())

    def exit_code(self) -> int | None:
        code = self._read(EXIT).get("code")
        return code if isinstance(code, int) else None

    def heartbeat(self) -> Heartbeat | None:
        try:
            return Heartbeat.model_validate_json((self.path / HEARTBEAT).read_bytes())
        except (OSError, ValidationError):
            return None

    def asked_to_stop(self) -> bool:
        return (self.path / "stop.json").exists()

    def write_asked_to_stop(self, at_ms: int) -> None:
        replace_durably(self.path / "stop.json", json.dumps({"at_ms": at_ms}).encode())

    def end(self) -> tuple[int | None, bool] | None:
        """(exit code, killed for memory) once nothing of it runs."""
        record = self._read("gone.json")
        return (record.get("code"), bool(record.get("out_of_memory"))) if "code" in record else None

    def write_end(self, code: int | None, out_of_memory: bool) -> None:
        replace_durably(self.path / "gone.json", json.dumps({"code": code, "out_of_memory": out_of_memory}).encode())

    def remove_scratch(self) -> None:
        """A process that was killed could not tidy up, and its copy of the data set may be large."""
        shutil.rmtree(self.path / SCRATCH, ignore_errors=True)

    def remove(self) -> None:
        """All of it. It leaves its place first: one of which a part is gone looks like a run that nobody has seen the end of."""
        # No two have one name: what an earlier attempt has left may be there still.
        leaving = self.path.with_name(f"{_LEAVING}{self.path.name}-{secrets.token_hex(4)}")
        with suppress(FileNotFoundError):
            self.path.rename(leaving)
        _remove(leaving)

    def log_tail(self, size: int) -> str:
        """The last whole lines of the output, at most `size` bytes of them."""
        try:
            with self.log.open("rb") as file:
                start = max(0, file.seek(0, os.SEEK_END) - size)
                file.seek(start)
                tail = file.read(size)
        except OSError:
            return ""
        if start:
            tail = tail.partition(b"\n")[2] or tail
        return tail.decode(errors="replace")

    def events(self, after: int) -> Iterator[Event]:
        """What the trainer wrote down with seq > `after`, up to the first line that is torn or damaged.

        Raises OSError when that cannot be read now: silence would be taken for a trainer that said nothing.
        """
        try:
            file = (self.path / SPOOL).open("rb")
        except FileNotFoundError:
            return
        with file:
            while line := file.readline(_LINE_BYTES):
                event = Event.from_line(line)
                if event is None:
                    return
                if event.seq > after:
                    yield event

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _remove(leaving: Path) -> None:
    shutil.rmtree(leaving, ignore_errors=True)
    if leaving.exists():
        _log.warning("cannot remove all of %s; it is tried again", leaving)
    with suppress(OSError):  # another attempt is there still
        leaving.parent.rmdir()
