"""A copy of what a run has not been heard to say, left where the control plane can read it: in the first line how the run stood
then, and in one line each the events."""

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
    def parse(cls, content: bytes, *, cut: bool = False) -> "LeftSpool":
        """What can be read of it, up to the first line that is torn or damaged. `cut`: more of it was there. Then it does not
        tell that the run is gone, as its last words may be among the rest."""
        first, _, rest = content.partition(b"\n")
        report = _report(first)
        events: list[Event] = []
        for line in (content if report is None else rest).splitlines(keepends=True):
            if (event := Event.from_line(line)) is None:
                report = report or _report(line)  # older services say it last
                break
            events.append(event)
        return cls(tuple(events), None if cut and report and report.vital is Vital.GONE else report)

    @property
    def liveness(self) -> Liveness | None:
        """None: it does not tell."""
        if self.report is not None:
            return self.report.liveness
        over = bool(self.events) and self.events[-1].kind in LAST_WORDS
        return Liveness(Vital.GONE) if over else None

    def after(self, seq: int) -> list[Event]:
        return [event for event in self.events if event.seq > seq]


def copy_of(events: bytes, report: RunReport) -> bytes:
    """The copy to leave of lines of a spool. A torn last one is left out."""
    return report.model_dump_json().encode() + b"\n" + events[: events.rfind(b"\n") + 1]


def _report(line: bytes) -> RunReport | None:
    try:
        return RunReport.model_validate_json(line)
    except ValidationError:
        return None
