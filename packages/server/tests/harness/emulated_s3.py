"""An emulated S3 with the buckets of a platform."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from buckets import give_credentials, moto


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    give_credentials(monkeypatch)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str) -> Iterator[Any]:
    client: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    for name in ("bucket", "datasets"):
        client.create_bucket(Bucket=name)
    yield client
    client.close()
