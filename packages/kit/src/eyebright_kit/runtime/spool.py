"""The attempt's own diary: every event is numbered and on disk before anybody else hears of it.

One JSON event per line. A line that a crash tore is cut off when the file is opened again, and its number is given anew: nobody
can have seen it, because only whole lines are read. When the disk is full, events wait in memory in their order and every
later one tries again: the disk copy is late, the report is not, and training goes on.
"""

import fcntl
import logging
import os
import threading
from array import array
from pathlib import Path
from typing import Any

from eyebright_kit.disk import sync
from eyebright_kit.errors import TrainerFailure
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import LAST_WORDS, Event

_log = logging.getLogger("eyebright.spool")


class Spool:
    """Numbered events of one attempt, safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Opens or begins the diary. Raises TrainerFailure when another process writes it, or when it is damaged."""
        self._path = path
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._claim()
        self._starts = array("Q")  # where in the file event n begins, at n - 1
        self._size = 0
        self._waiting: list[bytes] = []
        self.ended = False
        self._read_what_is_there()
        sync(path.parent)

    @property
    def last_seq(self) -> int:
        return len(self._starts) + len(self._waiting)

    def append(self, kind: str, data: dict[str, Any], at_ms: int) -> Event:
        """Numbers the event and writes it durably, or keeps it in memory while that is impossible."""
        with self._lock:
            event = Event(seq=self.last_seq + 1, kind=kind, at_ms=at_ms, data=data)
            self._waiting.append(event.model_dump_json().encode() + b"\n")
            self._write_waiting()
            return event

    def read(self, first: int, limit: int) -> tuple[Event, ...]:
        """Events from number `first` on, at most `limit`."""
        with self._lock:
            numbers = range(first, min(first + limit, self.last_seq + 1))
            return tuple(Event.model_validate_json(self._line(number)) for number in numbers)

    def flush(self) -> None:
        """Tries once more to write what waits in memory."""
        with self._lock:
            self._write_waiting()

    def close(self) -> None:
        self.flush()
        os.close(self._file)

    def _claim(self) -> None:
        """A record lock: unlike flock's it is not inherited by forked data workers, which may outlive a killed trainer."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise TrainerFailure(
                ErrorCode.INTERNAL_ERROR, f"another process is running this very attempt: it holds {self._path}", False
            ) from None

    def _read_what_is_there(self) -> None:
        # Through the one descriptor: opening the file a second time and closing that would give the record lock away.
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        lines = content.splitlines(keepends=True)
        for position, line in enumerate(lines, start=1):
            event = Event.from_line(line)
            if event is None and position == len(lines):
                break
            if event is None or event.seq != position:
                raise TrainerFailure(
                    ErrorCode.STORAGE_ERROR,
                    f"{self._path} line {position} is damaged; expected event {position}",
                    False,
                )
            self._note(line)
            self.ended = event.kind in LAST_WORDS
        os.ftruncate(self._file, self._size)

    def _note(self, line: bytes) -> None:
        self._starts.append(self._size)
        self._size += len(line)

    def _write_waiting(self) -> None:
        try:
            while self._waiting:
                self._write(self._waiting[0])
                self._note(self._waiting.pop(0))
        except OSError as error:
            _log.warning("cannot write %s (%s): %d events wait in memory", self._path, error, len(self._waiting))
            self._cut_torn_line()

    def _write(self, line: bytes) -> None:
        done = 0
        while done < len(line):
            done += os.pwrite(self._file, line[done:], self._size + done)
        os.fsync(self._file)

    def _cut_torn_line(self) -> None:
        try:
            os.ftruncate(self._file, self._size)
        except OSError as error:  # readers ignore a torn last line, and the next write starts at the same place
            _log.debug("cannot cut the torn line off %s: %s", self._path, error)

    def _line(self, number: int) -> bytes:
        index = number - 1
        if index >= len(self._starts):
            return self._waiting[index - len(self._starts)]
        end = self._starts[number] if number < len(self._starts) else self._size
        return os.pread(self._file, end - self._starts[index], self._starts[index])


def events_in(path: Path) -> tuple[Event, ...]:
    """What another process has said so far: whole lines only, and nothing before its diary is begun."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return tuple(event for line in lines if (event := Event.from_line(line)))
