"""A bucket in Amazon S3 or in a store that speaks its dialect, with the credentials that boto3 finds.

What is sent is signed together with its body, so that the store itself refuses what was changed on the way. Further checksums, in
trailers that not every store knows, are left out.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as NoConnection
from botocore.response import StreamingBody
from s3transfer.utils import ReadFileChunk
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from eyebright.ports.objects import Signing
from eyebright.stores.objects.bucket import (
    PIECE_BYTES,
    REQUESTS_AT_ONCE,
    SHA256,
    WHOLE_BYTES,
    BucketFailed,
    Changed,
    Found,
    Manners,
    NoAnswer,
    Pouring,
    Seen,
    all_done,
    look_if_allowed,
    write_at,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, ObjectTypeDef

#: Something has the key, or is about to: another upload to it ends at this moment.
_TAKEN = frozenset({409, 412})
_MOST_PARTS = 10_000
#: Of all objects. They are read from the disk as they go, and never are in memory as a whole.
_PARTS_AT_ONCE = 10
_CHUNK_BYTES = 1 << 18
_REMOVED_AT_ONCE = 1000
#: boto3 tries again what did not get through; not an answer whose body broke off.
_BROKEN_OFF = (IncompleteReadError, ResponseStreamingError, HTTPClientError)


T = TypeVar("T")


class _Taken(Exception):
    """Something has got the key while its parts were sent."""


class S3Bucket:
    def __init__(self, bucket: str, endpoint: str | None, manners: Manners) -> None:
        self._bucket = bucket
        self._manners = manners
        self._parts_pool = ThreadPoolExecutor(_PARTS_AT_ONCE, "part")
        session: Any = boto3.Session()  # its types name every service of Amazon's that is not installed
        self._session = session
        self._client: S3Client = session.client("s3", endpoint_url=endpoint, config=_config(endpoint, manners))

    @property
    def uri(self) -> str:
        return f"s3://{self._bucket}"

    def look(self, key: str) -> Found | None:
        with self._explained():
            try:
                said = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
            except ClientError as error:
                if _status(error) == 404:
                    return None
                raise
            return Found(key, said["ContentLength"], said["ETag"], said["Metadata"].get(SHA256), _proven(said))

    def list(self, prefix: str) -> Iterator[Found]:
        with self._explained():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield Found(
                        item.get("Key", ""), item.get("Size", 0), item.get("ETag", ""), since_ms=_since_ms(item)
                    )

    def read(self, found: Found, start: int, stop: int) -> bytes:
        return self._received(found, start, stop, lambda body: _whole(body.read(), stop - start))

    def copy(self, found: Found, start: int, stop: int, file: int) -> None:
        def written(body: StreamingBody) -> None:
            place = start
            while place < stop:
                place = write_at(file, _whole(body.read(size := min(_CHUNK_BYTES, stop - place)), size), place)

        self._received(found, start, stop, written)

    def create(self, key: str, content: Seen, sent: Callable[[int], None]) -> bool:
        with self._explained():
            try:
                if content.size_bytes > WHOLE_BYTES:
                    self._put_in_parts(key, content.path, content.size_bytes, sent, content)
                else:
                    self._put_whole(key, content)
                    sent(content.size_bytes)
            except _Taken:
                return False
            except ClientError as error:
                if _status(error) in _TAKEN:
                    return False
                raise
            return True

    def replace(self, key: str, content: bytes | Path) -> None:
        with self._explained():
            if isinstance(content, bytes):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
            else:
                self._put_in_parts(key, content, content.stat().st_size, lambda _: None)

    def begin(self, key: str) -> Pouring:
        return _Parts(self, key)

    def begin_parts(self, key: str) -> str:
        with self._explained():
            return self._begun(key, None)

    def add_part(self, key: str, upload: str, number: int, piece: bytes) -> "CompletedPartTypeDef":
        with self._explained():
            part = self._client.upload_part(
                Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=piece
            )
            return {"ETag": part["ETag"], "PartNumber": number}

    def finish_parts(self, key: str, upload: str, parts: "list[CompletedPartTypeDef]", size: int) -> None:
        with self._explained():
            try:
                self._complete(key, upload, parts, None)
            except ClientError as error:
                if _answer(error)["Error"]["Code"] != "NoSuchUpload":
                    raise
                found = look_if_allowed(self, key)  # the answer was lost, perhaps, and boto3 has asked again
                if found is None or found.size_bytes != size:
                    raise

    def abort_parts(self, key: str, upload: str) -> None:
        with self._explained():
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)

    def remove(self, keys: Sequence[str]) -> None:
        with self._explained():
            for begin in range(0, len(keys), _REMOVED_AT_ONCE):
                self._remove(keys[begin : begin + _REMOVED_AT_ONCE])

    def sign(self, signing: Signing, seconds: int) -> str:
        """What is known of the bytes is signed with it: their number as a header, which every client sends, their sha256 as a
        parameter, by which S3 itself refuses others."""
        with self._explained():
            credentials = self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            request = AWSRequest(method=signing.method, url=self._url(signing.key))
            if signing.method == "PUT" and signing.size_bytes is not None:
                request.headers["content-length"] = str(signing.size_bytes)
            if signing.method == "PUT" and signing.sha256 is not None:
                request.params = {
                    "x-amz-checksum-sha256": b64encode(bytes.fromhex(signing.sha256)).decode(),
                    "x-amz-sdk-checksum-algorithm": "SHA256",
                }
            frozen = credentials.get_frozen_credentials()
            S3SigV4QueryAuth(frozen, "s3", self._client.meta.region_name, expires=seconds).add_auth(request)
            return str(request.url)

    def close(self) -> None:
        self._parts_pool.shutdown(cancel_futures=True)
        self._client.close()

    def _received(self, found: Found, start: int, stop: int, take: Callable[[StreamingBody], T]) -> T:
        """What `take` makes of the answer's body; it is called again when that breaks off."""
        again = Retrying(
            retry=retry_if_exception_type(_BROKEN_OFF),
            wait=wait_random_exponential(max=10),
            stop=stop_after_delay(self._manners.patience_seconds),
            reraise=True,
        )
        with self._explained():
            return again(self._taken, found, start, stop, take)

    def _taken(self, found: Found, start: int, stop: int, take: Callable[[StreamingBody], T]) -> T:
        """The tag is compared here: not every store understands the condition in the way that boto3 words it."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=found.key, Range=f"bytes={start}-{stop - 1}")
        except ClientError as error:
            if _status(error) in (404, 416):
                raise Changed(f"{found.key} is not what it was") from error
            raise
        with closing(answer["Body"]) as body:
            if answer["ETag"] != found.tag:
                raise Changed(f"{found.key} is not what it was")
            return take(body)

    def _put_whole(self, key: str, seen: Seen) -> None:
        self._client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=seen.content(),
            Metadata={SHA256: seen.sha256},
            IfNoneMatch="*",
            ChecksumSHA256=b64encode(bytes.fromhex(seen.sha256)).decode(),
        )

    def _put_in_parts(
        self, key: str, content: Path, size: int, sent: Callable[[int], None], seen: Seen | None = None
    ) -> None:
        """What was seen goes only where nothing has the key. What is given up is removed from the store, which would keep the
        parts, and charge for them, for ever."""
        upload = self._begun(key, seen)
        try:
            parts = self._parts(key, content, upload, size, sent)
            self._complete(key, upload, parts, seen)
        except BaseException:
            with suppress(BotoCoreError, ClientError):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
            raise

    def _complete(self, key: str, upload: str, parts: "list[CompletedPartTypeDef]", seen: Seen | None) -> None:
        """Where an answer was lost boto3 asks again, and may hear that there is no such upload any more: the object tells."""
        condition: Any = {} if seen is None else self._condition(key, seen)
        try:
            self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **condition
            )
        except ClientError as error:
            if seen is None or _answer(error)["Error"]["Code"] != "NoSuchUpload":
                raise
            found = look_if_allowed(self, key)
            if found is None or found.noted != seen.sha256:
                raise

    def _condition(self, key: str, seen: Seen) -> dict[str, str]:
        seen.require_unchanged()
        if look_if_allowed(self, key) is not None:  # some stores pass over the condition here
            raise _Taken
        return {"IfNoneMatch": "*"}

    def _begun(self, key: str, seen: Seen | None) -> str:
        kept = {} if seen is None else {SHA256: seen.sha256}
        return self._client.create_multipart_upload(Bucket=self._bucket, Key=key, Metadata=kept)["UploadId"]

    def _parts(
        self, key: str, content: Path, upload: str, size: int, sent: Callable[[int], None]
    ) -> "list[CompletedPartTypeDef]":
        step = max(PIECE_BYTES, -(-size // _MOST_PARTS))

        def send(number: int) -> "CompletedPartTypeDef":
            sent(0)  # none is begun any more once that raises
            body: Any = ReadFileChunk.from_filename(str(content), (number - 1) * step, step)
            with closing(body):
                length = len(body)
                part = self._client.upload_part(
                    Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=body
                )
            sent(length)
            return {"ETag": part["ETag"], "PartNumber": number}

        return all_done([self._parts_pool.submit(send, number) for number in range(1, max(1, -(-size // step)) + 1)])

    def _remove(self, keys: Sequence[str]) -> None:
        said = self._client.delete_objects(
            Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
        if refused := said.get("Errors"):
            raise BucketFailed(f"{len(refused)} objects were not removed: {refused[0].get('Code')}")

    def _url(self, key: str) -> str:
        """Where boto3 itself would ask for it."""
        url = self._client.generate_presigned_url("get_object", Params={"Bucket": self._bucket, "Key": key})
        return url.partition("?")[0]

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except ClientError as error:
            raise BucketFailed(f"{_answer(error)['Error']['Code']} (HTTP {_status(error)})", _status(error)) from error
        except (HTTPClientError, NoConnection) as error:
            raise NoAnswer(self._client.meta.endpoint_url, error) from error
        except BotoCoreError as error:
            raise BucketFailed(str(error)) from error


class _Parts:
    """Pouring."""

    def __init__(self, bucket: S3Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._upload: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._upload = self._upload or self._bucket.begin_parts(self._key)
        self._parts.append(self._bucket.add_part(self._key, self._upload, len(self._parts) + 1, piece))
        self._size += len(piece)

    def finish(self) -> None:
        assert self._upload is not None, "an object of no pieces is put in one request"
        self._bucket.finish_parts(self._key, self._upload, self._parts, self._size)

    def give_up(self) -> None:
        if self._upload is not None:
            self._bucket.abort_parts(self._key, self._upload)


def _whole(content: bytes, size: int) -> bytes:
    """Some stores end an answer early, and say that it is whole."""
    if len(content) != size:
        raise IncompleteReadError(actual_bytes=len(content), expected_bytes=size)
    return content


def _config(endpoint: str | None, manners: Manners) -> Config:
    """Stores of other makers seldom have a host name for each bucket."""
    return Config(
        signature_version="s3v4",
        connect_timeout=manners.connect_seconds,
        read_timeout=manners.idle_seconds,
        max_pool_connections=REQUESTS_AT_ONCE,
        retries={"mode": "standard", "total_max_attempts": _tries(manners.patience_seconds)},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if endpoint else "auto", "payload_signing_enabled": True},
    )


def _tries(seconds: float) -> int:
    """How many of boto3's tries take about so long: its pauses double from half a second, on average, to ten."""
    tries, waited, pause = 2, 0.5, 1.0
    while waited + pause <= seconds:
        tries, waited, pause = tries + 1, waited + pause, min(2 * pause, 10)
    return tries


def _answer(error: ClientError) -> Any:
    return error.response


def _status(error: ClientError) -> int:
    return _answer(error)["ResponseMetadata"]["HTTPStatusCode"]


def _since_ms(item: "ObjectTypeDef") -> int:
    return int(1000 * item["LastModified"].timestamp()) if "LastModified" in item else 0


def _proven(said: Any) -> str | None:
    """Of an object that was put in parts, the store only has the sum of their sums."""
    checksum = said.get("ChecksumSHA256")
    if checksum is None or said.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT" or "-" in checksum:
        return None
    return b64decode(checksum).hex()
