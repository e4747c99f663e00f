"""Finished models in Amazon S3 and in stores that speak its dialect, with the credentials that boto3 finds."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from eyebright.stores.shelves.bucket import CONNECT_SECONDS, IDLE_SECONDS, BucketShelf

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: A store hides whether there is such a key from those who may not list them.
_NOTHING_TO_READ = frozenset({403, 404})


class S3Shelf(BucketShelf):
    scheme = "s3"

    def _read(self, key: str) -> bytes | None:
        with self._calling(key) as client:
            try:
                with closing(client.get_object(Bucket=self._bucket, Key=key)["Body"]) as body:
                    return body.read()
            except ClientError as error:
                if _found(error)[1] in _NOTHING_TO_READ:
                    return None
                raise

    def _put(self, key: str, content: bytes | Path) -> None:
        with self._calling(key) as client:
            if isinstance(content, bytes):
                client.put_object(Bucket=self._bucket, Key=key, Body=content)
                return
            with content.open("rb") as file:
                client.put_object(Bucket=self._bucket, Key=key, Body=file)

    @contextmanager
    def _calling(self, key: str) -> Generator["S3Client"]:
        session: Any = boto3.Session()  # its types name every service of Amazon's that is not installed
        try:
            with closing(session.client("s3", endpoint_url=self._endpoint, config=_config(self._endpoint))) as client:
                yield client
        except ClientError as error:
            code, status = _found(error)
            raise self._unavailable(key, f"{code} (HTTP {status})") from error
        except BotoCoreError as error:
            raise self._unavailable(key, str(error)) from error


def _found(error: ClientError) -> tuple[str, int]:
    """The store's own code, and the HTTP status."""
    answer: Any = error.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def _config(endpoint: str | None) -> Config:
    """The body is signed, so that the store itself refuses what was changed on the way; further checksums, in trailers that not
    every store knows, are left out."""
    return Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=IDLE_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
        request_checksum_calculation="when_required",
        s3={"addressing_style": "path" if endpoint else "auto", "payload_signing_enabled": True},
    )
