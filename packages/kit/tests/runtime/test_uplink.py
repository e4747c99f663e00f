import http.server
import threading
from collections.abc import Iterator

import pytest

from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.runtime.uplink import Accepted, Conflict, Fenced, Gap, Unreachable, Uplink, understand
from eyebright_kit.testing.ingest import IngestServer
from eyebright_wire.events import Event, Heartbeat

EVENT = Event(seq=1, kind="started", at_ms=1)


class _Impatient(http.server.BaseHTTPRequestHandler):
    """Promises to keep the connection and closes it, as servers and proxies do with idle ones."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"acked": 1}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def impatient() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Impatient) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/events"
        server.shutdown()
        thread.join()


def test_a_connection_that_was_closed_while_idle_is_opened_again_at_once(impatient: str):
    line = Uplink(impatient, "t")
    assert [line.send((EVENT,)) for _ in range(3)] == [Accepted(1, False)] * 3
    line.close()


def test_one_connection_serves_many_posts():
    with IngestServer() as server:
        line = Uplink(server.url + "/", "t")
        assert line.send((EVENT,)) == Accepted(1, False)
        assert line.beat(Heartbeat(at_ms=1, moved_at_ms=1)) == Accepted(1, False)
        line.close()
    assert (server.acked, len(server.heartbeats)) == (1, 1)


def test_nobody_there_is_an_answer_not_an_exception():
    line = Uplink("http://127.0.0.1:9/events", "t", timeout_seconds=1)
    assert isinstance(line.send((EVENT,)), Unreachable)
    line.close()


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with IngestServer() as server:
        line = Uplink(server.url, "t")
        assert line.send((EVENT,)) == Accepted(1, False)
        line.close()


@pytest.mark.parametrize("url", ["ftp://x/", "events", "http:///x", ""])
def test_a_url_that_is_none_is_named(url: str):
    with pytest.raises(ConfigInvalid, match="events_url"):
        Uplink(url, "t")


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b'{"acked": 7, "cancel": true, "new": 1}', Accepted(7, True)),
        (409, b'{"code": "gap", "expected": 5}', Gap(5)),
        (409, b'{"code": "fenced"}', Fenced()),
        (409, b'{"code": "event_conflict", "detail": "x"}', Conflict("x")),
        (409, b'{"code": "from_the_future"}', Unreachable("HTTP 409 from_the_future")),
        (302, b"", Unreachable("HTTP 302")),
        (503, b"busy", Unreachable("HTTP 503")),
    ],
)
def test_each_answer_has_one_meaning(status: int, body: bytes, answer: object):
    assert understand(status, body) == answer


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (409, b"no"),
        (409, b'{"code": "gap"}'),
        (409, b"[1]"),
        (409, b"\xff"),
    ],
)
def test_an_answer_of_somebody_else_means_try_again(status: int, body: bytes):
    assert isinstance(understand(status, body), Unreachable)
