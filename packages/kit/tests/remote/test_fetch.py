"""Fetching over http; what is said here of resuming, limits and stopping holds for every source."""

import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eyebright_kit.egress import EgressRules
from eyebright_kit.remote import fetch as fetching
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.fetch import (
    FetchFailed,
    FetchLimits,
    Sources,
    Stopped,
    default_name,
    fetch,
    fetch_file,
    require_fetchable,
)
from eyebright_kit.remote.source import READERS, Body, Listed, not_found
from eyebright_kit.remote.transfer import Transfer

QUICK = FetchLimits(wait_seconds=0.001)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def refusal(*args: Any, **options: Any) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        fetch(*args, **options)
    return caught.value


def test_a_zip_is_fetched_as_it_is(web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path):
    site, seen = web(shelf(zipped)), []
    found = fetch(
        f"{site.url}/set.zip?sig=1", tmp_path / "in", rules=site.rules, progress=lambda *both: seen.append(both)
    )
    assert sha256(found.read_bytes()) == sha256(zipped)
    assert found.parent == tmp_path / "in"
    assert seen[-1] == (len(zipped), len(zipped))
    assert site.visits[0].path == "/set.zip?sig=1"


def test_a_file_is_fetched_whatever_it_holds(web: Callable[..., Any], shelf: Any, tmp_path: Path):
    site = web(shelf(b"no zip", cuts=(2,)))
    found = fetch_file(f"{site.url}/best.pt", tmp_path / "in", rules=site.rules, limits=QUICK)
    assert (found.parent, found.read_bytes()) == (tmp_path / "in", b"no zip")


def test_a_file_is_one_object_of_a_limited_size(web: Callable[..., Any], shelf: Any, tmp_path: Path):
    site = web(shelf(b"no zip"))
    with pytest.raises(FetchFailed, match="more than 5 bytes"):
        fetch_file(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=replace(QUICK, max_file_bytes=5))
    with pytest.raises(FetchFailed, match="is a folder"):
        fetch_file("s3://bucket/folder/", tmp_path / "other")


def test_a_cut_transfer_goes_on_where_it_was_cut(web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path):
    site = web(shelf(zipped, cuts=(100_000, 50_000)))
    found = fetch(f"{site.url}/set.zip", tmp_path / "in", rules=site.rules, limits=QUICK)
    assert found.read_bytes() == zipped
    assert site.ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert [visit.headers["If-Match"] for visit in site.visits] == [None, '"v1"', '"v1"']


def test_a_server_without_ranges_starts_over(web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path):
    site, seen = web(shelf(zipped, cuts=(100_000,), ranges=False)), []
    found = fetch(
        f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK, progress=lambda *both: seen.append(both)
    )
    assert found.read_bytes() == zipped
    assert seen[-1] == (len(zipped), len(zipped))


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_without_a_tag_that_names_the_bytes_nothing_is_pieced_together(
    web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path, etag: str | None
):
    site = web(shelf(zipped, cuts=(100_000,), etag=etag))
    assert fetch(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK).read_bytes() == zipped
    assert site.ranges == [None, None]


def test_the_date_of_the_last_change_serves_as_a_tag(web: Callable[..., Any], zipped: bytes, tmp_path: Path):
    date = "Sat, 21 Nov 2026 08:00:00 GMT"

    def dated(visit: Any) -> None:
        if visit.headers["Range"]:
            whole = len(zipped)
            visit.head(
                206, Content_Length=whole - 5000, Content_Range=f"bytes 5000-{whole - 1}/{whole}", Last_Modified=date
            )
            visit.wfile.write(zipped[5000:])
        else:
            visit.head(200, Content_Length=len(zipped), Last_Modified=date)
            visit.wfile.write(zipped[:5000])
            visit.cut()

    site = web(dated)
    assert fetch(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK).read_bytes() == zipped
    assert site.visits[1].headers["If-Unmodified-Since"] == date


def test_an_object_that_changed_in_between_is_not_pieced_together(
    web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path
):
    old, new = shelf(zipped, cuts=(100_000,)), shelf(zipped[::-1], etag='"v2"')
    site = web(lambda visit: (old if len(site.visits) == 1 else new)(visit))
    failure = refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK)
    assert failure.code == "changed"


