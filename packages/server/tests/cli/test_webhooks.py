"""`eyebright webhooks …`, against a real server whose rules let it call this machine's receivers."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.live import LiveServer, Ran, pets
from harness.receiver import PERMITTED, Receiver

from eyebright.cli.exits import Exit
from eyebright.client import Client
from eyebright.errors import Conflict
from eyebright_wire.jobs import JobRequest
from eyebright_wire.webhooks import DeliveryStatus, WebhookEvent

Cli = Callable[..., Ran]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[LiveServer]:
    permitted = {**PERMITTED, "EYEBRIGHT_EGRESS__PORTS": str(receiver.port)}
    with LiveServer(tmp_path_factory.mktemp("live"), **permitted) as server:
        yield server


@pytest.fixture(scope="module")
def client(live: LiveServer) -> Iterator[Client]:
    with Client(settings=live.settings) as client:
        yield client


def await_noted(client: Client, webhook_id: str) -> None:
    """The receiver has heard of the end of a job, and the server that it did."""
    deadline = time.monotonic() + 180
    while not any(client.deliveries(webhook_id, status=DeliveryStatus.DELIVERED, event=WebhookEvent.JOB_SUCCEEDED)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_webhook_from_its_birth_to_its_end(cli: Cli, client: Client, receiver: Receiver, tmp_path: Path) -> None:
    made = cli("webhooks", "create", receiver.url("/h"), "--event", "job.*", "--label", "team=blue", "--json").document
    receiver.secrets["/h"] = made["secret"]
    assert (made["events"], made["labels"]) == (["job.*"], {"team": "blue"})
    tried = cli("webhooks", "test", made["id"])
    assert (tried.code, receiver.verified("/h")[-1]["type"]) == (Exit.DONE, "webhook.test")
    version = client.import_dataset(pets(tmp_path / "pets"))
    order = JobRequest(dataset=version.id, trainer="toy", config={"epochs": 2}, labels={"team": "blue"})
    job = client.wait(client.submit(order).id, timeout_seconds=180)
    receiver.wait_for("/h", lambda told: told["type"] == "job.succeeded")
    await_noted(client, made["id"])  # what is under way is not sent twice
    of_job = cli("webhooks", "deliveries", made["id"], "--job", job.id, "--json").document
    assert of_job[0]["event"] == "job.succeeded"
    assert "job.succeeded" in cli("webhooks", "deliveries", made["id"]).out
    assert cli("webhooks", "replay", made["id"], of_job[0]["id"]).code == Exit.DONE
    receiver.wait_for("/h", lambda told: told["type"] == "job.succeeded", times=2)
    await_noted(client, made["id"])
    rotated = cli("webhooks", "rotate", made["id"], "--json").document
    assert rotated["secret"] != made["secret"]
    assert made["secret"] not in cli("webhooks", "show", made["id"]).out + cli("webhooks", "list", "--json").out
    assert "disabled by hand" in cli("webhooks", "disable", made["id"]).out
    with pytest.raises(Conflict, match="enable"):
        client.replay_deliveries(made["id"])
    assert cli("webhooks", "enable", made["id"], "--json").document["enabled"] is True
    assert cli("webhooks", "replay", made["id"], "--since", "1h").out.startswith("None was given up.")
    assert cli("webhooks", "delete", made["id"]).code == Exit.USAGE
    assert cli("webhooks", "delete", made["id"], "--yes", "--json").document == {"deleted": made["id"]}
    assert cli("webhooks", "show", made["id"]).code == Exit.NOT_FOUND
    assert client.webhooks() == ()


def test_a_receiver_that_refuses_is_told_of(cli: Cli, client: Client, receiver: Receiver) -> None:
    made = cli("webhooks", "create", receiver.url("/teapot"), "--json").document
    tried = cli("webhooks", "test", made["id"])
    assert (tried.code, "answered 418" in tried.out) == (Exit.NO, True)
    (dead,) = client.deliveries(made["id"], status=DeliveryStatus.DEAD)
    assert dead.answer == 418
    client.delete_webhook(made["id"])


def test_what_waits_is_listed_with_what_it_waits_for(
    cli: Cli, client: Client, receiver: Receiver, tmp_path: Path
) -> None:
    made = cli("webhooks", "create", receiver.url("/500"), "--event", "job.*", "--json").document
    client.import_dataset(pets(tmp_path / "pets"))
    deadline = time.monotonic() + 180
    while "after job.created" not in (listed := " ".join(cli("webhooks", "deliveries", made["id"]).out.split())):
        assert time.monotonic() < deadline, listed
    assert "None there is like that." in cli("webhooks", "deliveries", made["id"], "--status", "dead").err
    assert cli("webhooks", "replay", made["id"]).out.startswith("None was given up.")
    cli("webhooks", "disable", made["id"])
    cli("webhooks", "enable", made["id"])
    assert "deliveries are sent again" in cli("webhooks", "replay", made["id"]).out
    client.delete_webhook(made["id"])


def test_what_the_settings_declare_is_not_deleted_or_disabled_here(cli: Cli, tmp_path: Path, monkeypatch) -> None:
    backend = {"EYEBRIGHT_TRAINING_SERVER__BACKEND_URL": "http://127.0.0.1:9"}
    with LiveServer(tmp_path / "declared", **backend) as server:
        monkeypatch.setenv("EYEBRIGHT_DATA_DIR", str(server.data_dir))
        for verb in ("delete", "disable", "rotate"):
            refused = cli("webhooks", verb, "whe_training_server")
            assert (refused.code, "declared by the settings" in refused.err) == (Exit.CONFLICT, True), verb


def test_what_cannot_be_is_refused_with_the_way_out(cli: Cli) -> None:
    private = cli("webhooks", "create", "http://10.0.0.1/")
    assert (private.code, "EYEBRIGHT_EGRESS__" in private.err or "port" in private.err) == (Exit.USAGE, True)
    unknown = cli("webhooks", "create", "https://x.example/", "--event", "job.finished")
    assert (unknown.code, "job.succeeded" in unknown.err) == (Exit.USAGE, True)
    assert cli("webhooks", "replay", "whe_0", "msg_0", "--since", "1h").code == Exit.USAGE
    assert "Nobody is told" in cli("webhooks", "list").err
