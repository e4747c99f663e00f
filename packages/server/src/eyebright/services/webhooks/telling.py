"""What has happened becomes deliveries: one for each message and each endpoint that wants it, however often it is told."""

from collections.abc import Callable, Mapping, Sequence

import structlog

from eyebright.core.records import PROGRESS_TOPIC, Message
from eyebright.core.scope import Scope, within
from eyebright.core.webhook import Delivery, Endpoint, Happening, as_told, event_of
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobStore
from eyebright.ports.registry import DatasetStore, ModelStore
from eyebright.ports.webhooks import WebhookStore
from eyebright.services.signal import Signal
from eyebright.services.views import job_view, model_view, version_view
from eyebright.services.webhooks.dialects import Dialect
from eyebright.services.webhooks.endpoints import progress_seconds
from eyebright_wire.jobs import JobKind, JobState, kind_of
from eyebright_wire.resources import DatasetVersionView, JobView, ModelView
from eyebright_wire.webhooks import WebhookEvent, wanted

log = structlog.stdlib.get_logger(__name__)

#: An endpoint and a job.
Lane = tuple[str, str]
#: What the success of a job brings about besides.
_BROUGHT = {
    JobKind.IMPORT: WebhookEvent.DATASET_VALIDATED,
    JobKind.TRAINING: WebhookEvent.MODEL_REGISTERED,
    JobKind.EXPORT: WebhookEvent.MODEL_EXPORTED,
}