def test_a_server_that_ignores_the_condition_is_found_out(web: Callable[..., Any], zipped: bytes, tmp_path: Path):
    def careless(visit: Any) -> None:
        whole, tag = len(zipped), f'"v{len(site.visits)}"'
        if visit.headers["Range"]:
            visit.head(206, Content_Length=whole - 9, Content_Range=f"bytes 9-{whole - 1}/{whole}", ETag=tag)
        else:
            visit.head(200, Content_Length=whole, ETag=tag)
            visit.wfile.write(zipped[:9])
            visit.cut()

    site = web(careless)
    assert refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK).code == "changed"


def test_another_size_under_the_same_tag_is_a_change(web: Callable[..., Any], zipped: bytes, tmp_path: Path):
    def grown(visit: Any) -> None:
        if visit.headers["Range"]:
            visit.head(206, Content_Length=91, Content_Range="bytes 9-99/100", ETag='"v1"')
        else:
            visit.head(200, Content_Length=len(zipped), ETag='"v1"')
            visit.wfile.write(zipped[:9])
            visit.cut()

    site = web(grown)
    assert refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK).code == "changed"


def test_a_second_start_leaves_nothing_of_the_first(web: Callable[..., Any], zipped: bytes, tmp_path: Path):
    """Without a length or a tag the second answer may be shorter than what came of the first."""

    def shrinking(visit: Any) -> None:
        visit.head(200, Transfer_Encoding="chunked")
        if len(site.visits) == 1:
            visit.wfile.write(b"%x\r\n%s\r\n" % (len(zipped), zipped))
            visit.cut()
        else:
            visit.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (1000, zipped[:1000]))

    site = web(shrinking)
    found = fetch(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK)
    assert found.read_bytes() == zipped[:1000]


def test_answers_that_end_early_each_time_end_after_some_tries(web: Callable[..., Any], zipped: bytes, tmp_path: Path):
    def crumbs(visit: Any) -> None:
        start = int((visit.headers["Range"] or "bytes=0-")[6:-1])
        span = f"bytes {start}-{start + 9}/{len(zipped)}"
        visit.head(206, Content_Length=10, Content_Range=span, ETag='"v1"')
        visit.wfile.write(zipped[start : start + 10])

    site = web(crumbs)
    failure = refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK)
    assert failure.code == "unreachable"
    assert len(site.visits) == QUICK.tries


def test_a_length_that_promises_more_than_comes_ends_after_some_tries(
    web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path
):
    def liar(visit: Any) -> None:
        visit.head(200, Content_Length=len(zipped) + 10, Connection="close")
        visit.wfile.write(zipped)

    site = web(liar)
    failure = refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=replace(QUICK, tries=3))
    assert failure.code == "unreachable"
    assert "3 tries" in failure.message
    assert len(site.visits) == 3


def test_a_length_that_promises_less_than_comes_gives_no_more_than_it_says(
    web: Callable[..., Any], zipped: bytes, tmp_path: Path
):
    def liar(visit: Any) -> None:
        visit.head(200, Content_Length=1000, Connection="close")
        visit.wfile.write(zipped)

    site = web(liar)
    assert fetch(f"{site.url}/a", tmp_path / "in", rules=site.rules).read_bytes() == zipped[:1000]


def test_a_byte_for_each_connection_is_no_progress(web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path):
    site = web(shelf(zipped, cuts=(1,) * 1000))
    refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK)
    assert len(site.visits) == QUICK.tries


def test_a_good_stretch_earns_new_tries(web: Callable[..., Any], shelf: Any, tmp_path: Path):
    content = b"PK\x03\x04" + bytes(30 << 20)
    site = web(shelf(content, cuts=(9 << 20, 9 << 20, 9 << 20)))
    found = fetch(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=replace(QUICK, tries=1))
    assert found.stat().st_size == len(content)


def test_a_busy_server_is_asked_again_when_it_says(web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path):
    good = shelf(zipped)
    busy = lambda visit: visit.head(503, Retry_After=1, Content_Length=0)  # noqa: E731
    site = web(lambda visit: (busy if len(site.visits) == 1 else good)(visit))
    began = time.monotonic()
    assert fetch(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=QUICK).read_bytes() == zipped
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_without_end_hits_the_cap(web: Callable[..., Any], tmp_path: Path, chunked: bool):
    def endless(visit: Any) -> None:
        visit.head(200, **({"Transfer_Encoding": "chunked"} if chunked else {"Connection": "close"}))
        block = b"PK\x03\x04" + bytes((1 << 16) - 4)
        while not visit.site.closing.is_set():
            visit.wfile.write(b"10000\r\n" + block + b"\r\n" if chunked else block)

    site = web(endless)
    limits = replace(QUICK, max_total_bytes=1 << 20)
    failure = refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=limits)
    assert (failure.code, (tmp_path / "in/archive.zip").stat().st_size <= 1 << 20) == ("too_large", True)


