"""A training service as somebody else would write it: it takes a start, trains in its own process, and calls back.

It keeps to what a Vision AI Training Platform's services are asked: three routes, four fields, and seven fields in a callback.
`config.say` plays other parts: `fail`, `vanish` (the process dies), `mute` (it says nothing more), `wait` (nor does
the first training of all that is told so: it lasts until the process is killed).
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import httpx
from fastapi import BackgroundTasks, FastAPI
from pydantic import BaseModel

from harness.service_process import ServiceProcess

app = FastAPI()


class Start(BaseModel):
    job_id: str
    config: dict[str, Any]
    dataset_s3_uri: str
    callback_url: str


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "healthy", "framework": "Pixels"}


@app.get("/models")
def models() -> list[dict[str, str]]:
    return [{"name": "average", "task": "shades"}, {"name": "median", "task": "shades"}]


@app.post("/training/start")
def start(order: Start, later: BackgroundTasks) -> dict[str, str]:
    later.add_task(train, order)
    return {"status": "accepted"}


def train(order: Start) -> None:
    with httpx.Client(timeout=10, trust_env=False) as client:

        def call(**update: Any) -> None:
            for wait in (0.1, 0.5, 2.0):
                try:
                    answer = client.post(order.callback_url, json={"job_id": order.job_id, **update})
                    if answer.is_success:
                        return
                except httpx.TransportError:
                    time.sleep(wait)
            raise RuntimeError("nobody takes the callback")

        try:
            checkpoint = _train(order, call)
        except Exception as error:
            call(status="failed", error=f"{type(error).__name__}: {error}")
        else:
            call(status="completed", progress=1.0, checkpoint_s3_uri=checkpoint)


def _train(order: Start, call: Any) -> str:
    call(status="running", progress=0.0, message="Starting training...")
    epochs, say = order.config.get("epochs", 3), order.config.get("say")
    sizes = _sizes(order.dataset_s3_uri)
    for epoch in range(epochs):
        time.sleep(order.config.get("step_seconds", 0.1))
        if epoch == 1 and say == "vanish":
            os._exit(1)
        if epoch == 1 and say == "mute":
            time.sleep(3600)
        if epoch == 1 and say == "wait" and not (waited := Path("waited")).exists():
            waited.touch()
            time.sleep(3600)
        if epoch == 1 and say == "fail":
            raise ValueError("the loss is no number")
        call(
            status="running", progress=(epoch + 1) / epochs, metrics={"epoch": epoch, "loss": sum(sizes) / (epoch + 1)}
        )
    bucket = order.dataset_s3_uri.split("/")[2]
    key = f"results/{order.job_id}/best.pt"
    _store().put_object(Bucket=bucket, Key=key, Body=f"{order.config['model']} {len(sizes)}".encode())
    return f"s3://{bucket}/{key}"


def _sizes(address: str) -> list[int]:
    _, _, bucket, prefix = address.split("/", 3)
    found = _store().list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    if not found:
        raise FileNotFoundError(address)
    return [each["Size"] for each in found]


def _store() -> Any:
    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")


class ForeignService(ServiceProcess):
    """The same in a process of its own. `endpoint` is where its bucket is."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        super().__init__(folder)
        self.command = [sys.executable, "-m", "uvicorn", "harness.foreign_service:app", "--port", self.port]
        path = os.pathsep.join(map(str, sys.path))
        self.environment = {**os.environ, "AWS_ENDPOINT_URL": endpoint, "PYTHONPATH": path}
