"""Following a job: nothing twice, nothing lost, through whatever happens to the connection."""

from collections.abc import Iterator

import httpx
import pytest
from harness.scripted import Scripted, event, job, ok, problem, stream

from eyebright.cli.jobs import printed
from eyebright.client import Client
from eyebright.client.transport import TRIES, Transport
from eyebright.client.watching import PATIENCE_SECONDS, PAUSE_SECONDS, Watching
from eyebright.errors import NotFound, Unavailable
from eyebright_wire.jobs import JobState
from eyebright_wire.resources import LogChunk

LOG = LogChunk(attempt=1, offset=0, next_offset=5, text="hello", complete=False)
LOG_END = LogChunk(attempt=1, offset=5, next_offset=5, text="", complete=True)
RUNNING, DONE = job(), job(JobState.SUCCEEDED, version=9)


class Breaks(httpx.SyncByteStream):
    """A body that is cut off."""

    def __init__(self, whole: httpx.Response) -> None:
        self.content = whole.content

    def __iter__(self) -> Iterator[bytes]:
        yield self.content
        raise httpx.RemoteProtocolError("peer closed connection")


def cut_off(whole: httpx.Response) -> httpx.Response:
    return httpx.Response(200, stream=Breaks(whole), headers={"content-type": "text/event-stream"})


def test_everything_is_given_until_the_final_view(server: Scripted, client: Client) -> None:
    server.answers = [stream(RUNNING, event(1), event(2), DONE)]
    assert list(client.watch("job_1")) == [RUNNING, event(1), event(2), DONE]


def test_a_broken_stream_is_taken_up_where_it_broke(server: Scripted, client: Client) -> None:
    server.answers = [
        cut_off(stream(RUNNING, event(1), event(2))),
        httpx.ConnectError("restarting"),
        problem(503, "unavailable"),
        stream(RUNNING, event(2), event(3), DONE),
    ]
    items = list(client.watch("job_1"))
    assert items == [RUNNING, event(1), event(2), RUNNING, event(3), DONE]
    assert [request.headers["last-event-id"] for request in server.asked] == ["0", "2", "2", "2"]
    assert server.slept == [PAUSE_SECONDS] * 3


def test_a_stream_that_ends_early_is_taken_up_too(server: Scripted, client: Client) -> None:
    server.answers = [stream(RUNNING, event(1)), stream(RUNNING, DONE)]
    assert list(client.watch("job_1"))[-1] == DONE
    assert server.asked[1].url.params["after"] == "1"


def test_watching_begins_after_the_position_that_is_asked_for(server: Scripted, client: Client) -> None:
    server.answers = [stream(RUNNING, event(41), event(42), DONE)]
    assert list(client.watch("job_1", after=41)) == [RUNNING, event(42), DONE]


def test_messages_of_a_newer_server_are_passed_over(server: Scripted, client: Client) -> None:
    strange = "event: weather\ndata: sunny\n\n"
    body = strange.encode() + stream(RUNNING, DONE).content
    server.answers = [httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})]
    assert list(client.watch("job_1")) == [RUNNING, DONE]


def test_an_unknown_job_is_told_at_once(server: Scripted, client: Client) -> None:
    server.answers = [problem(404, "not_found", "there is no job job_1")]
    with pytest.raises(NotFound, match="no job job_1"):
        next(client.watch("job_1"))


def test_a_server_that_moved_is_followed(server: Scripted) -> None:
    server.answers = [httpx.ConnectError("gone"), stream(DONE)]
    transport = Transport(
        "http://127.0.0.1:1",
        "x",
        moved=lambda: "http://127.0.0.1:2",
        through=httpx.MockTransport(server),
        sleep=server.slept.append,
    )
    assert list(Watching(transport, "job_1")) == [DONE]
    assert [request.url.port for request in server.asked] == [1, 2]


def test_waiting_gives_the_final_view(server: Scripted, client: Client) -> None:
    server.answers = [stream(RUNNING, event(1)), stream(DONE)]
    assert client.wait("job_1") == DONE


class Clock:
    """Each look costs ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


def watching(server: Scripted, **fields: object) -> Watching:
    transport = Transport("http://eyebright.test", "x", through=httpx.MockTransport(server), sleep=server.slept.append)
    return Watching(transport, "job_1", **{"monotonic": Clock(), **fields})  # type: ignore[arg-type]


def test_patience_with_a_server_that_is_away_ends(server: Scripted) -> None:
    server.answers = [httpx.ConnectError("refused")]
    with pytest.raises(Unavailable, match="no answer"):
        list(watching(server))
    assert len(server.asked) == PATIENCE_SECONDS // 10 + 1


def test_a_long_silence_on_a_standing_line_does_not_count(server: Scripted) -> None:
    """A job that waits in the queue for hours has no news, and then the server is restarted."""
    clock = Clock()

    class Quiet(Breaks):
        def __iter__(self) -> Iterator[bytes]:
            yield self.content
            clock.now += 100 * PATIENCE_SECONDS
            raise httpx.RemoteProtocolError("peer closed connection")

    quiet = Quiet(stream(RUNNING))
    answer = httpx.Response(200, stream=quiet, headers={"content-type": "text/event-stream"})
    server.answers = [answer, httpx.ConnectError("restarting"), stream(RUNNING, DONE)]
    assert list(watching(server, monotonic=clock)) == [RUNNING, RUNNING, DONE]


def test_the_logs_are_followed_through_a_server_that_is_away_for_long(server: Scripted, client: Client) -> None:
    server.answers = [*[httpx.ConnectError("refused")] * 50, ok(LOG), ok(LOG_END), ok(DONE)]
    assert "".join(printed(client, "job_1", None, follow=True, sleep=server.slept.append)) == "hello"


def test_logs_that_are_not_followed_are_not_waited_for(server: Scripted, client: Client) -> None:
    server.answers = [httpx.ConnectError("refused")]
    with pytest.raises(Unavailable):
        list(printed(client, "job_1", None, follow=False, sleep=server.slept.append))
    assert len(server.asked) == TRIES


def test_a_deadline_ends_the_watching_however_much_is_going_on(server: Scripted) -> None:
    server.answers = [stream(RUNNING, *map(event, range(1, 100)), DONE)]
    with pytest.raises(TimeoutError):
        list(watching(server, deadline=100.0))
    assert len(server.asked) == 1


def test_a_deadline_ends_the_watching_and_not_the_job(server: Scripted) -> None:
    server.answers = [stream(RUNNING)]
    with pytest.raises(TimeoutError, match="goes on by itself"):
        list(watching(server, deadline=100.0))
    assert {request.method for request in server.asked} == {"GET"}
