"""Whatever happens becomes an exit status and one clear message."""

import errno
import json
import subprocess
import sys

import pytest

from eyebright.cli import entry
from eyebright.cli.entry import failure_of, run
from eyebright.cli.exits import Exit, exit_of
from eyebright.client.problems import BY_CODE
from eyebright.errors import ConfigInvalid, EyebrightError, GuardViolated, NoScope


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch):
    """Let every command end with an exception."""

    def breaking(error: BaseException) -> None:
        def command(**_: object) -> None:
            raise error

        monkeypatch.setattr(entry, "get_command", lambda _: command)

    return breaking


def test_an_error_is_one_message_and_no_traceback(breaks, capsys: pytest.CaptureFixture[str]) -> None:
    breaks(
        ConfigInvalid(
            "unknown setting 'epoch'. Did you mean 'epochs'?",
            errors=[{"loc": ["config", "lr"], "msg": "too large"}, {"field": "epoch"}],
        )
    )
    assert run(["train", "x"]) == Exit.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: unknown setting 'epoch'. Did you mean 'epochs'?\n  - config.lr: too large\n"


def test_an_error_is_one_document_with_json(breaks, capsys: pytest.CaptureFixture[str]) -> None:
    breaks(ConfigInvalid("no", errors=[{"field": "epochs"}]))
    assert run(["train", "x", "--json"]) == Exit.USAGE
    shown = capsys.readouterr()
    expected = {"code": "config_invalid", "message": "no", "exit": 2, "errors": [{"field": "epochs"}]}
    assert json.loads(shown.out) == {"error": expected}
    assert shown.err == ""


def test_what_stands_behind_two_dashes_is_no_option(breaks, capsys: pytest.CaptureFixture[str]) -> None:
    breaks(ConfigInvalid("no"))
    run(["train", "--", "--json"])
    assert capsys.readouterr().out == ""


def test_a_mistake_of_ours_says_so_and_hides_the_traceback(breaks, capsys: pytest.CaptureFixture[str]) -> None:
    breaks(ZeroDivisionError("division by zero"))
    assert run(["jobs", "list"]) == Exit.INTERNAL
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in shown
    assert "--debug" in shown
    assert "Traceback" not in shown


def test_debug_shows_the_traceback(breaks, capsys: pytest.CaptureFixture[str]) -> None:
    breaks(ZeroDivisionError("division by zero"))
    assert run(["--debug", "jobs", "list"]) == Exit.INTERNAL
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_ends_quietly(breaks, capsys: pytest.CaptureFixture[str]) -> None:
    breaks(KeyboardInterrupt())
    assert run(["jobs", "list"]) == Exit.INTERRUPTED
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=lambda kind: kind.code)
def test_only_mistakes_of_ours_end_with_the_status_for_them(kind: type[EyebrightError]) -> None:
    status = exit_of(kind.__new__(kind))
    assert (status is Exit.INTERNAL) == (kind in {EyebrightError, GuardViolated, NoScope})


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "cat.jpg"), Exit.NOT_FOUND, "cat.jpg"),
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), Exit.UNAVAILABLE, "EYEBRIGHT_DATA_DIR"),
        (OSError(errno.ENOSPC, "No space left", "/data/x"), Exit.UNAVAILABLE, "disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/data/x"), Exit.UNAVAILABLE, "disk is full"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/data"), Exit.UNAVAILABLE, "Is a directory (/data)"),
    ],
)
def test_the_systems_refusals_say_what_to_do(error: OSError, status: Exit, said: str) -> None:
    failure = failure_of(error)
    assert failure.exit == status
    assert said in failure.message


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["train"], "Missing argument 'PATH_OR_DATASET'"),
        (["train", "x", "--prority", "1"], "--priority"),
        (["train", "x", "--priority", "1000"], "100"),
        (["jobs", "list", "--state", "sleeping"], "queued"),
        (["jobs", "frobnicate"], "frobnicate"),
    ],
)
def test_a_wrong_command_line_is_told_with_where_to_look(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv) == Exit.USAGE
    shown = capsys.readouterr()
    assert said in shown.err
    assert "--help`" in shown.err
    assert run([*argv, "--json"]) == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_what_the_message_tells_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(app: object) -> None:
        raise ConfigInvalid(
            "see `eyebright recipes list`", errors=[{"field": "lr", "message": "see `eyebright recipes list`"}]
        )

    monkeypatch.setattr("eyebright.cli.entry.get_command", refuse)
    monkeypatch.setattr("eyebright.cli.program.program", lambda: ".venv/bin/eyebright")
    assert run(["train"]) == Exit.USAGE
    assert capsys.readouterr().err == "error: see `.venv/bin/eyebright recipes list`\n"


def test_a_group_without_a_verb_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jobs"]) == Exit.USAGE
    assert "Usage: eyebright jobs" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m eyebright openapi | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "{\n"
    assert done.stderr == ""
    assert done.returncode in {0, 1}  # 0 when it was quicker than the reader
