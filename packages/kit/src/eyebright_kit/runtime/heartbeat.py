"""Signs of life: a thread tells regularly that the process lives, and when training last moved."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from eyebright_kit.disk import replace
from eyebright_kit.runtime.reporter import now_ms
from eyebright_kit.runtime.stop import StopReason, StopRequest
from eyebright_kit.runtime.uplink import Accepted, Answer, Fenced
from eyebright_wire.events import Heartbeat

_log = logging.getLogger("eyebright.heartbeat")


class HeartbeatLine(Protocol):
    def beat(self, heartbeat: Heartbeat) -> Answer: ...
    def close(self) -> None: ...


class Pulse:
    """When training last moved, and how far it is. Marking it costs next to nothing."""

    def __init__(self) -> None:
        self.moved_at_ms = now_ms()
        self.step = 0

    def mark(self, step: int | None = None) -> None:
        self.moved_at_ms = now_ms()
        if step is not None:
            self.step = step


class HeartbeatThread:
    """Beats at once and then every `seconds`: into the file always, over the line if there is one."""

    def __init__(
        self,
        pulse: Pulse,
        file: Path,
        line: HeartbeatLine | None,
        stop: StopRequest,
        seconds: float,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._pulse = pulse
        self._file = file
        self._line = line
        self._stop = stop
        self._seconds = seconds
        self._before = before
        self._ended = threading.Event()
        self._writing = threading.Lock()  # the file never goes back to an older sign
        self._thread = threading.Thread(target=self._run, name="eyebright-heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """No beat begins after this; one that is under way gets half a second. The file tells how far it came, and stays."""
        self._ended.set()
        self._thread.join(0.5)
        with self._writing:
            self._write(self._sign())

    def beat(self) -> None:
        with self._writing:
            heartbeat = self._sign()
            if not self._ended.is_set():
                self._write(heartbeat)
        if self._line is not None:
            self._heed(self._line.beat(heartbeat))

    def _sign(self) -> Heartbeat:
        return Heartbeat(at_ms=now_ms(), moved_at_ms=self._pulse.moved_at_ms, step=self._pulse.step)

    def _run(self) -> None:
        while True:
            try:
                self._before()
                self.beat()
            except (
                Exception
            ):  # whatever it is, the next beat must come: without it a healthy job would be taken for dead
                _log.exception("a heartbeat failed in an unexpected way")
            if self._ended.wait(self._seconds):
                break
        if self._line is not None:
            self._line.close()

    def _write(self, heartbeat: Heartbeat) -> None:
        try:
            replace(self._file, heartbeat.model_dump_json().encode())
        except OSError as error:  # a full disk must not silence the line
            _log.warning("cannot write %s: %s", self._file, error)

    def _heed(self, answer: Answer) -> None:
        match answer:
            case Accepted(cancel=True):
                self._stop.ask(StopReason.CANCEL)
            case Fenced():
                self._stop.ask(StopReason.FENCED)
            case _:
                pass
