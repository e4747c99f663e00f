"""`eyebright jobs preflight` against a real server, with the toy trainer."""

import shutil
from collections.abc import Callable
from pathlib import Path

from harness.live import Ran

from eyebright.cli.exits import Exit

Cli = Callable[..., Ran]
TOY = ("--trainer", "toy")


def test_an_order_that_can_be_placed_is_told_with_what_it_takes(cli: Cli, photos: Path) -> None:
    done = cli("jobs", "preflight", photos, *TOY)
    assert done.code == Exit.DONE, done.err
    assert "toy  classification  softmax" in done.out
    assert "2 classes" in done.out
    assert "free below" in done.out
    assert done.out.rstrip().endswith("Ready.")


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
