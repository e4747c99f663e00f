"""Work that somebody can stop at once though it waits for a network: `watched(work, …)`.

The work runs in threads that may be left behind: a thread that waits for a name server or a socket cannot be interrupted. When
its wait is over it finds the halt and ends, having written nothing more.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from threading import Event, Lock, Thread
from typing import TypeVar

from eyebright_kit.remote.failure import Stopped

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all (None while nobody knows)
Stop = Callable[[], bool]
T = TypeVar("T")

_LOOK_SECONDS = 0.2


class Ledger:
    """What is done so far, and whether anybody still wants the rest. Shared by all threads of one work."""

    def __init__(self) -> None:
        self.done_bytes = 0
        self.total_bytes: int | None = None
        self._halted = Event()
        self._lock = Lock()

    def add(self, count: int) -> int:
        """Books bytes and answers the sum. Raises Stopped when nobody wants more."""
        self.require_wanted()
        with self._lock:
            self.done_bytes += count
            return self.done_bytes

    def pause(self, seconds: float) -> None:
        self._halted.wait(seconds)
        self.require_wanted()

    def require_wanted(self) -> None:
        if self._halted.is_set():
            raise Stopped

    def halt(self) -> None:
        self._halted.set()


def watched(work: Callable[[Ledger], T], progress: Progress | None, stop: Stop | None) -> T:
    """The result of `work`, which runs beside while this thread reports and looks whether to stop. Raises Stopped if so."""
    ledger = Ledger()
    try:
        outcome = beside(lambda: work(ledger))
        while not wait([outcome], _LOOK_SECONDS).done:
            _look(ledger, progress, stop)
        result = outcome.result()
        _look(ledger, progress, None)
        return result
    finally:
        ledger.halt()


def in_parallel(orders: Iterable[T], work: Callable[[T], None], *, threads: int) -> None:
    """`work` for each order. The first failure is raised at once; whoever halts the ledger ends the others."""
    waiting = deque(orders)
    crew = [beside(lambda: _work_off(waiting, work)) for _ in range(min(threads, len(waiting)))]
    for finished in wait(crew, return_when=FIRST_EXCEPTION).done:
        finished.result()


def _work_off(waiting: deque[T], work: Callable[[T], None]) -> None:
    while True:
        try:
            order = waiting.popleft()
        except IndexError:
            return
        work(order)


def _look(ledger: Ledger, progress: Progress | None, stop: Stop | None) -> None:
    if stop and stop():
        raise Stopped
    if progress:
        progress(ledger.done_bytes, ledger.total_bytes)


def beside(work: Callable[[], T]) -> "Future[T]":
    """In a thread of its own. Not an executor: its threads keep the process alive until their last wait is over."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=run, daemon=True, name="fetch").start()
    return outcome
