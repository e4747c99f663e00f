"""`eyebright demo`, with the toy trainer in the place of the real one: what the command does, not how well a model learns."""

from collections.abc import Callable

import pytest
from harness.live import Ran

from eyebright.cli import demo
from eyebright.cli.exits import Exit
from eyebright.errors import TrainerUnavailable, Unavailable

Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "TRAINER", "toy")
    monkeypatch.setattr(demo, "MODEL", "softmax")
    monkeypatch.setattr(demo, "CONFIG", {"epochs": 3})
    monkeypatch.setattr(demo, "SMALL", {"epochs": 1})


def test_a_script_gets_exactly_the_promised_document(cli: Cli) -> None:
    done = cli("demo", "--small", "--json")
    assert done.code == 0, done.err
    assert list(done.document) == ["job", "metrics", "model", "exports", "timings"]
    assert done.document["job"]["state"] == "succeeded"
    assert done.document["job"]["config"] == {"epochs": 1}
    assert 0 <= done.document["metrics"]["top1"] <= 1
    timings = done.document["timings"]
    parts = ("install_seconds", "pictures_seconds", "server_seconds", "import_seconds", "job_seconds")
    assert sum(timings[part] for part in parts) <= timings["total_seconds"]
    assert timings["training_seconds"] <= timings["job_seconds"]


def test_a_person_is_told_what_came_of_it_and_what_to_do_next(cli: Cli) -> None:
    done = cli("demo", "--small", "--epochs", "2")
    assert done.code == 0, done.err
    assert "epoch 2/2" in done.err
    assert "on the validation images" in done.out
    assert "eyebright serve" in done.out
    assert "/docs" in done.out
    predict = next(line for line in done.out.splitlines() if "models predict" in line).split()
    assert cli(*predict[1:], "--json").document["scores"]


def test_a_missing_trainer_is_installed_first(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []

    class Missing:
        async def environment(self, name: str) -> None:
            raise TrainerUnavailable("not installed")

    monkeypatch.setattr(demo, "catalog_of", lambda _: Missing())
    monkeypatch.setattr(demo, "install", lambda _, name: installed.append(name))
    assert cli("demo", "--small", "--json").code == 0
    assert installed == ["toy"]


def test_without_the_pictures_there_is_one_clear_message(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_index(*_: object, **__: object) -> None:
        raise Unavailable("the package index cannot be reached")

    monkeypatch.setattr(demo, "digits_folder", no_index)
    done = cli("demo", "--small")
    assert (done.code, done.out) == (Exit.UNAVAILABLE, "")
    assert "the package index cannot be reached" in done.err
