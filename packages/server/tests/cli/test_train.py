"""`eyebright train` against a real server, with the toy trainer."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from harness.live import LiveServer, Ran, environment, eyebright, pets

from eyebright.cli.exits import Exit
from eyebright.client import Client, running_server
from eyebright.settings import Settings
from eyebright_wire.jobs import JobState

Cli = Callable[..., Ran]
TOY = ("--trainer", "toy")


def test_a_folder_becomes_a_model(cli: Cli, photos: Path) -> None:
    done = cli("train", photos, *TOY, "--model", "softmax", "--set", "epochs=3", "--name", "cats-and-dogs")
    assert done.code == 0, done.err
    assert "cats-and-dogs" in done.out
    assert "succeeded" in done.out
    assert "100.00% on the validation images" in done.out
    assert "model.safetensors" in done.out or "mdl_" in done.out
    assert "epoch 3/3" in done.err
    assert "succeeded" in done.err


def test_a_script_gets_one_document(cli: Cli, photos: Path) -> None:
    more = ("--priority", "3", "--max-duration", "5m", "--label", "team=a=b", "--label", "style_id=7")
    done = cli("train", photos, *TOY, "--set", "epochs=2", *more, "--json")
    assert list(done.document) == ["job", "metrics", "model", "exports", "timings"]
    job = done.document["job"]
    assert (job["state"], job["priority"], job["max_duration_seconds"], job["config"]) == (
        "succeeded",
        3,
        300,
        {"epochs": 2},
    )
    assert job["labels"] == {"team": "a=b", "style_id": "7"}
    assert done.document["model"]["job_id"] == job["id"]
    assert done.document["metrics"]["top1"] == 1.0


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (("team",), "'team' is no label; expected KEY=VALUE"),
        (("=a",), "'=a' is no label"),
        (("team=a", "team=b"), "the label team is given twice"),
    ],
)
def test_what_is_no_label_is_said(cli: Cli, photos: Path, labels: tuple[str, ...], why: str) -> None:
    done = cli("train", photos, *TOY, *(word for label in labels for word in ("--label", label)))
    assert done.code == Exit.USAGE
    assert why in done.err


def test_a_zip_and_a_name_work_too(cli: Cli, photos: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", photos)
    assert cli("train", archive, *TOY, "--set", "epochs=1", "--json").document["job"]["state"] == "succeeded"
    assert cli("train", "zipped", *TOY, "--set", "epochs=1", "--json").document["job"]["state"] == "succeeded"


def test_detached_it_prints_the_id_and_leaves(cli: Cli, client: Client, photos: Path) -> None:
    done = cli("train", photos, *TOY, "--set", "epochs=1", "--detach")
    assert done.code == 0
    assert client.wait(done.out.strip(), timeout_seconds=180).state is JobState.SUCCEEDED
    assert f"eyebright jobs watch {done.out.strip()}" in done.err


def test_a_failed_job_ends_with_one(cli: Cli, photos: Path) -> None:
    done = cli("train", photos, *TOY, "--set", "fail_at_step=1")
    assert done.code == Exit.NO
    assert "trainer_error" in done.out
    assert "told to fail at step 1" in done.out
    assert "eyebright jobs logs" in done.err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--set", "epoch=5"], Exit.USAGE, "epochs"),
        (["--set", "epochs=-1"], Exit.USAGE, "epochs"),
        (["--set", "epochs"], Exit.USAGE, "key=value"),
        (["--model", "softmx"], Exit.USAGE, "softmax"),
        (["--max-duration", "soon"], Exit.USAGE, "30m"),
    ],
)
def test_what_is_not_understood_is_told_with_the_nearest_that_is(
    cli: Cli, photos: Path, arguments: list[str], status: Exit, said: str
) -> None:
    done = cli("train", photos, *TOY, *arguments)
    assert done.code == status, done.err
    assert said in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    "arguments",
    [["--set", "epoch=5"], ["--set", "epochs=-1"], ["--model", "softmx"], ["--task", "classificaton"]],
    ids=lambda arguments: arguments[-1],
)
def test_a_refused_order_leaves_no_data_set_behind(
    cli: Cli, photos: Path, tmp_path: Path, arguments: list[str]
) -> None:
    folder = shutil.copytree(photos, tmp_path / "never-kept")
    assert cli("train", folder, *TOY, *arguments).code == Exit.USAGE
    assert cli("datasets", "show", "never-kept").code == Exit.NOT_FOUND


@pytest.mark.parametrize("trainer", [(), TOY], ids=["any trainer", "a trainer"])
def test_an_unknown_task_gets_the_nearest_and_blames_no_data(cli: Cli, photos: Path, trainer: tuple[str, ...]) -> None:
    done = cli("train", photos, *trainer, "--task", "classificaton")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert done.err.count("\n") == 1
    assert "task 'classificaton'. Did you mean 'classification'?" in done.err


def test_a_misfit_is_told_once(cli: Cli, photos: Path) -> None:
    done = cli("train", photos, *TOY, "--set", "epochs=-1")
    assert done.err == "error: epochs=-1: expected at least 1\n"


def test_an_unknown_trainer_gets_the_nearest(cli: Cli, photos: Path) -> None:
    done = cli("train", photos, "--trainer", "toi")
    assert done.code in {Exit.USAGE, Exit.NOT_FOUND}
    assert "'toy'" in done.err


@pytest.mark.parametrize("source", ["./nowhere", "no/where", "nowhere.zip", "~/no-such-folder-here"])
def test_a_path_that_leads_nowhere_is_said_to(cli: Cli, source: str) -> None:
    done = cli("train", source)
    assert done.code == Exit.NOT_FOUND
    assert "no file or folder" in done.err


def test_an_unknown_data_set_is_not_found(cli: Cli) -> None:
    done = cli("train", "unheard-of", *TOY)
    assert done.code == Exit.NOT_FOUND
    assert "unheard-of" in done.err


def test_a_mistyped_data_set_gets_the_nearest(cli: Cli, photos: Path) -> None:
    assert cli("datasets", "import", photos, "--name", "wildflowers").code == 0
    for verb in (("train", "wildflowrs", *TOY), ("datasets", "show", "wildflowrs")):
        done = cli(*verb)
        assert done.code == Exit.NOT_FOUND
        assert "Did you mean 'wildflowers'?" in done.err


def test_data_that_are_not_ready_say_exactly_what_is_missing(cli: Cli, tmp_path: Path) -> None:
    done = cli("train", pets(tmp_path / "one", classes=("cat",)), *TOY)
    assert done.code == Exit.NO
    assert "is not ready for classification:\n  - " in done.err
    assert "1 class" in done.err
    assert "2" in done.err


def test_a_text_called_jpg_stops_a_training_unless_it_is_left_out(cli: Cli, tmp_path: Path) -> None:
    folder = pets(tmp_path / "one-text")
    (folder / "cat" / "notes.jpg").write_text("dear diary")
    order = ("train", folder, *TOY, "--set", "epochs=1")
    refused = cli(*order)
    assert (refused.code, refused.out) == (Exit.NO, "")
    assert "cat/notes.jpg is named like an image but is none: it is text; remove or replace it, or" in refused.err
    assert "--leave-out-broken" in refused.err
    assert cli(*order, "--json").document["error"]["errors"][0]["examples"] == ["cat/notes.jpg"]
    assert cli(*order, "--leave-out-broken", "--json").document["job"]["state"] == "succeeded"


def test_from_afar_the_folder_is_sent(live: LiveServer, photos: Path, tmp_path: Path) -> None:
    """Another data folder: the server is known by its address and token alone."""
    arguments = ("train", photos, *TOY, "--set", "epochs=1", "--json")
    url = live.settings.data_dir / "server.json"
    import json

    where = {"EYEBRIGHT_URL": json.loads(url.read_text())["url"], "EYEBRIGHT_TOKEN": live.token}
    done = eyebright(tmp_path, *arguments, **where)
    assert done.code == 0, done.err
    assert done.document["job"]["state"] == "succeeded"
    refused = eyebright(tmp_path, *arguments, **{**where, "EYEBRIGHT_TOKEN": "wrong"})
    assert refused.code == Exit.DENIED
    assert refused.document["error"]["code"] in {"unauthenticated", "forbidden"}


def test_ctrl_c_without_a_terminal_leaves_the_training_running(live: LiveServer, client: Client, photos: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "eyebright",
        "train",
        str(photos),
        *TOY,
        "--set",
        "epochs=500",
        "--set",
        "step_seconds=0.02",
    ]
    process = subprocess.Popen(
        command, env=environment(live.data_dir), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 1/" in line:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=180)
    assert process.returncode == Exit.INTERRUPTED
    assert "goes on by itself" in said
    job_id = said.split("eyebright jobs cancel ")[1].split("`")[0]
    assert client.job(job_id).state is JobState.RUNNING
    client.cancel(job_id)
    assert client.wait(job_id, timeout_seconds=180).state is JobState.CANCELLED


def test_it_works_with_no_server_running(tmp_path: Path, photos: Path) -> None:
    """The embedded server comes, trains, and stays for a while."""
    done = eyebright(
        tmp_path, "train", photos, *TOY, "--set", "epochs=1", "--json", EYEBRIGHT_EMBEDDED_IDLE_SECONDS="600"
    )
    assert done.code == 0, done.err
    assert done.document["job"]["state"] == "succeeded"
    server = running_server(Settings(data_dir=tmp_path))
    assert server is not None
    assert server.embedded
    process = psutil.Process(server.pid)
    process.terminate()
    process.wait(60)
