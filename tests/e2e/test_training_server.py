"""What callers of a Training Server know, whole: a message on RabbitMQ becomes a LoRA in a bucket, and their API hears of it."""

import asyncio
import io
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import boto3
import pytest
from buckets import moto
from harness.live import LiveServer
from harness.rabbitmq import RabbitMQ, broker_url, publish, rabbitmq, until_declared
from PIL import Image

__all__ = ["RabbitMQ", "broker_url", "rabbitmq"]

ROOT = Path(__file__).parents[2]
TRAINER = ROOT / "packages/trainers/diffusion/.venv/bin/python"
WEBHOOKS = "/api/webhooks/training"
QUICK = {
    "num_epochs": 2,
    "lora_rank": 2,
    "resolution": 64,
    "save_every_epochs": 1,
    "trigger_word": "sks",
    "model": "tiny",
}
ENDS = ("complete", "failed")


@dataclass(frozen=True)
class Call:
    """What the callers' API was told."""

    verb: str
    method: str
    id: str
    authorization: str
    body: dict[str, Any]


class Backend(BaseHTTPRequestHandler):
    """The callers' API, and the shelf that their images lie on. The first `complete` is answered by 503."""

    calls: list[Call]
    refused: list[Call]

    def do_GET(self) -> None:
        name = self.path.removeprefix("/images/").removesuffix(".png")
        self._answer(200, picture(int(name))) if name.isdecimal() else self._answer(404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        verb = self.path.removeprefix(f"{WEBHOOKS}/")
        call = Call(verb, self.command, self.headers["webhook-id"], self.headers["Authorization"], body)
        busy = verb == "complete" and not self.refused
        (self.refused if busy else self.calls).append(call)
        self._answer(503 if busy else 204)

    do_PATCH = do_POST

    def _answer(self, status: int, content: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@contextmanager
def backend() -> Iterator[tuple[type[Backend], str]]:
    handler = type("_Backend", (Backend,), {"calls": [], "refused": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.timeout(300)
def test_a_message_becomes_a_lora_in_the_bucket_and_each_caller_hears_of_one_end(
    tmp_path: Path, broker_url: str
) -> None:
    if not TRAINER.exists():
        pytest.skip("the diffusion trainer is not installed; run `make trainers`")
    with backend() as (api, url), moto() as s3, closing(bucket(s3)) as store:
        images = [f"{url}/images/{number}.png" for number in range(10)]
        good = order("t-1", 1, images, QUICK)
        with LiveServer(tmp_path / "server", **variables(url, s3, broker_url)):
            asyncio.run(until_declared(broker_url))
            tell(broker_url, good, good, order("t-2", 2, [*images, f"{url}/images/none.png"], QUICK))
            tell(broker_url, order("t-3", 3, images, {**QUICK, "epoch": 3}), good)
            eventually(lambda: {call.body["task_id"] for call in ends(api)} == {"t-1", "t-2", "t-3"})
            time.sleep(1)  # for what would come too often
        told = {task: [call for call in api.calls if call.body["task_id"] == task] for task in ("t-1", "t-2", "t-3")}
        *progress, complete = told["t-1"]
        assert progress, "no progress was told"
        assert {(call.verb, call.method) for call in progress} == {("progress", "PATCH")}
        assert [call.body["progress_percent"] for call in progress] == sorted(
            c.body["progress_percent"] for c in progress
        )
        assert (complete.verb, complete.method, complete.authorization) == ("complete", "POST", "Bearer swordfish")
        assert complete.body["model_path"] == "s3://bucket/models/style-1/lora_weights.safetensors"
        assert complete.body["training_metric"]["epochs"] == 2
        assert complete.body["training_metric"]["loss"] > 0
        assert [(call.id, call.body) for call in api.refused] == [(complete.id, complete.body)]
        assert codes(told["t-2"]) == ["INVALID_IMAGES"]
        assert "/images/none.png" in told["t-2"][0].body["error_message"]
        assert codes(told["t-3"]) == ["INVALID_PARAMETERS"]
        assert "'epochs'" in told["t-3"][0].body["error_message"]
        assert len({call.id for call in api.calls}) == len(api.calls)
        weights = tmp_path / "lora_weights.safetensors"
        weights.write_bytes(
            store.get_object(Bucket="bucket", Key="models/style-1/lora_weights.safetensors")["Body"].read()
        )
    assert loaded(weights) > 0


def ends(api: type[Backend]) -> list[Call]:
    return [call for call in api.calls if call.verb in ENDS]


def codes(calls: list[Call]) -> list[str]:
    return [call.body["error_code"] for call in calls if call.verb == "failed"]


def order(task_id: str, style_id: int, images: list[str], parameters: dict[str, Any]) -> bytes:
    """As their backend sends it."""
    data = {"style_id": style_id, "images": images, "parameters": parameters}
    return json.dumps({"task_id": task_id, "type": "model_training", "data": data}).encode()


def tell(url: str, *messages: bytes) -> None:
    asyncio.run(publish(url, *messages))


def variables(url: str, s3: str, broker: str) -> dict[str, str]:
    port = url.rpartition(":")[2]
    return {
        "EYEBRIGHT_AMQP__CONSUME": "true",
        "EYEBRIGHT_AMQP__URL": broker,
        "EYEBRIGHT_TRAINING_SERVER__BACKEND_URL": url,
        "EYEBRIGHT_TRAINING_SERVER__TOKEN": "swordfish",
        "EYEBRIGHT_TRAINING_SERVER__MODELS": "s3://bucket/models",
        "EYEBRIGHT_TRAINING_SERVER__PROGRESS_SECONDS": "1",
        "EYEBRIGHT_SOURCES__S3_ENDPOINT": s3,
        "EYEBRIGHT_EGRESS__SCHEMES": "http",
        "EYEBRIGHT_EGRESS__PORTS": port,
        "EYEBRIGHT_EGRESS__ALLOW": "127.0.0.0/8",
        "AWS_ACCESS_KEY_ID": "of-the-operator",
        "AWS_SECRET_ACCESS_KEY": "of-the-operator",
        "AWS_DEFAULT_REGION": "us-east-1",
        "OMP_NUM_THREADS": "1",
    }


def bucket(endpoint: str) -> Any:
    client: Any = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.create_bucket(Bucket="bucket")
    return client


def picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.frombytes("RGB", (8, 8), Random(number).randbytes(192)).resize((96, 96)).save(file, "PNG")
    return file.getvalue()


def loaded(weights: Path) -> int:
    """How many matrices diffusers finds in it."""
    program = (
        "import sys; from diffusers import StableDiffusionPipeline as P\n"
        "state, alphas = P.lora_state_dict(sys.argv[1]); print(sum('unet' in name for name in state))"
    )
    done = subprocess.run([TRAINER, "-c", program, weights], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def eventually(look: Callable[[], Any], seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.1)
