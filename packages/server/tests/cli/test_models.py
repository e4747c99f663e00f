"""The verbs about models, against a real server."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.live import Ran
from harness.scripted import job

from eyebright.cli import exporting, terminal
from eyebright.cli.exits import Exit
from eyebright.client import Client
from eyebright.errors import NotFound
from eyebright_wire.jobs import JobKind, JobRequest
from eyebright_wire.resources import JobView, ModelView, RecipeView

Cli = Callable[..., Ran]


@pytest.fixture(scope="module")
def versions(client: Client, photos: Path) -> list[ModelView]:
    """Two of one name, which has a slash as those of architectures often do."""
    return [trained(client, photos, "my/pets", epochs) for epochs in (1, 2)]


def trained(client: Client, photos: Path, name: str, epochs: int = 1) -> ModelView:
    version = client.import_dataset(photos)
    order = JobRequest(dataset=version.id, name=name, trainer="toy", config={"epochs": epochs})
    return client.model(str(client.wait(client.submit(order).id, timeout_seconds=180).model_id))


def test_versions_of_a_name_are_listed(cli: Cli, versions: list[ModelView]) -> None:
    found = cli("models", "list", "--name", "my/pets", "--json").document
    assert [(model["id"], model["number"]) for model in found] == [(versions[1].id, 2), (versions[0].id, 1)]
    assert "my/pets@2" in cli("models", "list").out
    assert "No model is named my/pest." in cli("models", "list", "--name", "my/pest").err


@pytest.mark.usefixtures("versions")
def test_a_model_is_named_by_its_number_or_an_alias(cli: Cli, photos: Path, tmp_path: Path) -> None:
    assert cli("models", "alias", "my/pets@1", "production").out.startswith("my/pets@production is my/pets@1")
    shown = cli("models", "show", "my/pets@production").out
    assert all(word in shown for word in ("my/pets@1", "production", "Apache-2.0"))
    assert cli("models", "show", "my/pets", "--json").document["number"] == 2
    seen = cli("models", "predict", "my/pets@production", photos / "cat/3.png", "--json").document
    assert seen["model_id"] == cli("models", "show", "my/pets@1", "--json").document["id"]
    refused = cli("models", "predict", "my/pets", photos / "cat/3.png", "--mask", tmp_path / "mask.png")
    assert (refused.code, "answers no mask" in refused.err) == (Exit.USAGE, True)
    assert cli("models", "download", "my/pets@2", "--to", tmp_path / "files", "--json").document["files"]
    one = cli("models", "download", "my/pets@2", "--file", "labels.json", "--to", tmp_path / "one", "--json").document
    assert one["files"] == [str(tmp_path / "one" / "labels.json")]
    none = cli("models", "download", "my/pets@2", "--file", "label.json", "--to", tmp_path / "none")
    assert "has no file 'label.json'. Did you mean 'labels.json'?" in none.err
    assert cli("models", "alias", "my/pets@2", "production", "--json").document["aliases"] == ["production"]
    assert cli("models", "show", "my/pets@1", "--json").document["aliases"] == []
    refused = cli("models", "unalias", "my/pets@1", "production")
    assert (refused.code, "it points to my/pets@2" in refused.err) == (Exit.NOT_FOUND, True)
    assert cli("models", "unalias", "my/pets@2", "production").out == "my/pets@2 is production no longer\n"
    assert cli("models", "alias", "my/pets", "1").code == Exit.USAGE
    assert "Did you mean 'my/pets@2'?" in cli("models", "show", "my/pets@22").err


@pytest.mark.usefixtures("versions")
def test_two_models_are_compared(cli: Cli) -> None:
    found = cli("models", "compare", "my/pets@1", "my/pets", "--json").document
    assert [(each["name"], each["left"], each["right"]) for each in found["settings"]] == [("epochs", 1, 2)]
    shown = " ".join(cli("models", "compare", "my/pets@1", "my/pets").out.split())
    assert "setting my/pets@1 my/pets@2 epochs 1 2" in shown
    assert "metric my/pets@1 my/pets@2 difference" in shown


def test_an_export_that_a_model_lacks_is_answered_with_what_there_is(cli: Cli, versions: list[ModelView]) -> None:
    refused = cli("models", "export", versions[0].id, "--format", "onnx")
    assert refused.code == Exit.NOT_FOUND
    assert (
        "my/pets@1 has no export 'onnx'. It has: none. trainer toy cannot export classification as 'onnx'; it makes csv"
        in (refused.err)
    )


def test_an_export_that_the_training_did_not_make_is_made_and_kept(
    cli: Cli, client: Client, versions: list[ModelView], tmp_path: Path
) -> None:
    asked = ("models", "export", "my/pets@2", "--format", "csv", "--to")
    assert cli(*asked, tmp_path / "one.zip", "--json").document["format"] == "csv"
    (export,) = client.model(versions[1].id).exports
    assert (export.path, export.parity.agreement) == ("model.csv", 1.0)
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {"model.csv", "labels.json", "parity.json", "LICENCE.txt"} <= set(archive.namelist())
        assert "Apache License" in archive.read("LICENCE.txt").decode()
    assert cli(*asked, tmp_path / "two.zip").code == Exit.DONE
    assert (tmp_path / "two.zip").read_bytes() == (tmp_path / "one.zip").read_bytes()
    (job,) = client.jobs(kind=JobKind.EXPORT)
    assert (job.parent, job.model_id) == (versions[1].id, None)
    assert job.id in cli("jobs", "list", "--kind", "export").out
    assert job.id not in cli("jobs", "list").out


def test_a_model_is_deleted_when_that_is_meant(cli: Cli, client: Client, photos: Path) -> None:
    gone = trained(client, photos, "my/gone")
    client.set_alias(gone.id, "old")
    refused = cli("models", "delete", "my/gone@1", "--yes")
    assert (refused.code, "eyebright models unalias my/gone@1 old" in refused.err) == (Exit.CONFLICT, True)
    client.remove_alias(gone.id, "old")
    asked = cli("models", "delete", "my/gone@1")
    assert (asked.code, "add --yes to mean it" in asked.err) == (Exit.USAGE, True)
    assert cli("models", "delete", "my/gone@1", "--yes", "--json").document == {"deleted": gone.id}
    shown = cli("models", "show", gone.id)
    assert (shown.code, f"model {gone.id} (my/gone@1) was deleted on" in shown.err) == (Exit.NOT_FOUND, True)
    for verb in ("artifacts", "checkpoints"):
        told = cli("jobs", verb, gone.job_id)
        assert (told.code, told.out, "(my/gone@1) was deleted on" in told.err) == (Exit.DONE, "", True)
        assert cli("jobs", verb, gone.job_id, "--json").document == []
    watched = cli("jobs", "watch", gone.job_id)
    assert (watched.code, "(my/gone@1) was deleted on" in watched.err) == (Exit.DONE, True)
    assert cli("jobs", "watch", gone.job_id, "--json").document["model"] is None


@pytest.mark.parametrize(("answer", "code"), [(True, Exit.DONE), (False, Exit.NO)])
def test_on_a_terminal_a_person_is_asked(
    cli: Cli, client: Client, photos: Path, monkeypatch: pytest.MonkeyPatch, answer: bool, code: Exit
) -> None:
    model_id = trained(client, photos, "asked").id
    asked: list[str] = []
    monkeypatch.setattr(terminal, "interactive", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question, **_: bool(asked.append(question)) or answer)
    assert cli("models", "delete", model_id).code == code
    assert model_id in asked[0]
    assert cli("models", "show", model_id).code == (Exit.NOT_FOUND if answer else Exit.DONE)


def test_the_zip_of_an_export_is_not_written_over_by_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = ModelView(
        id="mdl_1", name="../my pets", number=3, job_id="job_1", attempt=1, trainer="toy", task="classification",
        architecture="tiny", dataset_version="dsv_1", created_at_ms=1,
    )  # fmt: skip
    target = exporting.target_of(model, "onnx", None, force=False)
    assert target == Path("my-pets-3-onnx.zip")
    target.touch()
    with pytest.raises(Exception, match="is there already; name another file with --to, or write over it with --force"):
        exporting.target_of(model, "onnx", None, force=False)
    assert exporting.target_of(model, "onnx", None, force=True) == target
    with pytest.raises(Exception, match="is a folder"):
        exporting.target_of(model, "onnx", tmp_path, force=True)


class Knows:
    """A client that knows one recipe and one job."""

    def __init__(self, items: dict[str, object]) -> None:
        self._items = items

    def recipe(self, trainer: str, task: str) -> RecipeView:
        schema = {"properties": {"exports": {"type": "array", "items": self._items}}}
        return RecipeView(
            name=f"{trainer}/{task}", trainer=trainer, task=task, models=("tiny",), default_model="tiny", config={},
            config_schema=schema,
        )  # fmt: skip

    def job(self, job_id: str) -> JobView:
        return job(config={"epochs": 3})


@pytest.mark.parametrize("items", [{"const": "onnx"}, {"enum": ["onnx", "tflite"]}])
def test_how_to_train_a_model_with_the_export_is_told_as_a_command(items: dict[str, object]) -> None:
    model = ModelView(
        id="mdl_1", name="pets", number=3, job_id="job_1", attempt=1, trainer="toy", task="classification",
        architecture="tiny", dataset_version="dsv_1", created_at_ms=1,
    )  # fmt: skip
    with pytest.raises(NotFound) as refusal:
        exporting.require_export(Knows(items), model, "onnx", "")  # type: ignore[arg-type]
    order = "eyebright train dsv_1 --trainer toy --task classification --model tiny --set epochs=3 --set 'exports=[\"onnx\"]'"
    assert f"It has: none. Train one that has it: `{order}`" in refusal.value.message
