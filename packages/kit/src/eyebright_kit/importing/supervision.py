"""One worker and its importer's hand on it: gives the order, hears what is said, ends it, and understands how it ended."""

import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self

from pydantic import ValidationError

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.errors import OutOfMemory, StorageUnavailable, TrainerFailure
from eyebright_kit.importing import child
from eyebright_kit.importing.messages import MESSAGE, Enclosed, Moved, Prepared, Refused
from eyebright_kit.importing.order import WorkerLimits, WorkOrder
from eyebright_kit.runtime import Stopped
from eyebright_wire.errors import ErrorCode

#: Between two looks whether to stop.
_LOOK_SECONDS = 0.1
#: A worker that has said its last word and lingers.
_LINGER_SECONDS = 5.0
_LINE_BYTES = 4 * 2**20
_CHUNK_BYTES = 64 * 1024

_log = logging.getLogger("eyebright.importing")


class ImportRefused(TrainerFailure):
    """What the worker found wrong; `errors` names it one by one."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code, refused.message, None if refused.code is ErrorCode.WORKER_LOST else False)
        self.errors = refused.errors


class Supervision:
    """Nothing of the worker runs once the context is left."""

    def __init__(self, worker: "subprocess.Popen[bytes] | None", limits: WorkerLimits) -> None:
        self._limits = limits
        self._cgroup = Cgroup()
        self._oom_kills = self._cgroup.oom_kills()
        self._worker = worker or child.start()
        self.parent = os.getpid()
        self._said = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def carry_out(
        self, order: WorkOrder, *, heard: Callable[[Enclosed | Moved], None], stopping: Callable[[], bool]
    ) -> Prepared:
        """Raises ImportRefused, Stopped, or the TrainerFailure that tells how the worker died."""
        last: Prepared | Refused | None = None
        self._give(order)
        for message in self._messages(stopping):
            if isinstance(message, Prepared | Refused):
                last = message
            else:
                heard(message)
        code = self._await_end()
        if isinstance(last, Refused):
            raise ImportRefused(last)
        if last is None or code != 0:
            raise self._death(code)
        return last

    def _give(self, order: WorkOrder) -> None:
        stdin = self._worker.stdin
        assert stdin is not None
        with suppress(BrokenPipeError):  # it has died already; how, the end will tell
            stdin.write(order.model_dump_json().encode() + b"\n")
            stdin.close()

    def _messages(self, stopping: Callable[[], bool]) -> Iterator[Enclosed | Moved | Prepared | Refused]:
        for line in self._lines(stopping):
            try:
                yield MESSAGE.validate_json(line)
            except ValidationError:
                raise _strange(f"{line[:80]!r}") from None

    def _lines(self, stopping: Callable[[], bool]) -> Iterator[bytes]:
        stdout = self._worker.stdout
        assert stdout is not None
        while True:
            if stopping():
                raise Stopped
            if not select.select([stdout], [], [], _LOOK_SECONDS)[0]:
                continue
            if not (chunk := os.read(stdout.fileno(), _CHUNK_BYTES)):
                return
            yield from self._whole_lines(chunk)

    def _whole_lines(self, chunk: bytes) -> Iterator[bytes]:
        self._said += chunk
        if len(self._said) > _LINE_BYTES:
            raise _strange("a line that does not end")
        *lines, rest = bytes(self._said).split(b"\n")
        self._said = bytearray(rest)
        yield from lines

    def _await_end(self) -> int:
        """It has closed its stdout, so it is about to leave; 0 or the signal it died of, negative."""
        with suppress(subprocess.TimeoutExpired):
            return self._worker.wait(_LINGER_SECONDS)
        self._end()
        return self._worker.wait()

    def _end(self) -> None:
        """Kill it with whatever it has started: it leads a session of its own, and may start no process where that holds."""
        if self._worker.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._worker.pid, signal.SIGKILL)
            self._worker.wait()
        for pipe in (self._worker.stdin, self._worker.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _death(self, code: int) -> TrainerFailure:
        if code == -signal.SIGXCPU:
            return TrainerFailure(
                ErrorCode.MAX_DURATION_EXCEEDED,
                f"reading the data took more than {self._limits.cpu_seconds} s of processor time; import fewer images at a "
                "time, or raise EYEBRIGHT_IMPORTS__CPU_SECONDS",
            )
        if code == -signal.SIGKILL and self._memory_ran_out():
            return OutOfMemory(
                "the machine ran out of memory while the data were read, and the system ended the reader; import fewer "
                "images at a time, or give the machine more memory"
            )
        if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
            name = signal.Signals(-code).name
            return TrainerFailure(ErrorCode.WORKER_LOST, f"the process that read the data was killed ({name})")
        how = f"crashed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit status {code}"
        return TrainerFailure(
            ErrorCode.TRAINER_ERROR,
            f"the process that read the data {how}, perhaps over one of its files; the log of this job has more. Import the "
            "data in parts to find the file, and report it",
        )

    def _memory_ran_out(self) -> bool:
        deadline = time.monotonic() + 0.5  # the count may follow the kill
        while (now := self._cgroup.oom_kills()) == self._oom_kills and time.monotonic() < deadline:
            time.sleep(0.05)
        return now is not None and self._oom_kills is not None and now > self._oom_kills


def _strange(what: str) -> TrainerFailure:
    return StorageUnavailable(
        f"the process that read the data said something that is no answer ({what}), so nothing of it is believed", False
    )
