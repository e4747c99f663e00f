"""Who is called with the token of the callers' API, and wherever it lies."""

import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from eyebright.errors import InvalidRequest
from eyebright.ports.webhooks import Sender
from eyebright.posting import sender
from eyebright.settings import Settings, TrainingServerSettings


@dataclass
class Receiver:
    """A server in a network that nobody opened."""

    url: str = ""
    status: int = 204
    calls: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Visit(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.calls.append((self.command, self.path, self.headers["Authorization"], body))
            self.send_response(found.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PATCH = do_POST

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Visit) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
async def posting(receiver: Receiver) -> AsyncIterator[Sender]:
    theirs = TrainingServerSettings(backend_url=f"{receiver.url}/api-of/theirs", token="swordfish")
    found = sender(Settings(training_server=theirs))
    yield found
    await found.close()


async def test_the_callers_api_is_called_where_it_lies_and_with_its_token(posting: Sender, receiver: Receiver):
    url = f"{receiver.url}/api-of/theirs/api/webhooks/training/progress"
    posting.check(f"{receiver.url}/api-of/theirs")
    assert (await posting.send("PATCH", url, {}, b"{}")).status == 204
    assert receiver.calls == [("PATCH", "/api-of/theirs/api/webhooks/training/progress", "Bearer swordfish", b"{}")]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api-of/theirs/users",
        "/api-of/theirs.evil/api/webhooks/training/complete",
        "/api-of/theirs/api/webhooks/training/../../../users",
        "/api-of/theirs/api/webhooks/training/complete?as=admin",
    ],
)
async def test_nothing_else_there_is_called_though_somebody_names_it(posting: Sender, receiver: Receiver, path: str):
    with pytest.raises(InvalidRequest):
        posting.check(receiver.url + path)
    answer = await posting.send("POST", receiver.url + path, {}, b"{}")
    assert answer.status is None
    assert receiver.calls == []


async def test_where_they_send_us_on_nobody_goes(posting: Sender, receiver: Receiver):
    receiver.status = 302
    answer = await posting.send("POST", f"{receiver.url}/api-of/theirs/api/webhooks/training/complete", {}, b"{}")
    assert answer.status == 302
    assert len(receiver.calls) == 1


async def test_without_such_an_api_the_rules_are_those_of_all(receiver: Receiver):
    found = sender(Settings())
    with pytest.raises(InvalidRequest):
        found.check(f"{receiver.url}/api/webhooks/training/complete")
    await found.close()
