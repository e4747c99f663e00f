"""A copy of a spool, left where the control plane can read it while it hears nothing of the run: the events, a line for each,
and in a last line how the run stood then."""

from dataclasses import dataclass

from pydantic import ValidationError

from eyebright_wire.events import LAST_WORDS, Event
from eyebright_wire.runs import Liveness, Vital
from eyebright_wire.services import RunReport


@dataclass(frozen=True, slots=True)
class LeftSpool:
    """`report` None: the run left it by itself, as its very last act."""

    events: tuple[Event, ...]
    report: RunReport | None = None

    @classmethod
    def parse(cls, content: bytes) -> "LeftSpool":
        """What can be read of it, up to the first line that is torn or damaged."""
        events: list[Event] = []
        for line in content.splitlines(keepends=True):
            if (event := Event.from_line(line)) is None:
                return cls(tuple(events), _report(line))
            events.append(event)
        return cls(tuple(events))

    @property
    def liveness(self) -> Liveness | None:
        """None: it does not tell."""
        if self.report is not None:
            return self.report.liveness
        over = bool(self.events) and self.events[-1].kind in LAST_WORDS
        return Liveness(Vital.GONE) if over else None

    def after(self, seq: int) -> list[Event]:
        return [event for event in self.events if event.seq > seq]


def whole(spool: bytes, report: RunReport) -> bytes:
    """The copy to leave. A torn last line of the spool is left out."""
    return spool[: spool.rfind(b"\n") + 1] + report.model_dump_json().encode() + b"\n"


def _report(line: bytes) -> RunReport | None:
    try:
        return RunReport.model_validate_json(line)
    except ValidationError:
        return None
