"""How a service may be asked to run."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.service.options import ServiceOptions, add_options, is_loopback, options_from

TOKEN = "0123456789abcdef0123456789abcdef"


def options(*argv: str, **environment: str) -> ServiceOptions:
    parser = ArgumentParser()
    add_options(parser)
    return options_from(parser.parse_args(argv), "toy", {"XDG_DATA_HOME": "/data", **environment})


def test_it_serves_this_machine_alone_unless_told_otherwise() -> None:
    found = options()
    assert (found.host, found.port, found.token, found.loopback) == ("127.0.0.1", 8001, None, True)
    assert found.folder == Path("/data/eyebright-services/toy")


def test_other_machines_need_a_token_and_the_refusal_says_how() -> None:
    with pytest.raises(ConfigInvalid, match=r"--host 0\.0\.0\.0 lets other machines.*EYEBRIGHT_SERVICE_TOKEN_FILE"):
        options("--host", "0.0.0.0")
    assert options("--host", "0.0.0.0", EYEBRIGHT_SERVICE_TOKEN=TOKEN).token == TOKEN


def test_the_token_is_read_from_a_file_that_comes_before_the_variable(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    variables = {"EYEBRIGHT_SERVICE_TOKEN_FILE": str(tmp_path / "token"), "EYEBRIGHT_SERVICE_TOKEN": "x" * 32}
    assert options(**variables).token == TOKEN
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        options(EYEBRIGHT_SERVICE_TOKEN_FILE=str(tmp_path / "none"))


@pytest.mark.parametrize(
    "token", ["short", "with a space in its middle", "ümläut-ümläut-ümläut", "line\nline-line-line"]
)
def test_a_token_that_is_none_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ConfigInvalid, match="no usable token") as refusal:
        options(EYEBRIGHT_SERVICE_TOKEN=token)
    assert token not in str(refusal.value)


def test_an_empty_token_file_does_not_open_the_service(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ConfigInvalid, match="no usable token"):
        options(EYEBRIGHT_SERVICE_TOKEN_FILE=str(tmp_path / "token"))


def test_a_token_is_in_no_representation() -> None:
    assert TOKEN not in repr(options(EYEBRIGHT_SERVICE_TOKEN=TOKEN))


@pytest.mark.parametrize("argv", [("--port", "65536"), ("--port=-1",), ("--places", "0"), ("--places", "many")])
def test_numbers_that_mean_nothing_are_refused(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(*argv)
    assert "expected a whole number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("LOCALHOST.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_what_only_this_machine_can_call(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
