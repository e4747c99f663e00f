"""`eyebright queue …`: what was put aside is found, read, replayed and discarded."""

import json
from collections.abc import Callable

from harness.live import Ran

from eyebright.cli.exits import Exit
from eyebright.client import Client
from eyebright_wire.queue import QueueOutcome
from eyebright_wire.resources import JobView

Cli = Callable[..., Ran]


def test_a_parked_message_is_listed_and_shown_with_the_reason(cli: Cli, client: Client):
    parked = client.deliver(b"train, [please]").parked_id
    (found,) = [each for each in cli("queue", "parked", "--json").document if each["id"] == parked]
    assert (found["reason"], found["body"]) == ("not_json", "train, [please]")
    listed = cli("queue", "parked").out
    assert parked in listed
    assert "not_json" in listed
    shown = cli("queue", "show", parked).out
    assert "train, [please]" in shown
    assert cli("queue", "show", parked, "--json").document == found


def test_a_message_moves_nothing_in_the_terminal(cli: Cli, client: Client):
    parked = client.deliver(b'{"task_id": "\x1b]0;mine\x07", \n\x1b[2J').parked_id
    shown = cli("queue", "show", parked).out
    assert "\x1b" not in shown
    assert "\\x1b[2J" in shown


def test_a_replayed_message_that_is_parked_again_is_no_success(cli: Cli, client: Client):
    parked = client.deliver(b"no better today").parked_id
    again = cli("queue", "replay", parked)
    assert again.code == Exit.NO
    assert "parked again (not_json)" in again.err
    assert cli("queue", "replay", parked, "--json").document["outcome"] == "parked"


def test_a_discarded_message_is_gone(cli: Cli, client: Client):
    parked = client.deliver(b"nothing").parked_id
    assert cli("queue", "discard", parked, "--json").document == {"discarded": parked}
    assert cli("queue", "show", parked).code == Exit.NOT_FOUND
    assert cli("queue", "discard", parked).code == Exit.NOT_FOUND


def test_a_message_that_was_delivered_is_a_job_of_the_real_server(client: Client, done: JobView):
    data = {"style_id": 3, "dataset": done.dataset_version, "task": "classification", "trainer": "toy"}
    message = json.dumps({"task_id": "by-hand", "type": "model_training", "data": data}).encode()
    first, again = client.deliver(message), client.deliver(message)
    assert (first.outcome, again.outcome) == (QueueOutcome.TAKEN, QueueOutcome.KNOWN)
    assert again.job_id == first.job_id
    assert client.job(first.job_id).labels == {"task_id": "by-hand", "style_id": "3"}
