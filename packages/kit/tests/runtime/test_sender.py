"""The sender against a real loopback server that behaves as badly as servers do."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from eyebright_kit.runtime import sender as sender_module
from eyebright_kit.runtime.sender import Sender
from eyebright_kit.runtime.spool import Spool
from eyebright_kit.runtime.stop import StopReason, StopRequest
from eyebright_kit.runtime.uplink import Uplink
from eyebright_kit.testing.ingest import IngestServer, Reply, problem
from eyebright_wire.events import EventBatch


@pytest.fixture
def server() -> Iterator[IngestServer]:
    with IngestServer() as server:
        yield server


@pytest.fixture
def stop() -> StopRequest:
    return StopRequest()


def _no_rest(_low: float, _high: float) -> float:
    return 0.0


@contextmanager
def _sending(spool: Spool, url: str, stop: StopRequest) -> Iterator[Sender]:
    sender = Sender(spool, Uplink(url, "secret"), stop, jitter=_no_rest)
    sender.start()
    try:
        yield sender
    finally:
        sender.close(0)


def _say(spool: Spool, sender: Sender, count: int) -> None:
    for _ in range(count):
        spool.append("progress", {"n": spool.last_seq}, 1)
        sender.nudge()


def _once(reply: Reply) -> Callable[[IngestServer, EventBatch], Reply | None]:
    """Answers so the first time, and honestly from then on."""
    left = [reply]
    return lambda _server, _batch: left.pop() if left else None


def test_everything_arrives_once_and_in_order(spool: Spool, server: IngestServer, stop: StopRequest):
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 25)
        assert sender.close(60)
    assert sorted(server.events) == list(range(1, 26))
    assert tuple(server.events.values()) == spool.read(1, 100)
    assert server.tokens == {"secret"}


def test_a_lost_answer_is_followed_by_the_same_events_again(spool: Spool, server: IngestServer, stop: StopRequest):
    server.after = _once(Reply(drop=True))
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 3)
        assert sender.close(60)
    assert server.acked == 3


def test_a_gap_rewinds_to_what_is_expected(spool: Spool, server: IngestServer, stop: StopRequest):
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 5)
        assert server.wait_for(lambda s: s.acked == 5)
        server.events = {seq: event for seq, event in server.events.items() if seq <= 2}  # restored from a backup
        _say(spool, sender, 1)
        assert sender.close(60)
    assert sorted(server.events) == [1, 2, 3, 4, 5, 6]


def test_a_restart_learns_from_the_first_answer_what_is_known(spool: Spool, server: IngestServer, stop: StopRequest):
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 5)
        assert sender.close(60)
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 1)
        assert sender.close(60)
    assert server.acked == 6


@pytest.mark.parametrize("status", [302, 401, 404, 422, 500, 503])
def test_any_other_answer_means_try_again(spool: Spool, server: IngestServer, stop: StopRequest, status: int):
    server.before = _once(Reply(status))
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 2)
        assert sender.close(60)
    assert server.acked == 2
    assert stop.reason is None


def test_an_answer_that_is_no_json_means_try_again(spool: Spool, server: IngestServer, stop: StopRequest):
    server.after = _once(Reply(200, {"hello": "I am the hotel's login page"}))
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 1)
        assert sender.close(60)


def test_a_server_that_accepts_nothing_is_not_hammered(spool: Spool, server: IngestServer, stop: StopRequest):
    rests: list[float] = []
    enough = threading.Event()

    def jitter(_low: float, high: float) -> float:
        rests.append(high)
        if len(rests) >= 10:
            enough.set()
        return 0.0

    server.after = lambda _server, _batch: Reply(200, {"acked": 0})
    sender = Sender(spool, Uplink(server.url, "t"), stop, jitter=jitter)
    sender.start()
    _say(spool, sender, 1)
    assert enough.wait(60)
    sender.close(0)
    assert rests[:4] == [0.25, 0.5, 1.0, 2.0]
    assert max(rests) == sender_module.LONGEST_REST_SECONDS


def test_a_server_that_is_away_delays_nothing_and_gets_everything_later(spool: Spool, stop: StopRequest):
    with socket.create_server(("127.0.0.1", 0)) as nobody:  # takes the call and never says a word
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/events"
        with _sending(spool, url, stop) as sender:
            began = time.monotonic()
            _say(spool, sender, 20)
            assert time.monotonic() - began < 60  # fsyncs, and no time-out for each
            assert sender.acked == 0
            assert not sender.close(0.2)
    with IngestServer() as back, _sending(spool, back.url, stop) as sender:
        sender.nudge()
        assert sender.close(60)
        assert back.acked == 20


def test_the_answer_can_ask_to_stop(spool: Spool, server: IngestServer, stop: StopRequest):
    server.cancel_after = "progress"
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 1)
        assert sender.close(60)
    assert stop.reason is StopReason.CANCEL


def test_once_fenced_it_says_nothing_more(spool: Spool, server: IngestServer, stop: StopRequest):
    server.before = lambda _server, _batch: problem("fenced")
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 1)
        assert stop.wait(60)
        assert stop.reason is StopReason.FENCED
        posts = server.posts
        _say(spool, sender, 3)
        assert not sender.close(60)
    assert (server.posts, server.acked) == (posts, 0)


def test_a_conflict_is_an_alarm_and_ends_sending(
    spool: Spool, server: IngestServer, stop: StopRequest, caplog: pytest.LogCaptureFixture
):
    server.before = lambda _server, _batch: problem("event_conflict", detail="event 1 differs")
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 1)
        assert server.wait_for(lambda s: s.posts == 1)
        assert not sender.close(60)
        assert sender.quiet
    assert stop.reason is None  # training goes on: the spool tells the whole story later
    assert "ALARM" in caplog.text
    assert "event 1 differs" in caplog.text


def test_a_server_that_knows_more_than_was_said_is_an_alarm(
    spool: Spool, server: IngestServer, stop: StopRequest, caplog: pytest.LogCaptureFixture
):
    server.after = lambda _server, _batch: Reply(200, {"acked": 99})
    with _sending(spool, server.url, stop) as sender:
        _say(spool, sender, 1)
        assert server.wait_for(lambda s: s.posts == 1)
        sender.close(60)
        assert sender.quiet
    assert "holds 99 events, we said 1" in caplog.text


def test_batches_are_bounded(spool: Spool, server: IngestServer, stop: StopRequest, monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []
    monkeypatch.setattr(sender_module, "BATCH", 7)

    def note(_server: IngestServer, batch: EventBatch) -> None:
        sizes.append(len(batch.events))

    server.before = note
    for number in range(20):
        spool.append("progress", {}, number)
    with _sending(spool, server.url, stop) as sender:
        assert sender.close(60)
    assert sizes == [7, 7, 6]