class Telling:
    """A subscriber that is told many messages at once, and writes them with one commit."""

    def __init__(
        self,
        store: WebhookStore,
        jobs: JobStore,
        datasets: DatasetStore,
        models: ModelStore,
        dialects: Mapping[str, Dialect],
        clock: Clock,
        wake: Signal,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._datasets = datasets
        self._models = models
        self._dialects = dialects
        self._clock = clock
        self._wake = wake
        self._next_ms: dict[Lane, int] = {}  # when progress may go out again
        self._held: dict[Lane, Message] = {}  # the newest progress of those whose hour has not come

    async def notify(self, message: Message) -> None:
        await self.notify_all([message])

    async def notify_all(self, messages: Sequence[Message]) -> None:
        """Raises what a dialect raised, once everything else is written down: to be told again."""
        for message in messages:
            if message.state.final:
                self._hurry(message.job_id)
        await self._tell(_newest(messages), self._goes_out)

    async def flush(self) -> None:
        """Tell the progress whose hour has come. What is held is known to this process alone: a crash leaves it out."""
        now_ms = self._clock.now_ms()
        due = {lane: message for lane, message in self._held.items() if self._next_ms.get(lane, 0) <= now_ms}
        if due:
            newest = {message.job_id: message for message in due.values()}
            await self._tell(list(newest.values()), lambda message, endpoint: self._is_due(message, endpoint, due))
            self._held = {
                lane: held for lane, held in self._held.items() if due.get(lane) is not held
            }  # nobody's by now

    def next_ms(self) -> int | None:
        """When `flush` has something to tell."""
        return min((self._next_ms.get(lane, 0) for lane in self._held), default=None)

    async def _tell(self, messages: Sequence[Message], may_go: Callable[[Message, Endpoint], bool]) -> None:
        endpoints = [endpoint for endpoint in await self._store.endpoints() if endpoint.enabled]
        made: list[Delivery] = []
        failed: dict[Lane, Exception] = {}
        for message in messages:
            theirs = [endpoint for endpoint in endpoints if endpoint.project == message.project]
            with within(Scope(message.project)):
                made += await self._made(message, theirs, may_go, failed)
        if made:
            await self._store.add(made)
            self._wake.set()
        for error in failed.values():
            raise error

    async def _made(
        self,
        message: Message,
        endpoints: Sequence[Endpoint],
        may_go: Callable[[Message, Endpoint], bool],
        failed: dict[Lane, Exception],
    ) -> list[Delivery]:
        """Of one message, to the endpoints of its project. What could not be worded is `failed` afterwards."""
        made: list[Delivery] = []
        for happening, ordinal, endpoint in await self._happenings(message, endpoints, may_go):
            lane = (endpoint.id, message.job_id)
            if lane in failed:
                continue
            try:
                made += await self._worded(happening, ordinal, endpoint)
            except Exception as error:
                failed[lane] = error
        return made

    def _goes_out(self, message: Message, endpoint: Endpoint) -> bool:
        """A change of state always; progress if its hour has come, else it is held."""
        lane = (endpoint.id, message.job_id)
        if message.topic != PROGRESS_TOPIC:
            self._held.pop(lane, None)
            return True
        now_ms = self._clock.now_ms()
        if now_ms < self._next_ms.get(lane, 0):
            self._held[lane] = message
            return False
        self._sets_out(lane, endpoint, now_ms)
        return True

    def _is_due(self, message: Message, endpoint: Endpoint, due: Mapping[Lane, Message]) -> bool:
        lane = (endpoint.id, message.job_id)
        if lane not in due:
            return False
        if lane in self._next_ms:
            self._sets_out(lane, endpoint, self._clock.now_ms())
        else:
            self._held.pop(lane, None)  # its job has ended
        return True

    def _hurry(self, job_id: str) -> None:
        """Of a job that has ended nothing more will come: who hears of progress alone gets the last of it now."""
        self._next_ms = {lane: at_ms for lane, at_ms in self._next_ms.items() if lane[1] != job_id}

    def _sets_out(self, lane: Lane, endpoint: Endpoint, now_ms: int) -> None:
        self._held.pop(lane, None)
        self._next_ms[lane] = now_ms + int(1000 * progress_seconds(endpoint, self._dialects))

    async def _happenings(
        self, message: Message, endpoints: Sequence[Endpoint], may_go: Callable[[Message, Endpoint], bool]
    ) -> list[tuple[Happening, int, Endpoint]]:
        """What of a message which endpoint wants, without looking at the job where nobody does."""
        events = _events(message)
        asked = [
            (event, ordinal, endpoint)
            for ordinal, event in enumerate(events)
            for endpoint in endpoints
            if wanted(event, endpoint.events) and may_go(message, endpoint)
        ]
        if not asked:
            return []
        job = as_told(job_view((await self._jobs.get(message.job_id)).job), message)
        resource = await self._resource(job) if len(events) > 1 else None
        return [
            (
                Happening(event=event, message=message, job=job, resource=resource if ordinal else None),
                ordinal,
                endpoint,
            )
            for event, ordinal, endpoint in asked
            if endpoint.labels.items() <= job.labels.items() and (resource or not ordinal)
        ]

    async def _resource(self, job: JobView) -> DatasetVersionView | ModelView | None:
        """What a job that succeeded has made."""
        if job.imported_version:
            return version_view(await self._datasets.version(job.imported_version))
        model_id = job.parent if job.kind is JobKind.EXPORT else job.model_id
        return model_view(await self._models.get(model_id)) if model_id else None

    async def _worded(self, happening: Happening, ordinal: int, endpoint: Endpoint) -> list[Delivery]:
        dialect = self._dialects.get(endpoint.dialect)
        if dialect is None:
            log.error("nobody speaks this dialect; not told", webhook=endpoint.id, dialect=endpoint.dialect)
            return []
        outgoing = await dialect.request(happening, endpoint)
        if outgoing is None:
            return []
        now_ms = self._clock.now_ms()
        message = happening.message
        return [
            Delivery(
                id=self._clock.new_id("msg"),
                endpoint_id=endpoint.id,
                subject=message.job_id,
                version=message.version,
                ordinal=ordinal,
                event=happening.event,
                outgoing=outgoing,
                next_at_ms=now_ms,
                created_at_ms=now_ms,
            )
        ]


def _newest(messages: Sequence[Message]) -> list[Message]:
    """Without the progress that the next message about the same job is ahead of."""
    last = {message.job_id: message.version for message in messages}
    return [m for m in messages if m.topic != PROGRESS_TOPIC or last[m.job_id] == m.version]


def _events(message: Message) -> list[WebhookEvent]:
    """The change itself, then what it brought about."""
    events = [event_of(message)]
    if message.state is JobState.SUCCEEDED and (brought := _BROUGHT.get(kind_of(message.trainer))):
        events.append(brought)
    return events
