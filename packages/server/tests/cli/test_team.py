"""`eyebright team …` and `eyebright admin audit`, against a real server, as docs/operations/teams.md has them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.live import LiveServer, Ran

from eyebright.cli.exits import Exit
from eyebright.client import Client
from eyebright.errors import Forbidden, Unauthenticated

Cli = Callable[..., Ran]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live")) as server:
        yield server


def test_a_team_from_its_first_user_to_its_last_token(cli: Cli, live: LiveServer, tmp_path: Path) -> None:
    ada = cli("team", "users", "add", "Ada", "--json").document["id"]
    assert "Ada is member in default" in cli("team", "members", "set", ada, "member").out
    assert cli("team", "members", "list", "--json").document[0]["role"] == "member"
    made = cli(
        "team", "tokens", "make", "notebook", "--user", ada, "--role", "member", "--expires", "8h", "--json"
    ).document
    assert made["token"].startswith("ebt_")
    with Client(token=made["token"], settings=live.settings) as hers:
        assert {job.id for job in hers.jobs()} == {
            job["id"] for job in cli("jobs", "list", "--kind", "all", "--json").document
        }
        with pytest.raises(Forbidden, match="operator's alone"):
            hers.add_user("Mallory")
        with pytest.raises(Forbidden, match="file of the server"):
            hers._transport.ask("POST", "/api/v1/datasets:import", json={"path": str(tmp_path)})
        listed = cli("team", "tokens", "list")
        assert made["id"] in listed.out
        assert made["token"] not in listed.out
        assert cli("team", "tokens", "revoke", made["token"]).code == Exit.USAGE
        assert "is revoked" in cli("team", "tokens", "revoke", made["id"]).out
        with pytest.raises(Unauthenticated, match="was revoked"):
            hers.jobs().__next__()
    assert cli("team", "members", "remove", ada).code == Exit.DONE
    assert cli("team", "users", "remove", ada, "--json").document["removed_at_ms"] is not None
    assert "Ada" in cli("team", "users", "list").out
    log = cli("admin", "audit", "--json").document
    assert [each["operation"] for each in log][:3] == ["remove_user", "remove_member", "revoke_token"]
    assert ("token", 403) in {(each["actor"], each["status"]) for each in log}
    assert "remove_user" in cli("admin", "audit").out


def test_a_member_on_the_servers_machine_sends_a_folder_that_the_operator_names(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = cli("team", "users", "add", "Eve", "--json").document["id"]
    cli("team", "members", "set", eve, "member")
    token = cli("team", "tokens", "make", "laptop", "--user", eve, "--role", "member", "--json").document["token"]
    named = cli("datasets", "import", photos, "--name", "named", "--json")
    monkeypatch.setenv("EYEBRIGHT_TOKEN", token)
    sent = cli("datasets", "import", photos, "--name", "sent", "--json")
    assert (named.code, sent.code) == (Exit.DONE, Exit.DONE), sent.err
    assert named.document["manifest_sha256"] == sent.document["manifest_sha256"]


def test_a_teams_token_makes_none_for_agents(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYEBRIGHT_TOKEN", f"ebt_1_{'a' * 43}")
    ran = cli("token")
    assert ran.code != Exit.DONE
    assert "a team's token" in ran.err
