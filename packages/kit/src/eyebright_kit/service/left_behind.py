"""Leaves a copy of what a run has written down, and its control plane not heard, where that can read it."""

import hashlib
import logging
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from eyebright_kit.disk import publish_durably
from eyebright_wire.events import Event
from eyebright_wire.left_spool import copy_of
from eyebright_wire.run_directory import SPOOL
from eyebright_wire.runs import Vital
from eyebright_wire.services import RunReport

_CONNECT_SECONDS, _IDLE_SECONDS = 5.0, 30.0

_log = logging.getLogger("eyebright.courier")


class LeftBehind:
    """`url` is `file:///…` or a URL that is signed for a PUT. It is in no message, as it opens that object to whoever has it."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._spool = folder / SPOOL
        self._offset = self._acked = 0  # of the spool, how much was heard
        self._last = ""
        self._failing = self._closed = False
        self._leaving = threading.Lock()  # who gave up waiting for one copy may be about to leave another

    def leave(self, report: RunReport, acked: int) -> bool:
        """The events after `acked`, unless they are what was left last. Are they there? Blocks; what cannot be left now is
        logged."""
        with self._leaving:
            gone = report.vital is Vital.GONE
            if self._closed and not gone:
                return True  # begun before the last one, and overtaken
            self._closed = gone  # even if it fails now: its answer alone may have been lost
            try:
                content = copy_of(self._unheard(acked), report)
                digest = hashlib.sha256(content).hexdigest()
                if digest != self._last:
                    self._put(content)
            except (OSError, httpx.HTTPError) as error:
                if not self._failing:
                    _log.warning("run %s: cannot leave a copy of its spool (%s)", report.name, type(error).__name__)
                self._failing = True
            else:
                self._last, self._failing = digest, False
            return not self._failing

    def _unheard(self, acked: int) -> bytes:
        if acked < self._acked:
            self._offset = 0
        self._acked = acked
        if not self._spool.exists():
            return b""
        with self._spool.open("rb") as file:
            file.seek(self._offset)
            while (event := Event.from_line(line := file.readline())) is not None and event.seq <= acked:
                self._offset += len(line)
            file.seek(self._offset)
            return file.read()

    def _put(self, content: bytes) -> None:
        if self._url.startswith("file:"):
            path = Path(unquote(urlsplit(self._url).path))
            path.parent.mkdir(parents=True, exist_ok=True)
            publish_durably(path, content)  # the server may be another user
            return
        timeout = httpx.Timeout(_IDLE_SECONDS, connect=_CONNECT_SECONDS)
        httpx.put(
            self._url, content=content, timeout=timeout, trust_env=False, follow_redirects=False
        ).raise_for_status()
