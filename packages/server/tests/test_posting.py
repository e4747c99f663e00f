"""The sender of webhooks against real receivers, and against those who would have it call somebody else."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network

import httpx
import pytest
from harness.dns import NameServer
from harness.receiver import Receiver

from eyebright import posting
from eyebright.errors import InvalidRequest
from eyebright.posting import EgressSender
from eyebright_kit.egress import EgressRules

PUBLIC = "93.184.215.14"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def rules(receiver: Receiver) -> EgressRules:
    return EgressRules(schemes=("https", "http"), ports=(receiver.port,), allow=(ip_network("127.0.0.0/8"),))


@pytest.fixture
async def sender(rules: EgressRules):
    sender = EgressSender(rules, timeout_seconds=60, at_once=20)
    yield sender
    await sender.close()


async def post(sender: EgressSender, url: str, body: bytes = b"{}"):
    return await sender.send("POST", url, {"webhook-id": "msg_1"}, body)


@pytest.mark.parametrize("status", [200, 500, 410, 418])
async def test_what_is_answered_is_told(sender, receiver, status):
    path = {200: "/", 418: "/teapot"}.get(status, f"/{status}")
    answer = await post(sender, receiver.url(path), "é".encode())
    assert (answer.status, answer.taken) == (status, status == 200)
    assert receiver.at(path)[0].body == "é".encode()


async def test_a_redirect_is_not_followed(sender, receiver):
    answer = await post(sender, receiver.url("/302"))
    assert (answer.status, answer.taken) == (302, False)
    assert receiver.at("/never-followed") == []


async def test_what_a_receiver_asks_for_is_passed_on(sender, receiver):
    assert (await post(sender, receiver.url("/503"))).retry_after == "1"


async def test_who_never_answers_is_given_up(rules, receiver):
    hasty = EgressSender(rules, timeout_seconds=0.1, at_once=1)
    answer = await post(hasty, receiver.url("/slow"))
    assert (answer.status, answer.problem) == (None, "no answer within 0.1 s")
    await hasty.close()


async def test_what_is_no_http_is_a_failure_in_words(sender, receiver):
    answer = await post(sender, receiver.url("/garbage"))
    assert answer.status is None
    assert answer.problem


async def test_what_went_wrong_is_said_in_what_a_database_takes(sender, receiver, monkeypatch):
    async def fails(*_: object) -> None:
        raise httpx.RemoteProtocolError("illegal \0 line \udcff")

    monkeypatch.setattr(EgressSender, "_exchange", fails)
    assert (await post(sender, receiver.url("/200"))).problem == "illegal ? line ?"


async def test_a_body_without_an_end_costs_nothing(sender, receiver):
    async with asyncio.timeout(60):
        assert (await post(sender, receiver.url("/huge"))).taken


async def test_what_was_answered_counts_though_the_rest_takes_longer_than_an_answer_may(rules, monkeypatch):
    class Answered:
        @asynccontextmanager
        async def stream(self, *_: object, **__: object) -> AsyncIterator[httpx.Response]:
            yield httpx.Response(200)

    async def drained(_: httpx.Response) -> None:
        await asyncio.sleep(0.05)

    hasty = EgressSender(rules, timeout_seconds=0.01, at_once=1)
    monkeypatch.setattr(hasty, "_client", lambda _: Answered())
    monkeypatch.setattr(posting, "_drain", drained)
    assert (await post(hasty, "http://127.0.0.1/")).taken


async def test_nobody_at_home_is_a_failure_in_words(sender, rules):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        elsewhere = EgressSender(replace(rules, ports=(port,)), timeout_seconds=60, at_once=1)
        answer = await post(elsewhere, f"http://127.0.0.1:{port}/")
    assert answer.problem
    await elsewhere.close()


@pytest.fixture
def canary() -> Iterator[tuple[int, list[object]]]:
    """A listener that nobody may reach: its port, and who did."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        visitors: list[object] = []
        listener.settimeout(0.05)
        ending = threading.Event()

        def listen() -> None:
            while not ending.is_set():
                try:
                    line, whom = listener.accept()
                except TimeoutError:
                    continue
                visitors.append(whom)
                line.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield listener.getsockname()[1], visitors
        ending.set()
        thread.join()


LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[64:ff9b::127.0.0.1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "hooks.localhost",
    "１２７.0.0.1",
]


@pytest.mark.parametrize("host", LOOPBACK)
async def test_no_spelling_of_loopback_reaches_anybody(canary, host):
    port, visitors = canary
    cautious = EgressSender(EgressRules(schemes=("http",), ports=(port,)), timeout_seconds=2, at_once=1)
    url = f"http://{host}:{port}/"
    with pytest.raises(InvalidRequest):
        cautious.check(url)
    answer = await post(cautious, url)
    assert (answer.status, bool(answer.problem)) == (None, True)
    await cautious.close()
    assert visitors == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/", "scheme"),
        ("ftp://hooks.example/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("https://hooks.example:22/", "port 22"),
        ("https://me:secret@hooks.example/", "name or password"),
        ("https:///path", "host"),
        ("https://169.254.169.254/latest/meta-data", "link-local"),
        ("https://10.1.2.3/", "private"),
        ("not a url", "scheme"),
    ],
)
def test_what_may_not_be_called_is_refused_without_calling(monkeypatch, url, why):
    looked_up: list[object] = []
    real = socket.getaddrinfo

    def look(host, port, *args, **options):
        if not options.get("flags", 0) & socket.AI_NUMERICHOST:
            looked_up.append(host)
        return real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    with pytest.raises(InvalidRequest, match=why) as refused:
        EgressSender(EgressRules(), timeout_seconds=1, at_once=1).check(url)
    assert "secret" not in str(refused.value)
    assert looked_up == []


def test_the_refusal_of_a_private_address_names_the_way_to_permit_it():
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_EGRESS__ALLOW"):
        EgressSender(EgressRules(), timeout_seconds=1, at_once=1).check("https://192.168.1.5/hook")


def test_a_public_name_is_accepted_without_asking_for_it():
    EgressSender(EgressRules(), timeout_seconds=1, at_once=1).check("https://surely-not-there.example/hook?token=x")


async def test_a_name_that_rebinds_reaches_nobody(canary, monkeypatch):
    """Accepted when it was public, at 127.0.0.1 when it is called: at the first try, and between two."""
    port, visitors = canary
    with NameServer() as names:
        names.book["rebind.example"] = [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1"]]
        monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo(socket.getaddrinfo))
        cautious = EgressSender(EgressRules(schemes=("http",), ports=(port,)), timeout_seconds=60, at_once=1)
        url = f"http://rebind.example:{port}/"
        cautious.check(url)
        assert names.asked == []
        for _ in range(3):
            answer = await post(cautious, url)
            assert "rebind.example is at 127.0.0.1 (loopback)" in answer.problem
        assert len(names.asked) == 3  # looked up once for each try, and what was found is what was judged
        await cautious.close()
    assert visitors == []


async def test_a_redirect_to_this_machine_reaches_nobody(canary, sender, receiver):
    _, visitors = canary
    assert (await post(sender, receiver.url("/302"))).status == 302
    assert visitors == []
    assert len(receiver.visits) == 1
