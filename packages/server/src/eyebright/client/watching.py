"""Follow a job over server-sent events, through restarts of the server and gaps in the network."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
from httpx_sse import ServerSentEvent, SSEError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from eyebright.client.routes import route
from eyebright.client.transport import Transport, is_transient, no_answer
from eyebright.errors import Unavailable
from eyebright_wire.resources import EventView, JobView

#: How long a server may be away before whoever watches is told. The job itself does not mind.
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 1.0


def patiently(seconds: float = PATIENCE_SECONDS, *, sleep: Callable[[float], None] = time.sleep) -> Retrying:
    """Asks again while the server is away: for as long as a watch waits, unless told otherwise."""
    return Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(PAUSE_SECONDS),
        retry=retry_if_exception(is_transient),
        sleep=sleep,
        reraise=True,
    )


@dataclass
class Watching:
    """Where one watcher stands. `deadline` is on the clock of `monotonic`; past it TimeoutError is raised."""

    transport: Transport
    job_id: str
    position: int = 0
    deadline: float | None = None
    monotonic: Callable[[], float] = time.monotonic
    _heard: float = field(default=0.0, init=False)  # when the line last stood

    def __iter__(self) -> Iterator[JobView | EventView]:
        """The job, then each change of it and each new event, once, in order. Ends after the final JobView."""
        self._heard = self.monotonic()
        while True:
            try:
                for item in self._listen():
                    yield item
                    if isinstance(item, JobView) and item.state.final:
                        return
                    self._check_deadline()
            except (httpx.TransportError, SSEError, Unavailable) as error:
                self._bear(error)
            self._check_deadline()
            self.transport.sleep(PAUSE_SECONDS)
            self.transport.follow()

    def _listen(self) -> Iterator[JobView | EventView]:
        with self.transport.listen(
            route("jobs", self.job_id, "events"),
            params={"after": self.position},
            headers={"Last-Event-ID": str(self.position)},
            timeout=self._timeout(),
        ) as source:
            try:
                for message in source.iter_sse():
                    if (item := self._understand(message)) is not None:
                        yield item
            finally:
                self._heard = self.monotonic()  # however quiet the job was: a server that is there keeps the line

    def _understand(self, message: ServerSentEvent) -> JobView | EventView | None:
        if message.event == "job":
            return JobView.model_validate_json(message.data)
        with suppress(ValueError):  # a kind of message from a newer server: not for us
            event = EventView.model_validate_json(message.data)
            if event.position > self.position:
                self.position = event.position
                return event
        return None

    def _timeout(self) -> httpx.Timeout:
        if self.deadline is None:
            return httpx.Timeout(60.0, connect=5.0)
        return httpx.Timeout(min(60.0, max(0.05, self.deadline - self.monotonic())), connect=5.0)

    def _bear(self, error: Exception) -> None:
        if isinstance(error, Unavailable) and not is_transient(error):
            raise error
        self._check_deadline()
        if self.monotonic() - self._heard > PATIENCE_SECONDS:
            raise Unavailable(no_answer(self.transport.url, error)) from error

    def _check_deadline(self) -> None:
        if self.deadline is not None and self.monotonic() >= self.deadline:
            raise TimeoutError(f"job {self.job_id} has not ended in time; it goes on by itself")
