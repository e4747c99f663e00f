"""Objects in Amazon S3 and in stores that speak its dialect: `s3://bucket/key`.

Credentials are those that boto3 finds in the server's own environment; without any, objects are read as the public may.
"""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Never

import boto3
from botocore import UNSIGNED
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection

from eyebright_kit.remote.address import Address
from eyebright_kit.remote.source import (
    CONNECT_SECONDS,
    READ_SECONDS,
    READERS,
    Access,
    Body,
    Interrupted,
    Listed,
    access_denied,
    changed,
    no_answer,
    no_bucket,
    no_bucket_or_object,
    no_object,
    refused,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK_BYTES = 1 << 18
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_MISSING = {"NoSuchBucket": no_bucket, "NoSuchKey": no_object}
_THROTTLED = frozenset({"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException"})


class S3:
    def __init__(self, access: Access) -> None:
        session: Any = boto3.Session()  # its types name every service of Amazon's that is not installed
        self._anonymous = session.get_credentials() is None
        self._client: S3Client = session.client(
            "s3", endpoint_url=access.endpoint, config=_config(access.endpoint, anonymous=self._anonymous)
        )

    def list(self, prefix: Address) -> Iterator[Listed]:
        with self._explained(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=prefix.place, Prefix=prefix.key):
                for item in page.get("Contents", ()):
                    yield Listed(item.get("Key", ""), item.get("Size", 0), item.get("ETag"))

    @contextmanager
    def read(self, address: Address, start: int, tag: str | None) -> Generator[Body]:
        with self._explained(address):
            answer = self._client.get_object(Bucket=address.place, Key=address.key, **_conditions(start, tag))
            with closing(answer["Body"]) as stream:
                yield Body(*_extent(answer, start), answer["ETag"], stream.iter_chunks(_CHUNK_BYTES))

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _explained(self, address: Address) -> Generator[None]:
        try:
            yield
        except ClientError as error:
            self._explain(address, error)
        except (HTTPClientError, NoConnection) as error:
            raise no_answer(address, self._client.meta.endpoint_url, error) from error
        except IncompleteReadError as error:
            raise Interrupted(str(error)) from error
        except BotoCoreError as error:
            raise refused(address, str(error)) from error

    def _explain(self, address: Address, error: ClientError) -> Never:
        answer: Any = error.response
        status, code = answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]
        if status in _PASSING or code in _THROTTLED:
            raise Interrupted(f"{code} (HTTP {status})") from error
        if status in (412, 416):
            raise changed(address) from error
        if status in (401, 403):
            who = "read as the public, since the server has no credentials for S3" if self._anonymous else "read"
            raise access_denied(address, f"{who}: {code}") from error
        if status == 404:
            raise _MISSING.get(code, no_bucket_or_object)(address) from error
        raise refused(address, f"{code} (HTTP {status})") from error


def _config(endpoint: str | None, *, anonymous: bool) -> Config:
    """One retry below ours, for the listing. Stores of other makers seldom have a host name for each bucket."""
    return Config(
        signature_version=UNSIGNED if anonymous else "s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=READERS,
        retries={"mode": "standard", "total_max_attempts": 2},
        s3={"addressing_style": "path" if endpoint else "auto"},
    )


def _conditions(start: int, tag: str | None) -> dict[str, Any]:
    condition = {} if tag is None else {"IfMatch": tag}
    return {"Range": f"bytes={start}-", **condition} if start else condition


def _extent(answer: Any, start: int) -> tuple[int, int]:
    """Where the bytes belong, and how many there are in all. A store that knows no ranges sends everything."""
    length: int = answer["ContentLength"]
    whole: str = answer.get("ContentRange", "").rpartition("/")[2]
    return (start, int(whole)) if whole.isdecimal() else (0, length)
