"""Where callbacks may go."""

import pytest

from eyebright_kit.egress import EgressDenied
from eyebright_kit.service.destinations import Destinations

BACKEND = ("http://backend:8000/training",)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/training/jobs/123/callback",
        "http://127.0.0.1:8000/x",
        "http://[::1]:8000/x",
        "https://platform.example.com/training/jobs/1/callback",
    ],
)
def test_this_machine_and_public_https_may_be_called_by_default(url: str) -> None:
    Destinations().rules(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://platform.example.com/x",
        "https://platform.example.com:8443/x",
        "http://10.0.0.5:8000/x",
        "https://10.0.0.5/x",
        "https://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.5]/x",
        "https://0x0a000005/x",
        "https://user:secret@platform.example.com/x",
        "ftp://localhost/x",
        "file:///etc/passwd",
        "http://",
        "nonsense",
        "http://exa mple/",
        "https://[::1",
        "",
    ],
)
def test_nothing_else_may_and_the_refusal_says_who_can_permit_it(url: str) -> None:
    with pytest.raises(EgressDenied, match="serve --callback") as refusal:
        Destinations().rules(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["http://localhost:8000/x", "http://127.0.0.1/x", "https://127.0.0.1/x"])
def test_one_that_others_can_call_does_not_call_this_machine_for_them(url: str) -> None:
    with pytest.raises(EgressDenied):
        Destinations(loopback=False).rules(url)


def test_what_the_operator_named_may_be_called_wherever_it_lies() -> None:
    rules = Destinations(("http://10.0.0.5:8000/",), loopback=False).rules("http://10.0.0.5:8000/jobs/1/callback?key=k")
    assert (rules.schemes, rules.ports) == (("http", "https"), (8000,))
    Destinations(BACKEND, loopback=False).rules("http://backend:8000/training/jobs/1/callback")


@pytest.mark.parametrize(
    "url",
    [
        "http://backend:8001/training/x",
        "https://backend:8000/training/x",
        "http://backend:8000/trainings",
        "http://backend:8000/training/../admin",
        "http://backend:8000/training/%2e%2e/admin",
        "http://backend:8000@evil.example/training/x",
        "http://backend.evil.example:8000/training/x",
        "http://user:secret@backend:8000/training/x",
    ],
)
def test_what_only_begins_like_it_may_not(url: str) -> None:
    with pytest.raises(EgressDenied):
        Destinations(BACKEND, loopback=False).rules(url)
