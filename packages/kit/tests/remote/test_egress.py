import itertools
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import trustme

from eyebright_kit import egress
from eyebright_kit.addresses import kind_of
from eyebright_kit.egress import AnswerTooLarge, EgressDenied, EgressRules, async_client, client, denied, shown


def greet(visit: Any) -> None:
    visit.head(200, Content_Length=5)
    visit.wfile.write(b"hello")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.100.100.200", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("168.63.129.16", "link-local"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "reserved"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "reserved"),
        ("192.168.255.255", "private"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.254", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::7f00:1", "reserved"),  # the old IPv4-compatible form of 127.0.0.1
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:0:127.0.0.1", "reserved"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::169.254.169.254", "link-local"),
        ("64:ff9b::224.0.0.1", "multicast"),
        ("64:ff9b:1::8.8.8.8", "local NAT64"),
        ("64:ff9b:1:ffff::1", "local NAT64"),
        ("100::1", "reserved"),
        ("2001::1", "Teredo"),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", "Teredo"),  # its client is 127.0.0.1, written inverted
        ("2001:2::1", "benchmarking"),
        ("2001:10::1", "reserved"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "6to4"),
        ("2002:a9fe:a9fe::", "6to4"),
        ("3fff::1", "documentation"),
        ("4000::1", "reserved"),
        ("5f00::1", "reserved"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("fe80::1%lo", "link-local"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
        ("ff0e::1", "multicast"),
    ],
)
def test_what_is_not_public_is_denied_by_its_kind(address: str, kind: str):
    assert kind_of(ip_address(address)) == kind


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450:4001::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
    ],
)
def test_public_addresses_may_be_called(address: str):
    assert denied(ip_address(address), EgressRules()) is None


def test_a_permitted_network_is_permitted_behind_nat64_too():
    rules = EgressRules(allow=(ip_network("10.0.0.0/8"),))
    assert denied(ip_address("64:ff9b::10.0.0.1"), rules) is None
    assert denied(ip_address("10.1.2.3"), rules) is None
    assert denied(ip_address("192.168.0.1"), rules) == "private"


def test_loopback_is_refused_by_default_and_reached_when_it_is_permitted(web: Callable[..., Any]):
    site = web(greet)
    with (
        client(replace(site.rules, allow=())) as cautious,
        pytest.raises(EgressDenied, match=r"127\.0\.0\.1 \(loopback\)"),
    ):
        cautious.get(site.url)
    assert site.visits == []
    with client(site.rules) as trusting:
        assert trusting.get(site.url).text == "hello"


async def test_coroutines_have_the_same_way_out(web: Callable[..., Any], names: dict[str, list[list[str]]]):
    site = web(greet)
    names["rebind.example"] = [["127.0.0.1"]]
    async with async_client(replace(site.rules, allow=())) as cautious:
        with pytest.raises(EgressDenied, match=r"rebind\.example is at 127\.0\.0\.1"):
            await cautious.get(f"http://rebind.example:{site.port}/")
    async with async_client(site.rules, max_bytes=5) as trusting:
        assert (await trusting.get(f"http://rebind.example:{site.port}/")).text == "hello"
    async with async_client(site.rules, max_bytes=4) as narrow:
        with pytest.raises(AnswerTooLarge, match="more than 4 bytes"):
            await narrow.get(site.url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:7f00:1]", "localhost", "0"])
def test_no_spelling_of_loopback_gets_through(web: Callable[..., Any], host: str):
    site = web(greet)
    with client(replace(site.rules, allow=())) as cautious, pytest.raises((EgressDenied, httpx.ConnectError)):
        cautious.get(f"http://{host}:{site.port}/")
    assert site.visits == []


def test_a_name_that_turns_to_loopback_after_the_look_up_gains_nothing(
    web: Callable[..., Any], names: dict[str, list[list[str]]]
):
    """192.0.0.8 is permitted here to stand for a public address: nobody answers there."""
    site = web(greet)
    names["rebind.example"] = [["192.0.0.8"], ["127.0.0.1"]]
    rules = replace(site.rules, allow=(ip_network("192.0.0.8"),), connect_seconds=0.2)
    with client(rules) as way_out, pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)):
        way_out.get(f"http://rebind.example:{site.port}/")
    assert site.visits == []


def test_the_connection_goes_to_the_address_that_was_compared(
    web: Callable[..., Any], names: dict[str, list[list[str]]]
):
    meant = web(greet, host="127.0.0.2")
    other = web(greet, host="127.0.0.1", port=meant.port)
    names["rebind.example"] = [["127.0.0.2"], ["127.0.0.1"]]
    with client(replace(meant.rules, allow=(ip_network("127.0.0.2"),))) as way_out:
        assert way_out.get(f"http://rebind.example:{meant.port}/").text == "hello"
    assert (len(meant.visits), len(other.visits)) == (1, 0)


def test_one_denied_address_among_several_denies_the_name(web: Callable[..., Any], names: dict[str, list[list[str]]]):
    site = web(greet)
    names["mixed.example"] = [["127.0.0.2", "127.0.0.1"]]
    rules = replace(site.rules, allow=(ip_network("127.0.0.1"),))
    with client(rules) as way_out, pytest.raises(EgressDenied, match=r"mixed\.example is at 127\.0\.0\.2"):
        way_out.get(f"http://mixed.example:{site.port}/")
    assert site.visits == []


def test_the_next_address_is_tried_when_nobody_answers_at_the_first(
    web: Callable[..., Any], names: dict[str, list[list[str]]]
):
    site = web(greet)
    names["two.example"] = [["127.0.0.9", "127.0.0.1"]]
    with client(site.rules) as way_out:
        assert way_out.get(f"http://two.example:{site.port}/").text == "hello"


