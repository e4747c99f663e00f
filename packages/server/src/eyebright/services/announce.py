"""What happens right after a commit: whoever waits for that kind of news is woken, on other servers too. Nothing here is needed
for correctness."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from eyebright.core.records import Change
from eyebright.ports.bus import ALL
from eyebright.services.calls import Calls
from eyebright.services.signal import Signal
from eyebright.services.topics import Topics

#: What loops are called by; anything else is the id of a job.
DISPATCHER, SWEEPER, OUTBOX, WEBHOOKS = "dispatcher", "sweeper", "outbox", "webhooks"


@dataclass(frozen=True, slots=True)
class Announcer:
    dispatcher: Signal = field(default_factory=Signal)
    sweeper: Signal = field(default_factory=Signal)
    outbox: Signal = field(default_factory=Signal)
    webhooks: Signal = field(default_factory=Signal)
    jobs: Topics = field(default_factory=Topics)
    calls: Calls = field(default_factory=Calls)

    def submitted(self, job_id: str) -> None:
        self._call(job_id, DISPATCHER, OUTBOX)

    def committed(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._call(*_concerned(change))

    def heard(self, calls: Iterable[str]) -> None:
        """Of another server."""
        for call in calls:
            self._wake(call)

    def _call(self, *calls: str) -> None:
        self.heard(calls)
        self.calls.add(*calls)

    def _wake(self, call: str) -> None:
        signals = {
            DISPATCHER: self.dispatcher,
            SWEEPER: self.sweeper,
            OUTBOX: self.outbox,
            WEBHOOKS: self.webhooks,
        }
        if call == ALL:
            for signal in signals.values():
                signal.set()
            self.jobs.publish_all()
        elif call in signals:
            signals[call].set()
        else:
            self.jobs.publish(call)


def _concerned(change: Change) -> Iterable[str]:
    job, attempt = change.after.job, change.after.attempt
    if change.job_changed:
        yield from (job.id, OUTBOX)
    if not job.state.live or (attempt and attempt.gone_at_ms):
        yield DISPATCHER
    if job.cancel_requested or (attempt and (attempt.claim or not attempt.live)):
        yield SWEEPER
