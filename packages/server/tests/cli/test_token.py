"""`eyebright token`: a token for an agent, made without a server."""

import json
import time

import pytest

from eyebright.cli.entry import run
from eyebright.cli.exits import Exit
from eyebright.core.agent_token import Persona, verified

OPERATORS = "o" * 43


@pytest.fixture
def operator(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_TOKEN", OPERATORS)


def made(capsys, *arguments):
    assert run(["token", *arguments]) == 0
    shown = capsys.readouterr()
    return verified(shown.out.removesuffix("\n"), OPERATORS, int(time.time())), shown.err


def test_it_is_alone_on_stdout_and_for_a_reader(operator, capsys):
    token, said = made(capsys)
    assert token.persona is Persona.READER
    assert token.expires_s == pytest.approx(time.time() + 30 * 86_400, abs=60)
    assert token.id in said


def test_persona_and_time_are_as_asked(operator, capsys):
    token, _ = made(capsys, "--persona", "operator", "--expires", "8h")
    assert token.persona is Persona.OPERATOR
    assert token.expires_s == pytest.approx(time.time() + 8 * 3600, abs=60)


def test_no_two_are_the_same(operator, capsys):
    assert made(capsys)[0].id != made(capsys)[0].id


def test_a_script_gets_one_document(operator, capsys):
    assert run(["token", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert verified(told["token"], OPERATORS, int(time.time())).id == told["id"]


def test_it_is_signed_with_the_token_of_the_data_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("EYEBRIGHT_TOKEN", raising=False)
    monkeypatch.setenv("EYEBRIGHT_DATA_DIR", str(tmp_path))
    assert run(["token"]) == Exit.DENIED
    assert "`eyebright serve`" in capsys.readouterr().err.replace(".venv/bin/", "")
    (tmp_path / "token").write_text(f"{OPERATORS}\n")
    made(capsys)


def test_that_of_this_machine_is_not_used_for_a_server_elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("EYEBRIGHT_TOKEN", raising=False)
    monkeypatch.setenv("EYEBRIGHT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("EYEBRIGHT_URL", "https://train.example")
    (tmp_path / "token").write_text(OPERATORS)
    assert run(["token"]) == Exit.DENIED


def test_an_agent_cannot_make_another(operator, monkeypatch, capsys):
    assert run(["token"]) == 0
    monkeypatch.setenv("EYEBRIGHT_TOKEN", capsys.readouterr().out.strip())
    assert run(["token", "--persona", "operator"]) == Exit.DENIED
    assert "operator's" in capsys.readouterr().err


@pytest.mark.parametrize("expires", ["367d", "0s", "soon"])
def test_it_counts_for_a_year_at_most(operator, expires, capsys):
    assert run(["token", "--expires", expires]) == Exit.USAGE
    assert capsys.readouterr().out == ""