@pytest.mark.parametrize("name", [f"{'a' * 70}.example", "no-such-name.invalid"])
def test_a_name_that_does_not_resolve_is_a_connection_error(name: str):
    with client(EgressRules()) as way_out, pytest.raises(httpx.ConnectError, match="cannot be resolved"):
        way_out.get(f"https://{name}/")


def test_tls_verifies_the_name_though_the_connection_goes_to_a_number(
    web: Callable[..., Any], names: dict[str, list[list[str]]], tmp_path: Path
):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("store.example").configure_cert(context)
    site = web(greet, context=context)
    names["store.example"] = names["other.example"] = [["127.0.0.1"]]
    rules = replace(site.rules, authorities=tmp_path / "authority.pem")
    with client(rules) as way_out:
        assert way_out.get(f"https://store.example:{site.port}/").text == "hello"
        with pytest.raises(httpx.ConnectError, match=r"not valid for 'other\.example'"):
            way_out.get(f"https://other.example:{site.port}/")
    with client(site.rules) as stranger, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.get(f"https://store.example:{site.port}/")


def test_a_redirect_is_an_answer_and_not_followed(web: Callable[..., Any]):
    site = web(lambda visit: visit.head(302, Location="http://169.254.169.254/latest/", Content_Length=0))
    with client(site.rules) as way_out:
        assert way_out.get(site.url).status_code == 302
    assert len(site.visits) == 1


def test_proxies_certificates_and_passwords_of_the_environment_are_not_used(
    web: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    site, trap = web(greet), web(greet)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, trap.url)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login alice password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    with client(site.rules) as way_out:
        way_out.get(site.url)
    assert trap.visits == []
    assert site.visits[0].headers["Authorization"] is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "has the scheme 'http'; this server may call https"),
        ("ftp://example.com/", "has the scheme 'ftp'"),
        ("https://example.com:8443/", "has port 8443; this server may call 443"),
        ("https://alice:secret@example.com/x?token=secret", "holds a name or password"),
        ("https://secret@example.com/x", "holds a name or password"),
    ],
)
def test_what_an_address_shows_is_refused_before_anybody_is_called(url: str, why: str):
    with client(EgressRules()) as way_out, pytest.raises(EgressDenied) as caught:
        way_out.get(url)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://a.example/x.zip?X-Amz-Signature=secret#secret", "https://a.example/x.zip"),
        ("https://alice:secret@a.example:8443/x", "https://…/x"),
        ("https://secret@a.example/x", "https://a.example/x"),
        ("https://alice:sec?ret@a.example/x", "https://…"),
        ("https://alice:sec/ret@a.example/x", "https://…/ret@a.example/x"),
        ("https://a.example/\x1b[31m", "https://a.example/\\x1b[31m"),
        ("https://a.example/" + "x" * 500, "https://a.example/" + "x" * 182 + "…"),
        ("nonsense", "nonsense"),
    ],
)
def test_messages_never_show_a_query_or_credentials(url: str, text: str):
    assert shown(url) == text


def test_logs_never_show_a_query(web: Callable[..., Any], caplog: pytest.LogCaptureFixture):
    site = web(lambda visit: visit.head(302, Location="http://else.example/?sig=secret2", Content_Length=0))
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "httpx"), client(site.rules) as way_out:
        way_out.get(f"{site.url}/x.zip?sig=secret1")
    assert f"GET {site.url}/x.zip" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("declared", [True, False])
def test_an_answer_may_not_exceed_its_allowance(web: Callable[..., Any], declared: bool):
    def endless(visit: Any) -> None:
        visit.head(200, **({"Content_Length": 1 << 40} if declared else {"Connection": "close"}))
        while not visit.site.closing.is_set():
            visit.wfile.write(bytes(1 << 16))

    site = web(endless)
    with (
        client(site.rules, max_bytes=1 << 20) as way_out,
        pytest.raises(AnswerTooLarge, match="more than 1,048,576 bytes"),
    ):
        way_out.get(site.url)


def drip(visit: Any, data: bytes) -> None:
    for byte in data:
        visit.wfile.write(bytes([byte]))
        if visit.site.closing.wait(0.05):
            return


@pytest.mark.parametrize(
    "trickle",
    [
        pytest.param(lambda visit: visit.site.closing.wait(30), id="nothing at all"),
        pytest.param(lambda visit: drip(visit, b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 999), id="a head without end"),
        pytest.param(
            lambda visit: (visit.head(200, Content_Length=9999), drip(visit, b"x" * 9999)), id="a body byte by byte"
        ),
    ],
)
def test_a_trickle_ends_at_the_time_out(web: Callable[..., Any], trickle: Callable[[Any], None]):
    site = web(trickle)
    began = time.monotonic()
    with client(replace(site.rules, read_seconds=0.3)) as way_out, pytest.raises(httpx.ReadTimeout):
        way_out.get(site.url)
    assert time.monotonic() - began < 25


async def test_a_trickle_ends_for_coroutines_too(web: Callable[..., Any]):
    site = web(lambda visit: (visit.head(200, Content_Length=9999), drip(visit, b"x" * 9999)))
    async with async_client(replace(site.rules, read_seconds=0.3)) as way_out:
        with pytest.raises(httpx.ReadTimeout):
            await way_out.get(site.url)


def test_a_kept_connection_may_be_slow_to_answer_more_than_once(
    web: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    """Each request has its own patience: what the one before waited does not count."""
    ticks = itertools.count(0, 10)  # ten seconds for each read: there are one or two to an answer
    monkeypatch.setattr(egress, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    site = web(greet)
    with client(replace(site.rules, read_seconds=30)) as way_out:
        assert [way_out.get(site.url).text for _ in range(3)] == ["hello"] * 3
    assert len({visit.client_address for visit in site.visits}) == 1
