"""Which server a verb speaks to, and what is said of one that cannot be."""

from collections.abc import Callable

import pytest
from harness.live import LiveServer, Ran

from eyebright.cli.exits import Exit
from eyebright.client import Client

Cli = Callable[..., Ran]
VERBS = [
    ("list",),
    ("show", "x"),
    ("changes", "dsv_x"),
    ("edit", "x", "--drop", "a"),
    ("fix", "x"),
    ("import", "x.zip"),
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_an_address_that_is_none_is_blamed_on_the_option_that_gave_it(cli: Cli, verb: tuple[str, ...]) -> None:
    refused = cli("datasets", *verb, "--server", "train.example.org")
    assert refused.code == Exit.USAGE
    assert "--server is 'train.example.org': expected http://… or https://…" in refused.err
    assert "EYEBRIGHT_URL" not in refused.err


def test_a_password_in_the_address_of_the_option_is_not_repeated(cli: Cli) -> None:
    refused = cli("datasets", "list", "--server", "https://me:swordfish@train.example.org")
    assert refused.code == Exit.USAGE
    assert "--server holds a name or password" in refused.err
    assert "swordfish" not in refused.err


def test_the_option_counts_more_than_the_variable(
    cli: Cli, live: LiveServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EYEBRIGHT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("EYEBRIGHT_TOKEN", live.token)
    assert cli("datasets", "list", "--server", client.url, "--json").code == Exit.DONE


@pytest.mark.parametrize("source", ["ftp://store.example/x.zip", "FTP://h/x.zip"])
def test_a_source_of_a_scheme_that_nobody_knows_names_those_that_are_known(cli: Cli, source: str) -> None:
    refused = cli("datasets", "import", source)
    assert refused.code == Exit.USAGE
    assert f"{source} has an unknown scheme; expected az://, gs://, https:// or s3://" in refused.err