def test_a_length_over_the_cap_is_refused_before_a_byte_is_read(web: Callable[..., Any], tmp_path: Path):
    site = web(lambda visit: visit.head(200, Content_Length=1 << 50))
    failure = refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules)
    assert failure.code == "too_large"


def test_a_disk_without_room_is_said_before_a_byte_is_read(web: Callable[..., Any], tiny_disk: Path):
    site = web(lambda visit: visit.head(200, Content_Length=4 << 20))
    with pytest.raises(OSError, match="needs 4,194,304 bytes") as caught:
        fetch(f"{site.url}/a", tiny_disk / "in", rules=site.rules, limits=replace(QUICK, spare_bytes=0))
    assert caught.value.errno == 28


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "access_denied"), (403, "access_denied"), (404, "not_found"), (410, "not_found"), (418, "refused")],
)
def test_each_refusal_of_a_server_is_told_apart(web: Callable[..., Any], tmp_path: Path, status: int, code: str):
    site = web(lambda visit: visit.head(status, Content_Length=0))
    failure = refusal(f"{site.url}/a?sig=secret", tmp_path / "in", rules=site.rules)
    assert failure.code == code
    assert "secret" not in failure.message
    assert len(site.visits) == 1


def test_a_redirect_to_the_metadata_service_is_not_followed(web: Callable[..., Any], tmp_path: Path):
    site = web(lambda visit: visit.head(302, Location="http://169.254.169.254/latest?token=secret", Content_Length=0))
    failure = refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules)
    assert failure.code == "refused"
    assert "redirects (HTTP 302) to http://169.254.169.254/latest, which is not followed" in failure.message
    assert len(site.visits) == 1


def test_loopback_is_refused_unless_it_is_permitted(web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path):
    site = web(shelf(zipped))
    failure = refusal(f"{site.url}/a?sig=secret", tmp_path / "in", rules=replace(site.rules, allow=()))
    assert failure.code == "address_denied"
    assert "secret" not in failure.message
    assert site.visits == []


def test_a_web_page_is_recognised_at_its_first_bytes(web: Callable[..., Any], tmp_path: Path):
    def page(visit: Any) -> None:
        visit.head(200, Content_Length=1 << 30)
        visit.wfile.write(b"\n<!doctype html><title>Sign in</title>")
        visit.site.closing.wait(5)

    site = web(page)
    failure = refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules)
    assert failure.code == "not_a_zip"
    assert "web page" in failure.message


def test_a_compressed_answer_is_refused(web: Callable[..., Any], tmp_path: Path):
    site = web(lambda visit: visit.head(200, Content_Encoding="gzip", Content_Length=0))
    assert "encoding 'gzip'" in refusal(f"{site.url}/a", tmp_path / "in", rules=site.rules).message


def test_nobody_there_is_unreachable_after_some_tries(tmp_path: Path, web: Callable[..., Any]):
    site = web(lambda _: None)
    rules = replace(site.rules, ports=(9,))
    failure = refusal("http://127.0.0.1:9/a", tmp_path / "in", rules=rules, limits=replace(QUICK, tries=2))
    assert failure.code == "unreachable"


@pytest.mark.parametrize("error", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_only_a_name_server_that_does_not_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
):
    asked: list[object] = []

    def answer(host: Any, *_: object, flags: int = 0, **__: object) -> Any:
        if not flags & socket.AI_NUMERICHOST:  # that asks no name server
            asked.append(host)
        raise socket.gaierror(error, "scripted")

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    failure = refusal("https://typo.example/set.zip?sig=secret", tmp_path / "in", limits=replace(QUICK, tries=3))
    assert (failure.code, len(asked)) == {
        socket.EAI_NONAME: ("host_unknown", 1),
        socket.EAI_AGAIN: ("unreachable", 3),
    }[error]
    assert "typo.example" in failure.message
    assert "secret" not in failure.message


