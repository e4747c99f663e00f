"""Why a run should end early, and the ways in which the request arrives."""

import os
import signal
import threading
from enum import StrEnum
from types import FrameType


class StopReason(StrEnum):
    CANCEL = "cancel"  # somebody asked for it: the job is over
    PREEMPT = "preempt"  # the machine is wanted elsewhere: another attempt will go on from the checkpoint
    FENCED = "fenced"  # another attempt has taken over: say and save nothing more


class StopRequest:
    """The one place where a wish to stop is kept. The first reason stays, except that `fenced` overrules all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._reason: StopReason | None = None

    @property
    def reason(self) -> StopReason | None:
        return self._reason

    def ask(self, reason: StopReason) -> None:
        with self._lock:
            if self._reason is None or reason is StopReason.FENCED:
                self._reason = reason
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Waits until somebody asks, at most `seconds`; True when somebody did."""
        return self._asked.wait(seconds)


def listen_to_signals(stop: StopRequest) -> None:
    """SIGTERM and SIGINT ask for a pre-emption; a second one ends the process at once.

    The default action is put back inside the handler, not in Python code that runs on the second signal: a main thread deep
    in a C call would never get to run that.
    """
    owner = os.getpid()

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != owner:  # a forked data worker inherits the handler, but must die as its parent expects
            os.kill(os.getpid(), number)
            return
        # Not `stop.ask`: the signal may have interrupted that very method while it holds its lock.
        threading.Thread(target=stop.ask, args=(StopReason.PREEMPT,), daemon=True).start()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
