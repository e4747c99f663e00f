"""Leases in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class _Lease:
    holder: str
    term: int
    until_ms: int


class MemoryLeases:
    """Leases."""

    def __init__(self) -> None:
        self._leases: dict[str, _Lease] = {}

    async def take(self, name: str, holder: str, now_ms: int, ttl_ms: int) -> int | None:
        known = self._leases.get(name, _Lease(holder, 0, 0))
        over = known.until_ms <= now_ms
        if not over and known.holder != holder:
            return None
        self._leases[name] = _Lease(holder, known.term + over, now_ms + ttl_ms)
        return self._leases[name].term

    async def release(self, name: str, holder: str) -> None:
        known = self._leases.get(name)
        if known and known.holder == holder:
            self._leases[name] = replace(known, until_ms=0)

    async def holders(self, now_ms: int) -> Mapping[str, str]:
        return {name: lease.holder for name, lease in sorted(self._leases.items()) if lease.until_ms > now_ms}