def test_once_much_has_come_a_line_that_breaks_is_worth_a_longer_wait(
    web: Callable[..., Any], shelf: Any, tmp_path: Path
):
    content = b"PK\x03\x04" + bytes(20 << 20)
    good = shelf(content, cuts=(9 << 20,))
    busy = lambda visit: visit.head(503, Content_Length=0)  # noqa: E731
    site = web(lambda visit: (busy if 1 < len(site.visits) <= 6 else good)(visit))
    limits = replace(QUICK, tries=2, tries_once_begun=6)
    assert fetch(f"{site.url}/a", tmp_path / "in", rules=site.rules, limits=limits).read_bytes() == content


def test_a_stop_ends_a_silent_transfer(web: Callable[..., Any], tmp_path: Path):
    def silent(visit: Any) -> None:
        visit.head(200, Content_Length=1000)
        reached.set()
        visit.site.closing.wait(120)
        ended.set()

    site, reached, ended = web(silent), threading.Event(), threading.Event()
    with pytest.raises(Stopped):
        fetch(f"{site.url}/a", tmp_path / "in", rules=replace(site.rules, read_seconds=120), stop=reached.is_set)
    assert not ended.is_set()


def test_a_stop_ends_the_wait_for_a_name_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked, answered, ended = threading.Event(), threading.Event(), threading.Event()

    def hang(*_: object, flags: int = 0, **__: object) -> list[Any]:
        if flags & socket.AI_NUMERICHOST:  # that asks no name server
            return []
        asked.set()
        answered.wait(120)
        ended.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(Stopped):
        fetch("https://slow.example/set.zip", tmp_path / "in", stop=asked.is_set)
    assert not ended.is_set()
    answered.set()


def test_a_stop_ends_the_wait_before_another_try(tmp_path: Path, web: Callable[..., Any]):
    def busy(visit: Any) -> None:
        visit.head(503, Retry_After=600, Content_Length=0)
        visit.close_connection = True

    site = web(busy)
    began, others = time.monotonic(), set(threading.enumerate())
    with pytest.raises(Stopped):
        fetch(f"{site.url}/a", tmp_path / "in", rules=site.rules, stop=lambda: bool(site.visits))
    for thread in set(threading.enumerate()) - others:
        thread.join(60)
    assert time.monotonic() - began < 25


