"""Which trainers exist and which are installed."""

from collections.abc import Callable, Sequence
from typing import Protocol

from eyebright.ports.executor import Environment
from eyebright_wire.resources import TrainerView


class Catalog(Protocol):
    async def list(self) -> Sequence[TrainerView]:
        """Every registered trainer, installed or not."""
        ...

    async def environment(self, name: str, executor: str | None = None) -> Environment:
        """An installed trainer, as it is at that place to run; default: at the first one that has it.

        Raises NotFound (with the nearest name) or TrainerUnavailable (how to install it); of one that was never installed, or no
        longer is, TrainerMissing.
        """
        ...

    async def here(self, name: str) -> Environment:
        """As it is on this machine, whatever is trained where. Raises as `environment` does."""
        ...

    async def installed(self) -> Sequence[Environment]:
        """In the order in which they should be preferred."""
        ...

    async def install(self, name: str, say: Callable[[str], None]) -> Environment:
        """Make its environment from its lock; `say` gets progress lines. Raises Unavailable with the tool's own words."""
        ...
