"""`eyebright doctor`: what it finds wrong, and that it changes nothing."""

import asyncio
import errno
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from databases import Postgres
from harness.callers import TABLES, Callers
from harness.postgrest import Supabase

from eyebright.cli import checks
from eyebright.cli.checks import CHECKS, Verdict, examine
from eyebright.cli.entry import run
from eyebright.cli.exits import Exit
from eyebright.settings import Settings
from eyebright_wire.resources import HealthView, TrainerView


def settings(tmp_path: Path, **fields: Any) -> Settings:
    return Settings(data_dir=tmp_path / "data", port=0, **fields)


def test_on_a_fresh_machine_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    found = {check.name: check for check in examine(settings(tmp_path))}
    assert list(found) == list(CHECKS)
    assert all(
        found[name].verdict is Verdict.OK for name in ("python", "settings", "token", "database", "server", "port")
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("live")
def test_with_a_running_server_all_is_well(cli: Any) -> None:
    done = cli("doctor", "--json")
    verdicts = {check["name"]: check for check in done.document["checks"]}
    assert done.code == 0, done.document
    assert "is ready" in verdicts["server"]["found"]
    assert "schema" in verdicts["database"]["found"]
    assert "yours alone" in verdicts["token"]["found"]
    assert "toy" in cli("doctor").out


def test_a_failure_ends_with_one_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o644)
    monkeypatch.setenv("EYEBRIGHT_DATA_DIR", str(tmp_path))
    assert run(["doctor"]) == Exit.NO
    assert f"chmod 600 {tmp_path / 'token'}" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    check = checks.data_folder(settings(tmp_path))
    assert check.verdict is Verdict.FAIL
    assert check.found.endswith("is not a folder. Choose another one with EYEBRIGHT_DATA_DIR")


def test_a_full_disk_is_no_question_of_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("eyebright.folder.tempfile.TemporaryFile", full)
    check = checks.data_folder(settings(tmp_path))
    assert check.verdict is Verdict.FAIL
    assert "free some space" in check.found
    assert "writable" not in check.found + check.advice


@pytest.mark.parametrize(("free", "verdict"), [(100, Verdict.FAIL), (10**9, Verdict.WARN), (10**11, Verdict.OK)])
def test_disk_space(free: int, verdict: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage)
    assert checks.data_folder(settings(tmp_path)).verdict is verdict


