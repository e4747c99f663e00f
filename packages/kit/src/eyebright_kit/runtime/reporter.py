"""The voice of an attempt: every statement is numbered and spooled, then the sender takes it from there."""

import math
import threading
import time
from collections.abc import Callable, Mapping

from eyebright_kit.runtime.spool import Spool
from eyebright_wire.events import LAST_WORDS, Event, EventKind, Progress
from eyebright_wire.model import WireModel

#: Progress is told at most this often: it bounds the spool, the database and the fsyncs that training pays for.
PROGRESS_SECONDS = 0.5


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Reporter:
    """Numbers and spools. Nothing here waits for the network."""

    def __init__(
        self,
        spool: Spool,
        on_event: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._on_event = on_event
        self._clock = clock
        self._lock = threading.RLock()
        self._held: Progress | None = None
        self._told_at = -math.inf
        self._over = False

    def say(self, kind: EventKind, body: WireModel) -> None:
        """States something. Progress that was held back goes first, so that the story stays in order.

        After the last words nothing more is said: a thread of the framework's may not have heard yet that the run is over.
        """
        with self._lock:
            self.tell_held()
            self._append(kind, body)

    def progress(self, progress: Progress) -> None:
        """Tells progress now, or holds it until the moment is over; a later one replaces what is held."""
        with self._lock:
            if progress.epoch_finished or self._clock() - self._told_at >= PROGRESS_SECONDS:
                self._tell(progress)
            else:
                self._held = progress

    def tell_held(self) -> None:
        """Tells the progress that is being held back, if any."""
        with self._lock:
            if self._held is not None:
                self._tell(self._held)

    def _tell(self, progress: Progress) -> None:
        self._held = None
        self._told_at = self._clock()
        self._append(EventKind.PROGRESS, _speakable(progress))

    def _append(self, kind: EventKind, body: WireModel) -> None:
        if self._over:
            return
        event = self._spool.append(kind.value, body.model_dump(mode="json", exclude_none=True), now_ms())
        self._over = kind in LAST_WORDS
        self._on_event(event)


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """JSON has no word for infinity or for what is not a number."""
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


def _speakable(progress: Progress) -> Progress:
    speed, eta = progress.images_per_second, progress.eta_seconds
    return progress.model_copy(
        update={
            "metrics": finite(progress.metrics),
            "images_per_second": speed if speed is None or math.isfinite(speed) else None,
            "eta_seconds": eta if eta is None or math.isfinite(eta) else None,
        }
    )
