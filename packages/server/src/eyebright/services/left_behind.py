"""What training services have left in the store of runs that can be neither heard nor asked."""

import structlog

from eyebright.errors import EyebrightError, NotFound
from eyebright.ports.clock import Clock
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright_wire.left_spool import LeftSpool
from eyebright_wire.run_directory import SPOOL
from eyebright_wire.runs import Handle

#: How often the same one is looked for.
LOOK_SECONDS = 5.0
#: Of a copy; a spool holds some hundred bytes for each step that is told.
MOST_BYTES = 64 * 2**20

log = structlog.stdlib.get_logger(__name__)


class LeftBehind:
    def __init__(self, objects: ObjectStore, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._again_at_ms: dict[Handle, int] = {}

    async def of(self, handle: Handle) -> LeftSpool | None:
        """The newest copy; None while there is none, or it was looked for a moment ago, or the store cannot be read."""
        now_ms = self._clock.now_ms()
        self._again_at_ms = {each: at_ms for each, at_ms in self._again_at_ms.items() if at_ms > now_ms}
        if handle in self._again_at_ms:
            return None
        self._again_at_ms[handle] = now_ms + int(1000 * LOOK_SECONDS)
        try:
            return LeftSpool.parse(await self._content(attempt_prefix(handle.job_id, handle.attempt) + SPOOL))
        except NotFound:
            return None
        except EyebrightError as error:
            log.warning(
                "cannot read what was left of a run", job=handle.job_id, attempt=handle.attempt, error=error.message
            )
            return None

    async def _content(self, key: str) -> bytes:
        content = bytearray()
        async for chunk in self._objects.open(key):
            content += chunk
            if len(content) > MOST_BYTES:
                break  # the events up to there can be had
        return bytes(content)