def test_a_process_that_has_stopped_a_silent_transfer_can_end(web: Callable[..., Any], tmp_path: Path):
    site = web(lambda visit: visit.site.closing.wait(600))
    script = f"""
from ipaddress import ip_network
from pathlib import Path
from eyebright_kit.egress import EgressRules
from eyebright_kit.remote.fetch import Stopped, fetch

rules = EgressRules(schemes=("http",), ports=({site.port},), allow=(ip_network("127.0.0.0/8"),), read_seconds=600)
try:
    fetch("{site.url}/a", Path({str(tmp_path / "in")!r}), rules=rules, stop=lambda: True)
except Stopped:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "stopped\n"


def test_what_progress_raises_ends_the_work(web: Callable[..., Any], shelf: Any, zipped: bytes, tmp_path: Path):
    def progress(*_: object) -> None:
        raise RuntimeError("enough")

    site = web(shelf(zipped))
    with pytest.raises(RuntimeError, match="enough"):
        fetch(f"{site.url}/a", tmp_path / "in", rules=site.rules, progress=progress)


def test_only_a_new_or_empty_folder_is_filled(tmp_path: Path):
    (tmp_path / "old").touch()
    with pytest.raises(FileExistsError, match="new or empty folder"):
        fetch("https://a.example/set.zip", tmp_path)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "address_invalid"),
        ("set.zip", "address_invalid"),
        ("/etc/passwd", "address_invalid"),
        ("https://", "address_invalid"),
        ("https://a.example:99999/x", "address_denied"),
        ("https://a.example:x/x", "address_invalid"),
        ("file:///etc/passwd", "scheme_unknown"),
        ("ftp://a-server/x", "scheme_unknown"),
        ("FTP://h:21/x", "scheme_unknown"),
        ("ftp://alice:secret@h/x", "scheme_unknown"),
        ("s3://", "address_invalid"),
        ("s3://b/../c/x.zip", "address_invalid"),
        ("s3://bucket/../other/x.zip", "address_invalid"),
        ("s3://bucket/./x.zip", "address_invalid"),
        ("gs://../", "address_invalid"),
        ("gs://bucket/..%2f", "address_invalid"),
        ("gs://bucket/a/%2E%2e/x.zip", "address_invalid"),
        ("gs://bucket/..%252fother/x.zip", "address_invalid"),
        ("gs://bucket/..%5cother/x.zip", "address_invalid"),
        ("gs://bucket/..\\other/x.zip", "address_invalid"),
        ("gs://bucket/a\nb.zip", "address_invalid"),
        ("gs://bucket/a\0b.zip", "address_invalid"),
        ("gs://bu%2fcket/x.zip", "address_invalid"),
        ("s3://a..b/x.zip", "address_invalid"),
        ("s3://alice:secret@bucket/x.zip", "address_invalid"),
        ("s3://bucket:9000/x.zip", "address_invalid"),
        ("gs://evil.example%2f/x", "address_invalid"),
        ("az://Container/x", "address_invalid"),
        ("http://a.example/x.zip", "address_denied"),
        ("https://a.example:8443/x.zip", "address_denied"),
        ("https://alice:secret@a.example/x.zip", "address_denied"),
    ],
)
def test_an_address_that_cannot_be_is_refused_at_the_door(url: str, code: str):
    with pytest.raises(FetchFailed) as caught:
        require_fetchable(url)
    assert caught.value.code == code
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    ["https://a.example/x.zip", "HTTPS://a.example:443/x", "s3://bucket/set.zip", "gs://bucket", "az://box/a b/ü/"],
)
def test_an_address_that_can_be_passes_the_door(url: str):
    require_fetchable(url)


def test_the_operator_decides_which_sources_are_open():
    with pytest.raises(FetchFailed, match="fetches from https:// only"):
        require_fetchable("s3://bucket/x.zip", sources=Sources(schemes=("https",)))
    require_fetchable("http://a.example/x", rules=EgressRules(schemes=("http",), ports=(80,)))


@pytest.mark.parametrize(
    ("url", "open_"),
    [
        ("s3://data/sets/x.zip", True),
        ("s3://data/sets/", True),
        ("s3://data/sets", True),
        ("s3://data/sets-private/x.zip", False),
        ("s3://data-private/sets/x.zip", False),
        ("gs://data/sets/x.zip", False),
        ("https://a.example/pub/x.zip", True),
        ("https://A.EXAMPLE:443/pub/x.zip", True),
        ("https://a.example/pub/../x.zip", False),
        ("https://a.example.evil/pub/x.zip", False),
    ],
)
def test_the_operator_can_narrow_it_to_what_lies_below(url: str, open_: bool):
    sources = Sources(only=("s3://data/sets/", "https://a.example/pub"))
    with nullcontext() if open_ else pytest.raises(FetchFailed, match="fetches from below s3://data/sets/, https://a"):
        require_fetchable(url, sources=sources)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.example/My photos (1).zip?sig=secret", "My-photos-1"),
        ("https://a.example/", "a.example"),
        ("s3://bucket/animals/v2/", "v2"),
        ("gs://bucket", "bucket"),
    ],
)
def test_a_data_set_is_called_after_the_last_part_of_its_address(url: str, name: str):
    assert default_name(url) == name


class Crowd:
    """A bucket of many objects."""

    def list(self, prefix: Address) -> Iterator[Listed]:
        yield from (Listed(f"{prefix.key}{number}.jpg", 1, "t") for number in range(100))

    @contextmanager
    def read(self, address: Address, start: int, tag: str | None) -> Iterator[Body]:
        raise not_found(address)

    def close(self) -> None:
        """Nothing to close."""


def test_after_a_failure_nothing_more_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The first object is refused while the others that were begun with it are still under way."""
    begun: list[str] = []
    refused = threading.Event()

    class Held(Transfer):
        def run(self) -> None:
            begun.append(self.order.address.key)
            if self.order.address.key == "set/0.jpg":
                raise not_found(self.order.address)
            refused.wait(60)

    before = set(threading.enumerate())
    monkeypatch.setattr(fetching, "source_for", lambda *_: Crowd())
    monkeypatch.setattr(fetching, "Transfer", Held)
    assert refusal("s3://bucket/set/", tmp_path / "in").code == "not_found"
    refused.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    assert len(begun) <= READERS
