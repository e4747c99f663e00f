"""Help: quick, whole, with examples; and the reference page is what the commands say."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from eyebright.cli.entry import run
from eyebright.cli.exits import MEANINGS, Exit
from eyebright.cli.reference import page
from eyebright.cli.root import app
from eyebright.cli.verbs import VERBS, load

PAGE = Path(__file__).parents[4] / "docs/reference/cli.md"


def commands() -> Iterator[tuple[str, Any]]:
    for name in VERBS:
        command = load(name)
        yield name, command
        for child in getattr(command, "commands", {}).values():
            yield f"{name} {child.name}", child


COMMANDS = dict(commands())


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in VERBS)
    assert "..." not in shown.split("Commands:")[1].split("Examples:")[0], "a one-line help is too long for 80 columns"


def test_help_imports_none_of_the_verbs_and_nothing_heavy() -> None:
    code = "import sys; from eyebright.cli.entry import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {"httpx", "pydantic", "rich", "fastapi", "sqlalchemy", "PIL", "asyncio"}
    assert not loaded & {verb.module for verb in VERBS.values()}


def test_help_is_quick() -> None:
    """The figure of `make bench` is 0.3 s; here the processor time of the best of five, which load disturbs less."""
    assert min(_help_seconds() for _ in range(5)) < 0.3


def _help_seconds() -> float:
    code = "import time, sys; from eyebright.cli.entry import run; run(['--help']); sys.stderr.write(str(time.process_time()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stderr)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("eyebright 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert COMMANDS[name].help.splitlines()[0][:40] in shown
    assert f"    eyebright {name.split()[0]}" in shown.split("Examples:")[1]


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if not hasattr(command, "commands")])
def test_every_command_that_tells_something_can_tell_it_to_a_script(name: str) -> None:
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts]
    assert "--json" in options or name in {"serve", "consume", "mcp", "openapi"}  # they tell nothing, or JSON anyway


def test_every_parameter_is_explained() -> None:
    silent = [
        f"{name} {p.name}" for name, command in COMMANDS.items() for p in command.params if not getattr(p, "help", "")
    ]
    assert not silent


def test_every_exit_status_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Exit)


def test_a_mistyped_verb_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trian"]) == Exit.USAGE
    assert "Did you mean 'train'" in capsys.readouterr().err


def test_the_reference_is_what_the_commands_say() -> None:
    assert PAGE.read_text() == page(), "run `python -m eyebright.cli.reference > docs/reference/cli.md`"


def test_the_lazy_list_and_the_verbs_agree() -> None:
    names = get_command(app).list_commands(None)  # type: ignore[attr-defined]
    assert list(VERBS) == names
