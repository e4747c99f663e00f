"""The consumer in real processes: within a server, and beside one; killed between commit and acknowledgement."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aio_pika
from harness.live import LiveServer, environment
from harness.orders import busy, order, ordered
from harness.rabbitmq import on_channel, publish, take, until_declared, waiting

from eyebright.client import Client

QUEUE = "model_training"
#: A consumer that is killed at the worst moment: the server has committed, and the broker does not know.
DIES_BEFORE_THE_ACK = """
import os, signal
from eyebright.cli import consume

take = consume.OverHttp.take

async def take_and_die(self, *message):
    await take(self, *message)
    os.kill(os.getpid(), signal.SIGKILL)

consume.OverHttp.take = take_and_die
consume.consume()
"""
SERVER_DIES_BEFORE_THE_ACK = """
import os, signal
from eyebright.cli import serve
from eyebright.services.intake import Intake

take = Intake.take

async def take_and_die(self, *message):
    await take(self, *message)
    os.kill(os.getpid(), signal.SIGKILL)

Intake.take = take_and_die
serve.serve(None, None, False, True)
"""


def process(data_dir: Path, url: str, *command: str) -> "subprocess.Popen[bytes]":
    with (data_dir / "consumer.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *command], env=environment(data_dir, EYEBRIGHT_AMQP__URL=url), stdout=log, stderr=log
        )


async def asked(url: str, body: bytes) -> Any:
    """Order, and wait for the answer."""

    async def ask(channel: Any) -> Any:
        answers = await channel.declare_queue("answers", durable=True)
        message = aio_pika.Message(body, reply_to=answers.name, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, QUEUE)

    await until_declared(url)
    await on_channel(url, ask)
    return json.loads((await take(url, "answers", within_seconds=120)).body)


async def test_a_consumer_killed_between_commit_and_ack_makes_no_second_job(tmp_path: Path, broker_url: str):
    with busy(tmp_path / "data") as server:
        await publish_to_quorum(broker_url, order("once"))
        dying = process(server.data_dir, broker_url, "-c", DIES_BEFORE_THE_ACK)
        assert dying.wait(300) == -signal.SIGKILL
        assert ordered(server) == {"once": 1}
        async with asyncio.timeout(60):  # what a consumer held comes back some moments after it went
            while await waiting(broker_url) != 1:  # noqa: ASYNC110  it was not acknowledged; the broker tells nobody
                await asyncio.sleep(0.05)
        consumer = process(server.data_dir, broker_url, "-m", "eyebright", "consume")
        answer = await asked(broker_url, order("once"))
        assert (answer["outcome"], answer["task_id"]) == ("known", "once")
        consumer.send_signal(signal.SIGTERM)
        assert consumer.wait(120) == 0, "asked to end, it ends well"
        assert ordered(server) == {"once": 1}
        assert await waiting(broker_url) == 0


async def test_a_server_killed_between_commit_and_ack_makes_no_second_job(tmp_path: Path, broker_url: str):
    data_dir = tmp_path / "data"
    with busy(data_dir):
        pass
    await publish_to_quorum(broker_url, order("once"))
    dying = process(data_dir, broker_url, "-c", SERVER_DIES_BEFORE_THE_ACK)
    assert dying.wait(300) == -signal.SIGKILL
    with LiveServer(data_dir, EYEBRIGHT_AMQP__URL=broker_url, EYEBRIGHT_AMQP__CONSUME="true") as server:
        answer = await asked(broker_url, order("once"))
        assert answer["outcome"] == "known"
        assert ordered(server) == {"once": 1}
    assert await waiting(broker_url) == 0


async def test_a_server_takes_orders_and_tells_how_it_stands_with_the_broker(tmp_path: Path, broker_url: str):
    variables = {"EYEBRIGHT_AMQP__URL": broker_url, "EYEBRIGHT_AMQP__CONSUME": "true"}
    with busy(tmp_path / "data", **variables) as server, Client(settings=server.settings) as client:
        taken = await asked(broker_url, order("first", epochs=2))
        assert taken["outcome"] == "taken"
        assert client.job(taken["job_id"]).labels == {"task_id": "first", "style_id": "7"}
        refused = await asked(broker_url, order("second", colour="red"))
        assert (refused["outcome"], refused["reason"]) == ("refused", "config_invalid")
        assert client.job(refused["job_id"]).state == "failed"
        parked = await asked(broker_url, b"\xff\xfe")
        assert (parked["outcome"], parked["reason"]) == ("parked", "not_utf8")
        assert [each.id for each in client.parked()] == [parked["parked_id"]]
        assert client.ready().checks["amqp"] == "ok"
        metrics = client._transport.ask("GET", "/metrics").text
        assert "eyebright_queue_connected 1.0" in metrics
        assert 'eyebright_queue_messages_total{outcome="parked"} 1.0' in metrics


def test_a_server_without_its_broker_takes_work_all_the_same(tmp_path: Path):
    variables = {"EYEBRIGHT_AMQP__URL": "amqp://guest:very-secret@127.0.0.1:1/", "EYEBRIGHT_AMQP__CONSUME": "true"}
    with LiveServer(tmp_path / "data", **variables) as server, Client(settings=server.settings) as client:
        health = client.ready()
        assert health.status == "ok"
        assert health.checks["amqp"].startswith("not connected")
        metrics = client._transport.ask("GET", "/metrics").text
        assert "eyebright_queue_connected 0.0" in metrics
    assert "very-secret" not in (server.data_dir / "server.log").read_text()


def test_the_door_is_closed_unless_it_is_opened(tmp_path: Path):
    variables = {"EYEBRIGHT_AMQP__URL": "amqp://127.0.0.1:1/"}
    with LiveServer(tmp_path / "data", **variables) as server, Client(settings=server.settings) as client:
        assert "amqp" not in client.ready().checks


async def publish_to_quorum(url: str, body: bytes) -> None:
    async def declare(channel: Any) -> None:
        await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})

    await on_channel(url, declare)
    await publish(url, body)
