"""What a service notes beside a run's own files.

ticket.json   who ordered it and where to tell of it, 0600: the callback URL may hold a key
told.json     how far it was told
dead.json     the update that could not be delivered; gone once it was
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from eyebright_kit.disk import replace, replace_durably
from eyebright_wire.model import Whole, WireModel
from eyebright_wire.services import DeadLetter

TICKET = "ticket.json"
_TOLD, _DEAD = "told.json", "dead.json"
_Note = TypeVar("_Note", bound=WireModel)


class Ticket(WireModel):
    """What a courier needs of an order. `digest` tells a repeated start from another one."""

    job_id: str
    callback_url: str = Field(repr=False)
    token: str = Field(default="", repr=False)
    digest: str
    slot: int
    output: str
    heartbeat_seconds: float
    spool_url: str | None = Field(default=None, repr=False)
    results: str | None = None  # where the platform that ordered it finds the result; None: an Eyebright ordered it


class Told(WireModel):
    """`numbers`: who listens keeps the numbers of events, so it finds out by itself how a run ended that said no last word."""

    acked: Whole = 0
    beat_ms: Whole = 0  # the heartbeat that was told last
    numbers: bool = True
    ended: bool = False  # its last word was told
    over: bool = False  # nothing will ever be told again


@dataclass(frozen=True, slots=True)
class Notes:
    """In the folder of one run. Reads answer None for what is missing or unreadable; writes raise OSError."""

    folder: Path

    def ticket(self) -> Ticket | None:
        return _read(self.folder / TICKET, Ticket)

    def write_beside(self, name: str, note: WireModel) -> None:
        """For the run's own process."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_durably(self.folder / name, note.model_dump_json().encode())

    def write_ticket(self, ticket: Ticket) -> None:
        self.write_beside(TICKET, ticket)

    def withdraw(self) -> None:
        """Nothing was started."""
        (self.folder / TICKET).unlink(missing_ok=True)

    def told(self) -> Told:
        """Before anything was: that an Eyebright listens, unless a platform ordered it."""
        ticket = self.ticket()
        return _read(self.folder / _TOLD, Told) or Told(numbers=ticket is None or ticket.results is None)

    def write_told(self, told: Told) -> None:
        """Not made durable: what is told twice does no harm."""
        replace(self.folder / _TOLD, told.model_dump_json().encode())

    def told_seconds_ago(self, now_ms: int) -> float:
        """Since something was told last; 0 before anything was."""
        try:
            return now_ms / 1000 - (self.folder / _TOLD).stat().st_mtime
        except OSError:
            return 0.0

    def dead(self) -> DeadLetter | None:
        return _read(self.folder / _DEAD, DeadLetter)

    def write_dead(self, letter: DeadLetter) -> None:
        replace_durably(self.folder / _DEAD, letter.model_dump_json().encode())

    def bury_dead(self) -> None:
        (self.folder / _DEAD).unlink(missing_ok=True)


def _read(path: Path, kind: type[_Note]) -> _Note | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
