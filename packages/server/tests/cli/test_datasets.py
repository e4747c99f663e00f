"""Deleting data sets, against a real server."""

from collections.abc import Callable
from pathlib import Path

import pytest
from harness.live import Ran, pets

from eyebright.cli import terminal
from eyebright.cli.exits import Exit
from eyebright.client import Client
from eyebright_wire.jobs import JobRequest

Cli = Callable[..., Ran]


@pytest.fixture
def two(client: Client, tmp_path: Path) -> list[str]:
    """The ids of two versions of `lakes`, newest first. No other data set has their pictures: it would keep them."""
    for images in (8, 9):
        client.import_dataset(pets(tmp_path / str(images), ("lake", "shore"), images), name="lakes")
    return [version.id for version in client.dataset("lakes").versions]


def test_versions_are_deleted_when_that_is_meant_and_what_came_of_them_stays(
    cli: Cli, client: Client, two: list[str]
) -> None:
    trained = client.submit(JobRequest(dataset=two[1], name="lakes", trainer="toy", config={"epochs": 1}))
    ended = client.wait(trained.id, timeout_seconds=180)
    asked = cli("datasets", "delete", "lakes")
    assert (asked.code, "add --yes to mean it" in asked.err) == (Exit.USAGE, True)
    first = client.dataset("lakes").versions[-1].number
    gone = cli("datasets", "delete", "lakes", "--version", first, "--yes", "--json")
    assert gone.document == {"deleted": [two[1]]}
    assert [version.id for version in client.dataset("lakes").versions] == [two[0]]
    assert "was deleted on" in cli("jobs", "retry", trained.id).err
    assert cli("jobs", "show", trained.id).code == Exit.DONE
    assert cli("models", "show", ended.model_id).code == Exit.DONE
    assert "lakes with 1 version is deleted" in cli("datasets", "delete", "lakes", "--yes").out
    assert cli("datasets", "show", "lakes").code == Exit.NOT_FOUND
    assert "lakes" not in [found.name for found in client.datasets()]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("laks", "--yes"), Exit.NOT_FOUND, "Did you mean 'lakes'?"),
        (("lakes", "--version", 99, "--yes"), Exit.NOT_FOUND, "no version 99"),
        (("lakes", "--version", 0, "--yes"), Exit.USAGE, "greater than or equal to 1"),
    ],
)
@pytest.mark.usefixtures("two")
def test_what_is_not_there_is_told(cli: Cli, arguments: tuple[object, ...], code: Exit, told: str) -> None:
    refused = cli("datasets", "delete", *arguments)
    assert (refused.code, told in refused.err) == (code, True), refused.err


@pytest.mark.parametrize(("answer", "code"), [(True, Exit.DONE), (False, Exit.NO)])
def test_on_a_terminal_a_person_is_asked(
    cli: Cli, client: Client, two: list[str], monkeypatch: pytest.MonkeyPatch, answer: bool, code: Exit
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(terminal, "interactive", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question, **_: bool(asked.append(question)) or answer)
    assert cli("datasets", "delete", "lakes").code == code
    assert "lakes with 2 versions" in asked[0]
    assert cli("datasets", "show", "lakes").code == (Exit.NOT_FOUND if answer else Exit.DONE)
