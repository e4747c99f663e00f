"""StoredObjects in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eyebright.ports.stored import Due, Held, Look


@dataclass(frozen=True, slots=True)
class _Row:
    size_bytes: int | None
    open: int
    turn: int
    until_ms: int


class MemoryStored:
    """StoredObjects."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    async def open(self, keys: Sequence[str], turn: int, until_ms: int) -> Mapping[str, int]:
        for key in set(keys):
            row = self._rows.get(key, _Row(None, 0, turn - 1, until_ms))
            latest_ms = max(until_ms, row.until_ms)
            self._rows[key] = replace(row, open=row.open + 1, turn=row.turn + 1, until_ms=latest_ms)
        return {key: self._rows[key].turn for key in keys}

    async def settle(self, looks: Mapping[str, Look], closing: int = 1) -> frozenset[str]:
        settled = {key for key, look in looks.items() if key in self._rows and self._rows[key].turn == look.turn}
        for key in settled:
            row = self._rows[key]
            left = max(row.open - closing, 0)
            self._rows[key] = replace(row, size_bytes=looks[key].size_bytes, open=left, turn=row.turn + 1)
        for key in looks:
            row = self._rows.get(key)
            if row is not None and not row.open and row.size_bytes is None:
                del self._rows[key]
        return frozenset(looks) - settled

    async def turns(self, keys: Sequence[str]) -> Mapping[str, int]:
        return {key: self._rows[key].turn for key in keys if key in self._rows}

    async def known(self, prefix: str) -> Mapping[str, int | None]:
        return {key: row.size_bytes for key, row in self._rows.items() if key.startswith(prefix)}

    async def due(self, before_ms: int, after: str, limit: int) -> Sequence[Due]:
        found = [
            Due(key, row.turn, row.until_ms)
            for key, row in sorted(self._rows.items())
            if row.open and row.until_ms <= before_ms and key > after
        ]
        return found[:limit]

    async def held(self) -> Sequence[Held]:
        kinds = sorted({key.partition("/")[0] for key in self._rows})
        return [self._of(kind) for kind in kinds]

    def _of(self, kind: str) -> Held:
        rows = [row for key, row in self._rows.items() if key.partition("/")[0] == kind]
        sizes = [row.size_bytes for row in rows if row.size_bytes is not None]
        return Held(kind, len(sizes), sum(sizes), sum(row.open > 0 for row in rows))
