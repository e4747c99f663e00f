"""What training services have left in the store of runs that can be neither heard nor asked."""

import asyncio

import structlog

from eyebright.errors import EyebrightError, NotFound
from eyebright.ports.clock import Clock
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright_wire.left_spool import LeftSpool
from eyebright_wire.run_directory import SPOOL
from eyebright_wire.runs import Handle

#: How often the same one is looked for.
LOOK_SECONDS = 5.0
#: How long a copy may take, and how long the store is left alone after one that could not be read.
WAIT_SECONDS, REST_SECONDS = 5.0, 30.0
#: Of a copy; a spool holds some hundred bytes for each step that is told.
MOST_BYTES = 64 * 2**20

log = structlog.stdlib.get_logger(__name__)


class LeftBehind:
    def __init__(self, objects: ObjectStore, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._again_at_ms: dict[Handle, int] = {}
        self._rests_until_ms = 0

    async def of(self, handle: Handle) -> LeftSpool | None:
        """The newest copy; None while there is none, or it was looked for a moment ago, or the store cannot be read. Then the
        store is left alone for a while: whoever asks has other runs to look after."""
        now_ms = self._clock.now_ms()
        self._again_at_ms = {each: at_ms for each, at_ms in self._again_at_ms.items() if at_ms > now_ms}
        if handle in self._again_at_ms or now_ms < self._rests_until_ms:
            return None
        self._again_at_ms[handle] = now_ms + int(1000 * LOOK_SECONDS)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self._read(attempt_prefix(handle.job_id, handle.attempt) + SPOOL)
        except NotFound:
            return None
        except (EyebrightError, OSError) as error:  # TimeoutError is one
            self._rests_until_ms = now_ms + int(1000 * REST_SECONDS)
            about = {"job": handle.job_id, "attempt": handle.attempt}
            log.warning("cannot read what was left of a run", **about, error=str(error) or type(error).__name__)
            return None

    async def _read(self, key: str) -> LeftSpool:
        """Of a copy that is too long, the events up to there."""
        content = bytearray()
        async for chunk in self._objects.open(key):
            content += chunk
            if len(content) > MOST_BYTES:
                break
        return await asyncio.to_thread(LeftSpool.parse, bytes(content), cut=len(content) > MOST_BYTES)
