"""A run: one attempt of a job in a place where trainers run, and what that place can say of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from eyebright_wire.events import Heartbeat
from eyebright_wire.jobs import Resources


@dataclass(frozen=True, slots=True)
class Handle:
    """Which run is meant. Derived from (job, attempt) alone, so that it survives any crash."""

    job_id: str
    attempt: int

    @property
    def name(self) -> str:
        return f"eyebright-{self.job_id}-a{self.attempt}"


class Vital(StrEnum):
    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Liveness:
    """What the executor knows of a run; only an input to decisions. `exit_code` None with `gone` = nobody saw it end."""

    vital: Vital
    exit_code: int | None = None
    out_of_memory: bool = False  # the kernel killed it for memory
    heartbeat: Heartbeat | None = None  # the newest one left on disk, in case the network did not carry it
    log_tail: str = ""  # with `gone`: the last lines it printed


@dataclass(frozen=True, slots=True)
class Slot:
    """One place to run: GPUs, or a share of the cores."""

    index: int
    resources: Resources = field(default_factory=Resources)
