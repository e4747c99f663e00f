"""Leaves a copy of what a run has written down where its control plane can read it, for as long as that hears nothing."""

import hashlib
import logging
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from eyebright_kit.disk import replace
from eyebright_wire.left_spool import whole
from eyebright_wire.run_directory import SPOOL
from eyebright_wire.services import RunReport

_CONNECT_SECONDS, _IDLE_SECONDS = 5.0, 30.0

_log = logging.getLogger("eyebright.courier")


class LeftBehind:
    """`url` is `file:///…` or a URL that is signed for a PUT. It is in no message, as it opens that object to whoever has it."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._spool = folder / SPOOL
        self._last = ""
        self._failing = False

    def leave(self, report: RunReport) -> None:
        """Unless it is what was left last. Blocks; what cannot be left now is logged, and left the next time."""
        try:
            content = whole(self._spool.read_bytes() if self._spool.exists() else b"", report)
            digest = hashlib.sha256(content).hexdigest()
            if digest != self._last:
                self._put(content)
        except (OSError, httpx.HTTPError) as error:
            if not self._failing:
                _log.warning("run %s: cannot leave a copy of its spool (%s)", report.name, type(error).__name__)
            self._failing = True
        else:
            self._last, self._failing = digest, False

    def _put(self, content: bytes) -> None:
        if self._url.startswith("file:"):
            path = Path(unquote(urlsplit(self._url).path))
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, content)
            return
        timeout = httpx.Timeout(_IDLE_SECONDS, connect=_CONNECT_SECONDS)
        httpx.put(
            self._url, content=content, timeout=timeout, trust_env=False, follow_redirects=False
        ).raise_for_status()
