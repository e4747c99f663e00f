"""The thread that carries the spool to the control plane, without ever making training wait."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from eyebright_kit.runtime.spool import Spool
from eyebright_kit.runtime.stop import StopReason, StopRequest
from eyebright_kit.runtime.uplink import Accepted, Answer, Conflict, Fenced, Gap, Unreachable
from eyebright_wire.events import Event

BATCH = 200
FIRST_REST_SECONDS = 0.25
LONGEST_REST_SECONDS = 30.0
_LAST_POST_SECONDS = 0.5  # for a post that is under way when time is up

_log = logging.getLogger("eyebright.sender")


class EventLine(Protocol):
    def send(self, events: tuple[Event, ...]) -> Answer: ...
    def close(self) -> None: ...


class Sender:
    """Posts contiguous batches, oldest first, for as long as the process lives.

    An answer moves the cursor: forward (accepted) or back (gap). Silence and server errors only make it rest, longer each
    time; nothing is ever dropped, because the spool keeps everything. It goes quiet for good when the attempt is fenced, and
    when both sides disagree about what was said.
    """

    def __init__(
        self,
        spool: Spool,
        uplink: EventLine,
        stop: StopRequest,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._spool = spool
        self._uplink = uplink
        self._stop = stop
        self._jitter = jitter
        self._next = 1
        self._changed = threading.Condition()
        self._closing = False
        self._quiet = False
        self._thread = threading.Thread(target=self._run, name="eyebright-sender", daemon=True)

    @property
    def acked(self) -> int:
        """The highest number that the control plane is known to hold."""
        return self._next - 1

    @property
    def quiet(self) -> bool:
        """Nothing more will be sent."""
        return self._quiet

    def start(self) -> None:
        self._thread.start()

    def nudge(self) -> None:
        """There is something new in the spool."""
        with self._changed:
            self._changed.notify_all()

    def close(self, timeout_seconds: float) -> bool:
        """Waits until everything is told, at most `timeout_seconds`; True when it is. The rest is in the spool."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._quiet or self._told_all(), max(0.0, deadline - time.monotonic()))
            self._quiet = True
            self._changed.notify_all()
        self._thread.join(_LAST_POST_SECONDS)
        return self._told_all()

    def _told_all(self) -> bool:
        return self._next > self._spool.last_seq

    def _run(self) -> None:
        rests = _rests(self._jitter)
        while batch := self._next_batch():
            if self._heed(self._send(batch), batch):
                rests = _rests(self._jitter)
            else:
                self._rest(next(rests))
        self._uplink.close()

    def _next_batch(self) -> tuple[Event, ...]:
        """Waits for something to send; empty when there will be nothing more."""
        with self._changed:
            self._changed.wait_for(lambda: self._quiet or not self._told_all())
            return () if self._quiet else self._spool.read(self._next, BATCH)

    def _send(self, batch: tuple[Event, ...]) -> Answer:
        try:
            return self._uplink.send(batch)
        except Exception as error:  # whatever it is, it must not end the only thread that reports
            _log.exception("reporting failed in an unexpected way")
            return Unreachable(repr(error))

    def _heed(self, answer: Answer, batch: tuple[Event, ...]) -> bool:
        """Does what the answer asks; False when nothing was gained and a rest is due."""
        match answer:
            case Accepted(acked, cancel):
                if cancel:
                    self._stop.ask(StopReason.CANCEL)
                return self._move(acked + 1, batch)
            case Gap(expected):
                return self._move(expected, batch)
            case Fenced():
                self._stop.ask(StopReason.FENCED)
                return self._fall_silent("another attempt has taken over; saying nothing more")
            case Conflict(detail):
                return self._fall_silent(f"ALARM: the control plane holds other events under our numbers. {detail}")
            case Unreachable(reason):
                _log.debug("cannot report (%s); %d events wait", reason, self._spool.last_seq - self.acked)
                return False

    def _move(self, to: int, batch: tuple[Event, ...]) -> bool:
        if to > self._spool.last_seq + 1:
            return self._fall_silent(f"ALARM: the control plane holds {to - 1} events, we said {self._spool.last_seq}")
        with self._changed:
            self._next = to
            self._changed.notify_all()
        return to != batch[0].seq

    def _fall_silent(self, why: str) -> bool:
        _log.error("%s", why)
        with self._changed:
            self._quiet = True
            self._changed.notify_all()
        return True

    def _rest(self, seconds: float) -> None:
        """A new event does not cut a rest short, or a busy trainer would hammer a server that is down. The end does."""
        with self._changed:
            was_closing = self._closing
            most = FIRST_REST_SECONDS if was_closing else seconds
            self._changed.wait_for(lambda: self._quiet or self._closing != was_closing, most)


def _rests(jitter: Callable[[float, float], float]) -> Iterator[float]:
    """Full jitter, so that two hundred trainers do not come back in step (AWS: "Exponential Backoff And Jitter")."""
    longest = FIRST_REST_SECONDS
    while True:
        yield jitter(0.0, longest)
        longest = min(longest * 2, LONGEST_REST_SECONDS)
