"""What works on the server's own database and files."""

from collections.abc import Callable

import pytest
from harness.live import Ran

from eyebright.cli.exits import Exit

Cli = Callable[..., Ran]
NOT_ASKED = "the server that EYEBRIGHT_URL names is not asked"


def test_who_uses_a_server_elsewhere_is_told_that_it_is_not_asked(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NOT_ASKED not in cli("admin", "storage", "--json").err
    monkeypatch.setenv("EYEBRIGHT_URL", "https://train.example")
    told = cli("admin", "storage", "--json")
    assert told.code == Exit.DONE
    assert NOT_ASKED in told.err
    assert "kinds" in told.document
