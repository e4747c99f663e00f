"""Who has changed what, or tried to."""

from dataclasses import asdict

import structlog

from eyebright.core.access import AuditEntry
from eyebright.ports.access import AuditLog, AuditQuery
from eyebright_wire.access import AuditView
from eyebright_wire.resources import Page

log = structlog.stdlib.get_logger(__name__)


def entry_id(at_ms: int, call: str) -> str:
    """Of an entry, which sorts by when it was. `call`: what the call is known by, 16 hexadecimal digits."""
    return f"aud_{at_ms:011x}{call}"


class Audit:
    def __init__(self, entries: AuditLog) -> None:
        self._entries = entries

    async def note(self, entry: AuditEntry) -> None:
        """Never raises: what is told of has happened. What cannot be kept is in the server's own log."""
        try:
            await self._entries.add(entry)
        except Exception as error:
            log.error("a call is missing from the audit log", problem=str(error), **asdict(entry))

    async def list(self, after: str | None, limit: int, project: str | None) -> Page[AuditView]:
        """Newest first; of one project, or all there is."""
        found = await self._entries.find(AuditQuery(project=project, after=after, limit=limit + 1))
        page = tuple(AuditView(**asdict(entry)) for entry in found[:limit])
        return Page[AuditView](items=page, next=page[-1].id if len(found) > limit else None)
