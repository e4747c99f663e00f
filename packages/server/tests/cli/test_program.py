"""Hints name the command as it must be typed here."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eyebright.cli import entry, program
from eyebright.cli.entry import run
from eyebright.cli.program import called
from eyebright.cli.terminal import say
from eyebright.cli.verbs import example
from eyebright.errors import Unavailable


def command(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "eyebright"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the person is; nothing is on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_command_that_is_not_on_the_path_is_named_from_where_the_person_is(checkout: Path) -> None:
    script = command(checkout / ".venv/bin")
    assert called(str(script)) == ".venv/bin/eyebright"
    assert called(".venv/bin/eyebright") == ".venv/bin/eyebright"


def test_beside_the_person_it_is_no_bare_name(checkout: Path) -> None:
    assert called(str(command(checkout))) == "./eyebright"


def test_from_far_away_it_is_named_in_full(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = command(checkout / "bin with blanks")
    deep = checkout.joinpath(*(["deep"] * 30))
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert called(str(script)) == f"'{script}'"


def test_on_the_path_its_plain_name_will_do(checkout: Path) -> None:
    assert called(str(command(checkout / "bin"))) == "eyebright"


def test_when_another_is_on_the_path_the_way_to_this_one_is_named(checkout: Path) -> None:
    command(checkout / "bin")
    assert called(str(command(checkout / "mine"))) == "mine/eyebright"


def test_run_as_a_module_it_is_the_command_beside_the_interpreter(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(command(checkout / ".venv/bin").with_name("python")))
    assert called("/somewhere/eyebright/__main__.py") == ".venv/bin/eyebright"


def test_inside_another_program_it_keeps_its_name(checkout: Path) -> None:
    assert called("/usr/bin/pytest") == "eyebright"
    assert called("/usr/lib/pytest/__main__.py") == "eyebright"
    assert called(str(checkout / "gone" / "eyebright")) == "eyebright"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "program", lambda: ".venv/bin/eyebright")
    monkeypatch.setattr(entry, "program", lambda: ".venv/bin/eyebright")


@pytest.mark.usefixtures("elsewhere")
def test_every_hint_can_be_typed_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say("Watch it with `eyebright jobs watch job_1`.")
    assert capsys.readouterr().err == "Watch it with `.venv/bin/eyebright jobs watch job_1`.\n"
    assert run(["jobs", "frobnicate"]) == 2
    assert "Try `.venv/bin/eyebright jobs --help`." in capsys.readouterr().err

    def refused(**_: object) -> None:
        raise Unavailable("trainer 'toy' is not installed: run `eyebright trainers install toy`")

    get_command: Callable[[object], object] = lambda _: refused  # noqa: E731
    monkeypatch.setattr(entry, "get_command", get_command)
    run(["train", "x"])
    assert "run `.venv/bin/eyebright trainers install toy`" in capsys.readouterr().err


@pytest.mark.usefixtures("elsewhere")
def test_the_examples_of_the_help_can_be_typed_too() -> None:
    lines = "eyebright train photos/   a folder\nEYEBRIGHT_DATA_DIR=/srv/eyebright eyebright serve"
    assert example(lines).splitlines()[2:] == [
        "  .venv/bin/eyebright train photos/   a folder",
        "  EYEBRIGHT_DATA_DIR=/srv/eyebright .venv/bin/eyebright serve",
    ]


def test_the_installed_command_is_found() -> None:
    script = Path(sys.executable).with_name("eyebright")
    assert os.access(script, os.X_OK)
    assert called(str(script)).endswith("eyebright")
