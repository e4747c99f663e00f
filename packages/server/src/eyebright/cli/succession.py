"""Who serves this data folder by now: when its embedded server has died, whoever works with it starts the next one."""

import sys
import threading
import time
from collections.abc import Callable

from eyebright.cli import embedded
from eyebright.client import LocalServer, running_server
from eyebright.client.local import killed_server
from eyebright.settings import Settings

#: One that took its leave makes room for another, such as `eyebright serve`, which deserves the time to get ready.
PATIENCE_SECONDS = 30.0


class Succession:
    """Finds the server of this machine, as often as it is called. One that was not embedded is nobody's to replace."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._last: LocalServer | None = None
        self._missed_since: float | None = None
        self._lock = threading.Lock()  # a watch and the look at its server's health may miss it at the same time

    def __call__(self, settings: Settings) -> LocalServer | None:
        """Raises what `embedded.start` raises when the next one cannot be started."""
        with self._lock:
            server = running_server(settings)
            if server is None and self._vacant(settings):
                # not by a console of our own, which would write into a live picture: this goes above it
                print("The embedded server has died; starting the next one.", file=sys.stderr)  # noqa: T201
                embedded.start(settings)
                server = running_server(settings)
            if server is not None:
                self._last, self._missed_since = server, None
            return server

    def _vacant(self, settings: Settings) -> bool:
        if self._last is None or not self._last.embedded:
            return False
        if killed_server(settings) is not None:
            return True
        now = self._monotonic()
        self._missed_since = now if self._missed_since is None else self._missed_since
        return now - self._missed_since >= PATIENCE_SECONDS
