"""What happens right after a commit: whoever waits for that kind of news is woken. Nothing here is needed for correctness."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from eyebright.core.records import Change
from eyebright.services.signal import Signal
from eyebright.services.topics import Topics


@dataclass(frozen=True, slots=True)
class Announcer:
    dispatcher: Signal = field(default_factory=Signal)
    sweeper: Signal = field(default_factory=Signal)
    outbox: Signal = field(default_factory=Signal)
    webhooks: Signal = field(default_factory=Signal)
    jobs: Topics = field(default_factory=Topics)

    def submitted(self, job_id: str) -> None:
        self.jobs.publish(job_id)
        self.dispatcher.set()
        self.outbox.set()

    def committed(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._tell(change)

    def _tell(self, change: Change) -> None:
        job, attempt = change.after.job, change.after.attempt
        if change.job_changed:
            self.jobs.publish(job.id)
            self.outbox.set()
        if not job.state.live or (attempt and attempt.gone_at_ms):
            self.dispatcher.set()
        if job.cancel_requested or (attempt and (attempt.claim or not attempt.live)):
            self.sweeper.set()
