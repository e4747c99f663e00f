"""Finished models in Amazon S3 and in stores that speak its dialect, with the credentials that boto3 finds."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.utils import ReadFileChunk

from eyebright.stores.shelves.bucket import CONNECT_SECONDS, IDLE_SECONDS, PIECE_BYTES, SHA256, BucketShelf

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

#: A store hides whether there is such a key from those who may not list them.
_NOTHING_TO_READ = frozenset({403, 404})
#: Something has the key, or is about to: another upload to it ends at this moment.
_TAKEN = frozenset({409, 412})
_PARTS_AT_ONCE = 4
_MOST_PARTS = 10_000
_PATIENT_TRIES = 10  # with growing pauses of random length: some 8 seconds


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

    def _kept(self, key: str) -> str | None:
        with self._calling(key, _PATIENT_TRIES) as client:
            try:
                return client.head_object(Bucket=self._bucket, Key=key)["Metadata"].get(SHA256, "")
            except ClientError as error:
                if _found(error)[1] in _NOTHING_TO_READ:
                    return None
                raise

    def _put_new(self, key: str, content: Path, sha256: str) -> bool:
        size = content.stat().st_size
        with self._calling(key, _PATIENT_TRIES) as client:
            try:
                if size > PIECE_BYTES:
                    self._put_in_parts(client, key, content, size, sha256)
                else:
                    with content.open("rb") as file:
                        client.put_object(
                            Bucket=self._bucket, Key=key, Body=file, Metadata={SHA256: sha256}, IfNoneMatch="*"
                        )
            except ClientError as error:
                if _found(error)[1] in _TAKEN:
                    return False
                raise
            return True

    def _put_in_parts(self, client: "S3Client", key: str, content: Path, size: int, sha256: str) -> None:
        """What is given up is removed from the store, which would keep, and charge for, parts for ever."""
        upload = client.create_multipart_upload(Bucket=self._bucket, Key=key, Metadata={SHA256: sha256})["UploadId"]
        step = max(PIECE_BYTES, -(-size // _MOST_PARTS))

        def sent(number: int) -> "CompletedPartTypeDef":
            body: Any = ReadFileChunk.from_filename(str(content), (number - 1) * step, step)
            with closing(body):
                part = client.upload_part(Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
            return {"ETag": part["ETag"], "PartNumber": number}

        try:
            with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
                parts = list(pool.map(sent, range(1, -(-size // step) + 1)))
            client.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except BaseException:
            with suppress(BotoCoreError, ClientError):
                client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
            raise

    @contextmanager
    def _calling(self, key: str, tries: int = 2) -> Generator["S3Client"]:
        session: Any = boto3.Session()  # its types name every service of Amazon's that is not installed
        try:
            with closing(
                session.client("s3", endpoint_url=self._endpoint, config=_config(self._endpoint, tries))
            ) as client:
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


def _config(endpoint: str | None, tries: int) -> Config:
    """The body is signed, so that the store itself refuses what was changed on the way; further checksums, in trailers that not
    every store knows, are left out."""
    return Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=IDLE_SECONDS,
        retries={"mode": "standard", "total_max_attempts": tries},
        request_checksum_calculation="when_required",
        s3={"addressing_style": "path" if endpoint else "auto", "payload_signing_enabled": True},
    )
