"""Secrets of every kind go into a whole journey, with everything logged that can be; they come out nowhere else."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from buckets import moto
from databases import Postgres
from harness.live import LiveServer, pets
from harness.places import clear
from harness.receiver import PERMITTED, Receiver
from harness.training_service import training_service

from eyebright.client import Client, running_server
from eyebright_wire.jobs import JobRequest, JobState

#: What a test could not find by chance.
CANARIES = {
    "password of the database": "canary-postgres-5e1f0c",
    "key of the bucket": "canary-aws-9d27ab41",
    "token of the service": "canary-service-77c0e2d5",
    "token of a model hub": "hf_canary3b1d6f",
}


@contextmanager
def watched() -> Iterator[set[str]]:
    """The command lines of all processes of this machine, looked at all the time."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue  # it has ended meanwhile

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARIES["key of the bucket"])
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto() as endpoint:
        client: Any = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="bucket")
        clear(client)
        yield client
        client.close()


def objects(client: Any) -> dict[str, bytes]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="bucket")
    keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
    return {f"object {key}": client.get_object(Bucket="bucket", Key=key)["Body"].read() for key in keys}


@pytest.mark.timeout(300)
def test_no_secret_is_told(tmp_path: Path, postgres: Postgres, bucket: Any) -> None:
    secrets = dict(CANARIES)
    (token_file := tmp_path / "service-token").write_text(secrets["token of the service"])
    service_variables = {"EYEBRIGHT_SERVICE_TOKEN_FILE": str(token_file), "HF_TOKEN": secrets["token of a model hub"]}
    with (
        watched() as command_lines,
        Receiver() as receiver,
        training_service(tmp_path / "service", variables=service_variables) as service,
    ):
        variables = {
            **PERMITTED,
            "EYEBRIGHT_EGRESS__PORTS": str(receiver.port),
            "LOG_LEVEL": "debug",
            "EYEBRIGHT_LOG__ACCESS": "true",
            "EYEBRIGHT_DATABASE_URL": with_password(postgres.create(), secrets["password of the database"]),
            "EYEBRIGHT_STORAGE__PLACE": "s3://bucket/mine",
            "EYEBRIGHT_STORAGE__ENDPOINT": bucket.meta.endpoint_url,
            "EYEBRIGHT_EXECUTORS": "local,service:toy",
            "EYEBRIGHT_SERVICES__URLS": f"toy={service.url}",
            "EYEBRIGHT_SERVICES__TOKEN_FILE": str(token_file),
            "HF_TOKEN": secrets["token of a model hub"],
        }
        with LiveServer(tmp_path / "server", **variables) as live, Client(settings=live.settings) as client:
            server = running_server(live.settings)
            assert server is not None
            secrets["token of the operator"] = live.token
            told, secret = journey(client, live, server.url, receiver)
            secrets["secret of a webhook"] = secret
            told["trainers' output"] = live.run("jobs", "logs", told["job"].decode()).out.encode()
            told["doctor"] = live.run("doctor", "--json").out.encode()
    secrets |= of_attempts(tmp_path)
    told |= objects(bucket)
    told |= {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and is_a_log(path)}
    told["command lines"] = "\n".join(command_lines).encode()
    assert len([name for name in told if name.startswith("object ")]) > 24
    assert "eyebright_toy" in told["command lines"].decode()
    assert "/api/v1/jobs" in (tmp_path / "server" / "server.log").read_text()
    found = [
        f"{what} in {where}"
        for what, value in secrets.items()
        for where, text in told.items()
        if value.encode() in text
    ]
    assert found == []
    assert {"token of a local attempt", "token of the service's attempt"} <= {*secrets}


def journey(client: Client, live: LiveServer, url: str, receiver: Receiver) -> tuple[dict[str, bytes], str]:
    """An import, a training here and one at the service, a webhook, and requests that are refused; what was answered."""
    headers = {"Authorization": f"Bearer {live.token}"}
    told: dict[str, bytes] = {}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as http:
        hook = (
            http.post("/api/v1/webhooks", json={"url": receiver.url("/500"), "events": ["*"]}).raise_for_status().json()
        )
        receiver.secrets["/500"] = hook["secret"]
        data = client.import_dataset(pets(live.data_dir.parent / "pets")).id
        for executor in ("local", "service:toy"):
            order = {"dataset": data, "trainer": "toy", "name": "pets", "executor": executor, "config": {"epochs": 2}}
            job = client.wait(client.submit(JobRequest.model_validate(order)).id, timeout_seconds=120)
            assert job.state is JobState.SUCCEEDED, job.message
            told["job"] = job.id.encode()
            told[f"events of {executor}"] = http.get(f"/api/v1/jobs/{job.id}/events", params={"limit": 500}).content
        wrong = http.post("/api/v1/jobs", json={**order, "dataset": live.token, "config": {"epochs": live.token[:3]}})
        assert wrong.is_client_error
        assert http.get("/api/v1/jobs", headers={"Authorization": f"Bearer {live.token}x"}).status_code == 401
        receiver.wait_for("/500", lambda _: True)
        told["webhook's bodies"] = b"".join(visit.body for visit in receiver.at("/500"))
        for path in ("/metrics", "/ready", "/api/v1/jobs", "/api/v1/models", "/api/v1/webhooks"):
            told[path] = http.get(path).content
        told["deliveries"] = http.get(f"/api/v1/webhooks/{hook['id']}/deliveries").content
    return told, hook["secret"]


def of_attempts(folder: Path) -> dict[str, str]:
    """The tokens that trainers speak with, as their sealed orders have them."""
    kept = {"local": folder / "server" / "runs", "service's": folder / "service"}
    names = {"local": "token of a local attempt", "service's": "token of the service's attempt"}
    found: dict[str, str] = {}
    for whose, below in kept.items():
        for path in below.rglob("*.json"):
            if tokens := re.findall(r'"token":\s*"([^"]{20,})"', path.read_text()):
                found[names[whose]] = tokens[0]
    return found


def is_a_log(path: Path) -> bool:
    """What people look into, and events that wait; not what is sealed for trainers."""
    return path.suffix in {".log", ".txt", ".jsonl"}


def with_password(url: str, password: str) -> str:
    """Our Postgres lets in whoever comes, with any password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.replace("@", f":{password}@")).geturl()
