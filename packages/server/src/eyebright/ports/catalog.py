"""Which trainers exist and which are installed."""

from collections.abc import Callable, Sequence
from typing import Protocol

from eyebright.ports.executor import Environment
from eyebright_wire.resources import TrainerView


class Catalog(Protocol):
    async def list(self) -> Sequence[TrainerView]:
        """Every registered trainer, installed or not."""
        ...

    async def environment(self, name: str) -> Environment:
        """An installed trainer. Raises NotFound (with the nearest name) or TrainerUnavailable (how to install it); of one that
        was never installed, or no longer is, TrainerMissing."""
        ...

    async def installed(self) -> Sequence[Environment]:
        """In the order in which they should be preferred."""
        ...

    async def install(self, name: str, say: Callable[[str], None]) -> Environment:
        """Make its environment from its lock; `say` gets progress lines. Raises Unavailable with the tool's own words."""
        ...
