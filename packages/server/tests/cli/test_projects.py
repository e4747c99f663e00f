"""`eyebright projects …`, against a real server, as docs/operations/projects.md has it."""

from collections.abc import Callable, Iterator

import pytest
from harness.live import LiveServer, Ran

from eyebright.cli.exits import Exit

Cli = Callable[..., Ran]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live")) as server:
        yield server


def test_a_second_project_wants_somewhere_to_run_what_it_orders(cli: Cli) -> None:
    done = cli("projects", "create", "birds")
    assert "EYEBRIGHT_LOCAL__MANY_PROJECTS" in done.err, done.err
    assert [each["id"] for each in cli("projects", "list", "--json").document] == ["default"]


def test_a_project_is_made_and_listed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with LiveServer(tmp_path_factory.mktemp("shared"), EYEBRIGHT_LOCAL__MANY_PROJECTS="true") as server:
        assert "EYEBRIGHT_PROJECT=birds" in server.run("projects", "create", "birds").out
        assert "birds" in server.run("projects", "create", "birds").err
        assert "birds" in server.run("projects", "list").out
        told = server.run("projects", "create", "Bad Name")
        assert told.code == Exit.USAGE
        assert "must be text that matches" in told.err


def test_a_quota_is_set_shown_and_taken_away(cli: Cli) -> None:
    quota = ("projects", "quota", "default")
    assert cli(*quota, "--running-jobs", 4, "--storage", "200GB", "--requests", 600).code == 0
    found = cli(*quota, "--json").document
    assert (found["running_jobs"], found["storage_bytes"], found["requests_per_minute"]) == (4, 200 * 10**9, 600)
    assert cli(*quota, "--storage", "none", "--json").document == {**found, "storage_bytes": None}
    assert "jobs at once" in cli(*quota).out


@pytest.mark.parametrize(
    ("option", "limit"), [("--storage", "much"), ("--running-jobs", "4.5"), ("--requests", "-1"), ("--requests", "")]
)
def test_what_is_no_limit_is_told(cli: Cli, option: str, limit: str) -> None:
    done = cli("projects", "quota", "default", option, limit)
    assert done.code == Exit.USAGE, done.err
    assert "limit" in done.err or "requests_per_minute" in done.err
    assert ("such as 200GB" in done.err) == (option == "--storage")


def test_a_project_that_is_not_there_is_told(cli: Cli) -> None:
    done = cli("projects", "quota", "nowhere")
    assert "nowhere" in done.err
    assert done.code != 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("team", "tokens", "make", "", "--role", "viewer"),
        ("team", "tokens", "make", "x" * 500, "--role", "viewer"),
        ("team", "users", "add", "\udcff"),
        ("jobs", "list", "--limit", 10**22),
        ("admin", "compact", "--dry-run", "--days", "inf"),
    ],
)
def test_what_is_out_of_all_bounds_is_a_mistake_of_whoever_typed_it(cli: Cli, arguments: tuple[object, ...]) -> None:
    done = cli(*arguments)
    assert done.code == Exit.USAGE, (done.code, done.err)
    assert "mistake of Eyebright" not in done.err