def test_a_mistyped_variable_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYEBRIGHT_PROT", "1")
    check = checks.variables(settings(tmp_path))
    assert check.verdict is Verdict.WARN
    assert "EYEBRIGHT_PORT" in check.found


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a server would find it; what is taken from it is forgotten after the test."""
    monkeypatch.setattr(os, "environ", {**os.environ, "EYEBRIGHT_ENV_FILE": str(tmp_path / "my.env")})
    file = tmp_path / "my.env"
    file.write_text("SUPABASE_URL=https://x.supabase.co\nOTHERS=1\nEYEBRIGHT_PORT=nine\n")
    file.chmod(0o600)
    return file


def test_a_file_that_only_a_server_reads_is_told_of_and_not_taken(env_file: Path) -> None:
    check = checks.env_file(Settings())
    assert check.verdict is Verdict.WARN
    assert check.found == (
        f"`eyebright serve` takes EYEBRIGHT_PORT, SUPABASE_URL from {env_file}; the checks here did not"
    )
    assert check.advice == f"look with them: `eyebright doctor --env-file {env_file}`"
    assert Settings().training_agent.supabase_url is None


def test_a_file_that_is_named_is_looked_at_as_a_server_would(env_file: Path, tmp_path: Path, capsys: Any) -> None:
    assert run(["doctor", "--env-file", str(env_file), "--json"]) == Exit.NO
    found = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert found["settings"]["found"].startswith("EYEBRIGHT_PORT is 'nine': expected")
    env_file.write_text(f"SUPABASE_URL=https://x.supabase.co\nEYEBRIGHT_DATA_DIR={tmp_path}/data\nEYEBRIGHT_PORT=0\n")
    del os.environ["EYEBRIGHT_PORT"]
    run(["doctor", "--env-file", str(env_file), "--json"])
    found = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert found["env file"]["verdict"] == Verdict.OK
    assert found["training agent"]["found"] == "SUPABASE_URL is set and SUPABASE_KEY is not"


def test_a_file_that_no_server_would_take_fails(env_file: Path, tmp_path: Path) -> None:
    env_file.chmod(0o666)
    found = {check.name: check for check in examine(settings(tmp_path, env_file=env_file))}
    assert found["env file"].verdict is Verdict.FAIL
    assert "can be written by anybody" in found["env file"].found


def test_a_level_that_is_ignored_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "verbose")
    check = checks.variables(settings(tmp_path))
    assert check.verdict is Verdict.WARN
    assert "LOG_LEVEL is 'verbose'" in check.found
    monkeypatch.setenv("LOG_LEVEL", "warn")
    assert checks.variables(settings(tmp_path)).verdict is Verdict.OK


@pytest.mark.parametrize("variable", ["EYEBRIGHT_PORT", "EYEBRIGHT_JOBS__LEASE_SECONDS"])
def test_a_setting_that_cannot_be_understood_fails_and_the_rest_is_looked_at(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv(variable, "abc")
    assert run(["doctor", "--json"]) == Exit.NO
    found = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert list(found) == ["python", "settings", "gpu"]
    assert found["python"]["verdict"] == Verdict.OK
    assert found["settings"]["verdict"] == Verdict.FAIL
    assert found["settings"]["found"].startswith(f"{variable} is 'abc': expected")


def test_a_taken_port_is_found(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        check = checks.port(Settings(data_dir=tmp_path, port=taken.getsockname()[1]))
    assert check.verdict is Verdict.WARN
    assert "--port 0" in check.found


def test_a_file_that_is_no_database_fails_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary, " * 100)
    found = {check.name: check for check in examine(settings(tmp_path, database_url=f"sqlite:///{tmp_path}/notes.txt"))}
    assert found["database"].verdict is Verdict.FAIL
    assert "notes.txt" in found["database"].found


def test_a_server_out_of_reach_fails(tmp_path: Path) -> None:
    found = {check.name: check for check in examine(settings(tmp_path, url="http://127.0.0.1:9", token="x"))}
    assert found["server"].verdict is Verdict.FAIL
    assert "no answer" in found["server"].found


def test_a_database_without_room_for_the_server_is_told(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.create()
    assert checks.database(settings(tmp_path, database_url=url)).verdict is Verdict.OK
    check = checks.database(settings(tmp_path, database_url=url, postgres={"pool_size": 190, "pool_overflow": 8}))
    assert check.verdict is Verdict.WARN
    assert "lets 197 connections in, this server may open 198" in check.found
    assert "POOL_OVERFLOW" in check.advice


def test_what_stands_in_the_way_of_projects_is_told(tmp_path: Path) -> None:
    (tmp_path / "disk").write_text("a file")
    nobody = {"database_url": "postgresql://me:swordfish@127.0.0.1:9/projects", "models": str(tmp_path / "disk/models")}
    check = checks.training_agent(settings(tmp_path, training_agent=nobody))
    assert check.verdict is Verdict.WARN
    assert "the callers' database postgresql://127.0.0.1:9/projects" in check.found
    assert f"{tmp_path}/disk is no folder" in check.found
    assert "swordfish" not in check.found
    half = {"supabase_url": "https://x.supabase.co"}
    assert "SUPABASE_KEY" in checks.training_agent(settings(tmp_path, training_agent=half)).found


def test_a_right_to_write_that_projects_lack_is_told(tmp_path: Path, postgres: Postgres) -> None:
    callers = Callers(postgres.create())
    role = f"doctor_{callers.name}"
    reading = f"CREATE ROLE {role} LOGIN; GRANT SELECT ON projects, datasets, models, agent_logs TO {role};"
    asyncio.run(callers.script(TABLES + reading))
    reader = {"database_url": callers.url.replace("postgres@", f"{role}@")}
    check = checks.training_agent(settings(tmp_path, training_agent=reader))
    assert check.verdict is Verdict.WARN
    assert "UPDATE on projects: permission denied for table projects" in check.found
    asyncio.run(
        callers.script(f"GRANT UPDATE (status) ON projects TO {role}; GRANT INSERT ON models, agent_logs TO {role}")
    )
    check = checks.training_agent(settings(tmp_path, training_agent=reader))
    assert (check.verdict, check.found.partition(";")[0]) == (Verdict.OK, "its database answers")


def test_what_a_key_may_write_is_not_said_to_be_known(tmp_path: Path, postgres: Postgres) -> None:
    callers = Callers(postgres.create())
    asyncio.run(callers.script(TABLES))
    project = Supabase(callers.url)
    with project.serving():
        section = {"supabase_url": project.url, "supabase_key": project.key}
        check = checks.training_agent(settings(tmp_path, training_agent=section))
    assert check.verdict is Verdict.OK
    assert "whether its key may write, only writing tells" in check.found
    assert {request.method for request in project.seen} == {"GET"}


def test_a_server_that_takes_work_may_have_trouble_with_some_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"database": "ok", "training_agent": "cannot reach the callers' database"}
    view = HealthView(status="ok", version="1", checks=told)
    monkeypatch.setattr(checks.Client, "ready", lambda self: view)
    check = checks.server(settings(tmp_path, url="http://127.0.0.1:9", token="x"))
    assert check.verdict is Verdict.WARN
    assert "is ready, version 1, but training_agent: cannot reach the callers' database" in check.found


def test_a_check_that_breaks_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHECKS, "gpu", lambda _: 1 / 0)
    found = {check.name: check for check in examine(settings(tmp_path))}
    assert found["gpu"].verdict is Verdict.FAIL
    assert "port" in found


def test_without_uv_or_trainers_the_way_out_is_told(tmp_path: Path) -> None:
    found = {check.name: check for check in examine(settings(tmp_path, trainers_dir=tmp_path / "none"))}
    assert found["trainers"].verdict is Verdict.FAIL
    assert f"no trainer project in {tmp_path / 'none' / 'torchvision'}" in found["trainers"].advice
    assert "set EYEBRIGHT_TRAINERS_DIR to" in found["trainers"].advice


def test_a_stale_environment_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stale:
        async def list(self) -> tuple[TrainerView, ...]:
            absent = TrainerView(
                name="a", installed=False, tasks={}, environment="", problem="'a' is not installed: run x"
            )
            stale = {"name": "b", "problem": "b is not what its lock says: run y", "stale": True}
            return absent, absent.model_copy(update=stale)

    monkeypatch.setattr(checks, "catalog_of", lambda settings: Stale())
    check = checks.trainers(settings(tmp_path))
    assert (check.found, check.advice) == ("none can be used", "b is not what its lock says: run y")


def test_a_trainer_that_only_lacks_its_environment_is_to_be_installed(tmp_path: Path) -> None:
    project = tmp_path / "trainers" / "torchvision"
    project.mkdir(parents=True)
    (project / "pyproject.toml").touch()
    (project / "uv.lock").touch()
    check = checks.trainers(settings(tmp_path, trainers_dir=tmp_path / "trainers"))
    assert check.advice.endswith("run `eyebright trainers install torchvision`")
