"""`eyebright jobs preflight` against a real server, with the toy trainer."""

import shutil
from collections.abc import Callable
from pathlib import Path

from harness.live import Ran

from eyebright.cli.exits import Exit
from eyebright_wire.resources import JobView

Cli = Callable[..., Ran]
TOY = ("--trainer", "toy")


def test_an_order_that_can_be_placed_is_told_with_what_it_takes(cli: Cli, photos: Path) -> None:
    done = cli("jobs", "preflight", photos, *TOY)
    assert done.code == Exit.DONE, done.err
    assert "toy  classification  softmax" in done.out
    assert "2 classes" in done.out
    assert "free below" in done.out
    assert done.out.rstrip().endswith("Ready.")


def test_disk_and_memory_are_learned_from_earlier_trainings_and_how_well_is_told(
    cli: Cli, photos: Path, done: JobView
) -> None:
    assert cli("jobs", "preflight", photos, *TOY).code == Exit.DONE
    job = cli("train", photos, *TOY, "--json").document["job"]  # one by which the forecast can be tested
    for line in ("memory", "disk"):
        (shown,) = (each for each in cli("jobs", "show", job["id"]).out.splitlines() if each.startswith(line))
        assert ", foretold " in shown
    found = cli("jobs", "preflight", photos, *TOY, "--json").document["preflight"]
    for each in (found["memory"], *found["disk"]):
        assert each["basis"] == "measured"
        assert each["tested"] >= 1
        assert each["error"] >= 0
    said = cli("jobs", "preflight", photos, *TOY).out.split()
    assert " ".join(said).count("; tested on") == 2


def test_the_time_is_learned_from_earlier_trainings(cli: Cli, photos: Path, done: JobView) -> None:
    told = cli("jobs", "preflight", photos, *TOY)
    assert "time" in told.out
    assert " to " in told.out
    assert "(measured: " in told.out
    time = cli("jobs", "preflight", photos, *TOY, "--json").document["preflight"]["time"]
    assert time["basis"] == "measured"
    assert time["runs"] >= 1
    assert 0 <= time["low_seconds"] <= time["seconds"] <= time["high_seconds"]


def test_an_order_tells_how_long_it_is_to_take_and_in_the_end_how_long_it_took(
    cli: Cli, photos: Path, done: JobView
) -> None:
    assert cli("jobs", "preflight", photos, *TOY).code == Exit.DONE
    trained = cli("train", photos, *TOY, "--set", "epochs=3")
    assert "Takes about " in trained.err
    assert ", foretold 0:" in trained.out
    job = cli("train", photos, *TOY, "--set", "epochs=3", "--json").document["job"]
    assert job["forecast"]["seconds"] > 0
    assert ", foretold 0:" in cli("jobs", "show", job["id"]).out
    assert cli("jobs", "preflight", photos, *TOY, "--json").document["preflight"]["time"]["tested"] >= 2


def test_an_order_of_which_nothing_is_known_says_so(cli: Cli, photos: Path) -> None:
    far = cli("jobs", "preflight", photos, *TOY, "--set", "batch=4096", "--json").document["preflight"]["time"]
    assert (far["basis"], far["seconds"]) == ("unknown", None)
    trained = cli("train", photos, *TOY, "--set", "batch=4096", "--set", "epochs=1")
    assert "Nobody knows yet how long it takes" in trained.err
    (took,) = (line for line in trained.out.splitlines() if line.startswith("took"))
    assert "foretold" not in took


def test_what_is_wrong_is_told_at_once_and_nothing_is_imported(cli: Cli, photos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(photos, tmp_path / "unkept")
    done = cli("jobs", "preflight", folder, *TOY, "--model", "softmx", "--set", "epocs=2", "--json")
    assert done.code == Exit.NO
    assert done.document["ok"] is False
    assert [finding["field"] for finding in done.document["preflight"]["findings"]] == ["", "epocs"]
    assert cli("datasets", "show", "unkept").code == Exit.NOT_FOUND


def test_a_rehearsal_tells_of_each_step(cli: Cli, photos: Path) -> None:
    done = cli("jobs", "preflight", photos, *TOY, "--rehearse")
    assert done.code == Exit.DONE, done.out + done.err
    for step in ("settings", "first batch", "checkpoint", "reload", "largest batch"):
        assert step in done.out
    assert done.out.rstrip().endswith("Ready.")


def test_the_step_that_fails_is_told_with_its_reason_and_the_exit_status(cli: Cli, photos: Path) -> None:
    done = cli("jobs", "preflight", photos, *TOY, "--set", "nan_at_step=1", "--rehearse", "--json")
    assert done.code == Exit.NO
    steps = {step["name"]: step for step in done.document["rehearsal"]["steps"]}
    assert (steps["first_batch"]["state"], steps["first_batch"]["code"]) == ("failed", "nan_loss")
    assert steps["validation"]["state"] == "unreached"
    assert done.document["preflight"]["ok"]
