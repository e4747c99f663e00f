"""A list of images, each at an address of its own: what comes, what does not and why, and what it costs whom."""

import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from eyebright_kit.egress import EgressRules
from eyebright_kit.remote import images as listing
from eyebright_kit.remote.failure import FetchFailed, Stopped
from eyebright_kit.remote.fetch import FetchLimits, Sources
from eyebright_kit.remote.images import fetch_images, require_image

QUICK = FetchLimits(wait_seconds=0.001, spare_bytes=0)
Web = Callable[..., Any]


class Gallery:
    """Answers each path with its bytes, or as the path says."""

    def __init__(self, **pictures: bytes) -> None:
        self.pictures = {f"/{name}": content for name, content in pictures.items()}

    def __call__(self, visit: Any) -> None:
        path = visit.path.partition("?")[0]
        if path in self.pictures:
            visit.head(200, Content_Length=len(self.pictures[path]))
            visit.wfile.write(self.pictures[path])
        elif path.startswith("/status/"):
            visit.head(int(path.rpartition("/")[2]), Content_Length=0, Location="http://127.0.0.1/elsewhere")
        else:
            visit.head(404, Content_Length=0)


def codes(outcomes: list[Path | FetchFailed]) -> list[str | None]:
    return [str(outcome.code) if isinstance(outcome, FetchFailed) else None for outcome in outcomes]


def contents(outcomes: list[Path | FetchFailed]) -> list[bytes]:
    return [outcome.read_bytes() for outcome in outcomes if isinstance(outcome, Path)]


def test_they_come_in_the_order_of_the_list_under_names_of_ours(web: Web, tmp_path: Path):
    site, told = web(Gallery(a=b"A", b=b"B")), []
    urls = [f"{site.url}/{name}?sig=secret" for name in "ba"]
    came = fetch_images(urls, tmp_path / "in", rules=site.rules, progress=lambda *both: told.append(both))
    assert contents(came) == [b"B", b"A"]
    assert [file.name for file in came] == ["00001", "00002"]
    assert told[-1] == (2, 2)


def test_what_does_not_come_is_told_of_each_and_keeps_nobody_from_coming(web: Web, tmp_path: Path):
    site = web(Gallery(a=b"A"))
    paths = ["a", "none", "status/403", "status/302", "status/418"]
    urls = [*(f"{site.url}/{path}?sig=secret" for path in paths), "ftp://host/a", "s3://bucket/folder/", "nonsense"]
    came = fetch_images(urls, tmp_path / "in", rules=site.rules, limits=QUICK)
    assert codes(came) == [
        None, "not_found", "access_denied", "refused", "refused", "scheme_unknown", "address_invalid", "address_invalid",
    ]  # fmt: skip
    assert "which is not followed" in came[3].message
    assert not any("secret" in outcome.message for outcome in came if isinstance(outcome, FetchFailed))
    assert [file.name for file in (tmp_path / "in").iterdir()] == ["00001"]


def test_an_address_that_is_listed_twice_is_asked_for_once(web: Web, tmp_path: Path):
    site = web(Gallery(a=b"A"))
    came = fetch_images([f"{site.url}/a"] * 50 + [f"{site.url}/no"] * 50, tmp_path / "in", rules=site.rules)
    assert contents(came) == [b"A"] * 50
    assert codes(came[50:]) == ["not_found"] * 50
    assert len(site.visits) == 2


def test_one_that_cannot_be_linked_is_copied(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(listing.os, "link", refuse)
    site = web(Gallery(a=b"A"))
    assert contents(fetch_images([f"{site.url}/a"] * 2, tmp_path / "in", rules=site.rules, limits=QUICK)) == [b"A"] * 2


def test_one_that_is_too_large_is_left_and_the_others_come(web: Web, tmp_path: Path):
    site = web(Gallery(large=b"x" * 101, small=b"x" * 100))
    limits = replace(QUICK, max_file_bytes=100)
    came = fetch_images([f"{site.url}/large", f"{site.url}/small"], tmp_path / "in", rules=site.rules, limits=limits)
    assert codes(came) == ["too_large", None]


def test_all_together_have_their_limit_too(web: Web, tmp_path: Path):
    site = web(Gallery(**{f"p{number}": bytes(100) for number in range(30)}))
    urls = [f"{site.url}/p{number}" for number in range(30)]
    with pytest.raises(FetchFailed) as caught:
        fetch_images(urls, tmp_path / "in", rules=site.rules, limits=replace(QUICK, max_total_bytes=500))
    assert caught.value.code == "too_large"
    assert "together" in caught.value.message
    assert len(site.visits) < 30


def test_a_server_that_is_busy_is_asked_again(web: Web, tmp_path: Path):
    gallery = Gallery(a=b"A")
    site = web(lambda visit: gallery(visit) if len(site.visits) > 2 else visit.head(503, Content_Length=0))
    assert contents(fetch_images([f"{site.url}/a"], tmp_path / "in", rules=site.rules, limits=QUICK)) == [b"A"]
    assert len(site.visits) == 3


def test_a_place_that_does_not_answer_is_soon_left_alone_and_others_are_not(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listing, "READERS", 1)
    dead, site = web(lambda visit: visit.cut()), web(Gallery(a=b"A"), host="127.0.0.2")
    rules = replace(site.rules, ports=(site.port, dead.port))
    urls = [*(f"{dead.url}/{number}" for number in range(20)), f"http://127.0.0.2:{site.port}/a"]
    came = fetch_images(urls, tmp_path / "in", rules=rules, limits=replace(QUICK, tries=2))
    assert codes(came) == ["unreachable"] * 20 + [None]
    assert len(dead.visits) == 3 * 2
    assert "127.0.0.1 did not answer for 3 others" in came[19].message


def test_a_name_that_leads_inside_is_refused_when_it_is_called(web: Web, names: dict[str, Any], tmp_path: Path):
    site = web(Gallery(a=b"A"))
    names["pictures.example"] = [["127.0.0.1"]]
    rules = EgressRules(schemes=("http",), ports=(site.port,), allow=(ip_network("10.0.0.0/8"),))
    urls = [f"http://pictures.example:{site.port}/a", f"http://127.0.0.1:{site.port}/a", "http://169.254.169.254/a"]
    came = fetch_images(urls, tmp_path / "in", rules=rules, limits=QUICK)
    assert codes(came) == ["address_denied"] * 3
    assert "loopback" in came[0].message
    assert site.visits == []


def test_whoever_stops_waits_for_nobody(web: Web, tmp_path: Path):
    site = web(lambda visit: site.closing.wait(60))
    began = time.monotonic()
    with pytest.raises(Stopped):
        fetch_images([f"{site.url}/a"], tmp_path / "in", rules=site.rules, stop=lambda: time.monotonic() - began > 0.3)
    assert time.monotonic() - began < 30


def test_a_list_of_nothing_but_refusals_calls_nobody(tmp_path: Path):
    came = fetch_images(["https://u:p@host/a", "https://host:8080/a"], tmp_path / "in")
    assert codes(came) == ["address_denied"] * 2


@pytest.mark.parametrize("url", ["s3://bucket/", "s3://bucket/folder/", "gs://bucket"])
def test_a_folder_is_no_image(url: str):
    with pytest.raises(FetchFailed, match="expected the address of one image"):
        require_image(url)


def test_an_image_lies_where_the_operator_lets_it_lie():
    only = Sources(only=("s3://pictures/",))
    assert require_image("s3://pictures/a.jpg", sources=only).key == "a.jpg"
    with pytest.raises(FetchFailed, match="from below s3://pictures/ only"):
        require_image("s3://others/a.jpg", sources=only)
