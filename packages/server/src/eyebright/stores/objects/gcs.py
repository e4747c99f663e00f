"""A bucket in Google Cloud Storage, with Google's application default credentials; without any, as the public."""

from base64 import b64encode
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import google.auth
import google_crc32c
from google.api_core.exceptions import (
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
    RequestRangeNotSatisfiable,
    RetryError,
)
from google.auth.credentials import AnonymousCredentials
from google.auth.environment_vars import CREDENTIALS
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client  # pyright: ignore[reportMissingTypeStubs]
from google.cloud.storage.exceptions import DataCorruption  # pyright: ignore[reportMissingTypeStubs]
from google.cloud.storage.retry import DEFAULT_RETRY  # pyright: ignore[reportMissingTypeStubs]
from google.resumable_media import InvalidResponse, RetryStrategy  # pyright: ignore[reportMissingTypeStubs]
from google.resumable_media.requests import ResumableUpload  # pyright: ignore[reportMissingTypeStubs]
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential
from urllib3.exceptions import HTTPError

from eyebright.ports.objects import Signing
from eyebright.settings import process_environment
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
    write_at,
)

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_GOOGLE = "https://storage.googleapis.com"
_KIND = "application/octet-stream"
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_REMOVED_AT_ONCE = 16
_SUM_BYTES = 1 << 20


class GoogleBucket:
    """The tag of an object is its generation, a number that every new content gets."""

    def __init__(self, bucket: str, endpoint: str | None, manners: Manners) -> None:
        self._endpoint = endpoint or _GOOGLE
        self._patience = manners.patience_seconds
        self._timeout = (manners.connect_seconds, manners.idle_seconds)
        self._manner = {"timeout": self._timeout, "retry": DEFAULT_RETRY.with_timeout(manners.patience_seconds)}
        self._credentials = _credentials()
        self._session = _session(self._credentials)
        options = {"api_endpoint": endpoint} if endpoint else None
        self._client: Any = Client(
            project="none", credentials=self._credentials, client_options=options, _http=self._session
        )
        self._bucket: Any = self._client.bucket(bucket)

    @property
    def uri(self) -> str:
        return f"gs://{self._bucket.name}"

    def look(self, key: str) -> Found | None:
        with self._explained():
            blob = self._bucket.blob(key)
            try:
                blob.reload(**self._manner)
            except NotFound:
                return None
            return Found(key, int(blob.size), str(blob.generation), (blob.metadata or {}).get(SHA256))

    def list(self, prefix: str) -> Iterator[Found]:
        with self._explained():
            for blob in self._client.list_blobs(self._bucket, prefix=prefix, **self._manner):
                since_ms = int(1000 * blob.time_created.timestamp())
                yield Found(blob.name, int(blob.size), str(blob.generation), since_ms=since_ms)

    def read(self, found: Found, start: int, stop: int) -> bytes:
        with self._explained():
            try:
                return self._bucket.blob(found.key).download_as_bytes(
                    start=start,
                    end=stop - 1,
                    raw_download=True,
                    if_generation_match=int(found.tag),
                    checksum=None,
                    **self._manner,
                )
            except (NotFound, PreconditionFailed, RequestRangeNotSatisfiable) as error:
                raise Changed(f"{found.key} is not what it was") from error

    def copy(self, found: Found, start: int, stop: int, file: int) -> None:
        write_at(file, self.read(found, start, stop), start)

    def create(self, key: str, content: Seen, sent: Callable[[int], None]) -> bool:
        with self._explained():
            try:
                if content.size_bytes > WHOLE_BYTES:
                    self._create_in_pieces(key, content, sent)
                else:
                    self._create_whole(key, content)
                    sent(content.size_bytes)
            except PreconditionFailed:
                return False
            except InvalidResponse as error:
                if _status(error) == 412:
                    return False
                raise
            return True

    def replace(self, key: str, content: bytes | Path) -> None:
        with self._explained():
            blob = self._bucket.blob(key, chunk_size=PIECE_BYTES)
            put = blob.upload_from_string if isinstance(content, bytes) else blob.upload_from_filename
            put(content, content_type=_KIND, checksum="crc32c", **self._manner)

    def begin(self, key: str) -> Pouring:
        def opened() -> Any:
            return self._bucket.blob(key).open(
                "wb", chunk_size=PIECE_BYTES, content_type=_KIND, if_generation_match=0, **self._manner
            )

        return _Written(opened, self._explained)

    def remove(self, keys: Sequence[str]) -> None:
        with self._explained(), ThreadPoolExecutor(_REMOVED_AT_ONCE) as pool:
            list(pool.map(self._remove, keys))

    def sign(self, signing: Signing, seconds: int) -> str:
        """Nothing is signed of the bytes to be put: Google takes their number and sum as headers alone, which the holder of a
        mere URL does not know of."""
        with self._explained():
            try:
                return self._bucket.blob(signing.key).generate_signed_url(
                    version="v4",
                    expiration=timedelta(seconds=seconds),
                    method=signing.method,
                    api_access_endpoint=self._endpoint,
                    credentials=self._credentials,
                )
            except AttributeError as error:  # how the library tells it
                raise BucketFailed(
                    "nothing can be signed with these credentials; give the server the key of a service account "
                    "(GOOGLE_APPLICATION_CREDENTIALS)"
                ) from error

    def close(self) -> None:
        self._client.close()

    def _create_whole(self, key: str, seen: Seen) -> None:
        content = seen.content()
        blob = self._bucket.blob(key)
        blob.metadata = {SHA256: seen.sha256}
        blob.upload_from_string(content, content_type=_KIND, checksum="crc32c", if_generation_match=0, **self._manner)

    def _create_in_pieces(self, key: str, seen: Seen, sent: Callable[[int], None]) -> None:
        """Where a piece breaks off, Google is asked how much of it came. Nothing appears before the last, nor then unless its
        sum is the one that was announced."""
        size = seen.size_bytes
        upload: Any = ResumableUpload(self._upload_url(), PIECE_BYTES, checksum="crc32c")
        upload._retry_strategy = RetryStrategy(max_retries=0)
        about = {"name": key, "metadata": {SHA256: seen.sha256}, "crc32c": _crc32c(seen.path)}
        with seen.path.open("rb") as stream:
            self._again(lambda: upload.initiate(self._session, stream, about, _KIND, size, timeout=self._timeout))
            while not upload.finished:
                if upload.bytes_uploaded + PIECE_BYTES >= size:
                    seen.require_unchanged()
                reached = upload.bytes_uploaded
                if self._again(_Advance(upload, self._session, self._timeout)):
                    break
                sent(upload.bytes_uploaded - reached)

    def _upload_url(self) -> str:
        return f"{self._endpoint}/upload/storage/v1/b/{self._bucket.name}/o?uploadType=resumable&ifGenerationMatch=0"

    def _again(self, work: Callable[[], Any]) -> Any:
        again = Retrying(
            retry=retry_if_exception(_passes),
            wait=wait_random_exponential(max=10),
            stop=stop_after_delay(self._patience),
            reraise=True,
        )
        return again(work)

    def _remove(self, key: str) -> None:
        try:
            self._bucket.blob(key).delete(**self._manner)
        except NotFound:
            return

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except (GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption) as error:
            raise _failed(error, self._client.api_endpoint) from error
        except (RequestException, HTTPError, ConnectionError) as error:
            raise _failed(error, self._client.api_endpoint) from error


def _failed(error: BaseException, endpoint: str) -> BucketFailed:
    """Without other addresses: that of an upload is a secret, which lets its holder go on with it."""
    if isinstance(error, RetryError) and error.cause is not None:
        return _failed(error.cause, endpoint)
    if isinstance(error, NotFound):  # of an object it is told where one is asked for
        return BucketFailed(f"there is no such bucket: HTTP {error.code}", error.code)
    if isinstance(error, GoogleAPICallError):
        return BucketFailed(f"{type(error).__name__} (HTTP {error.code})", error.code)
    if isinstance(error, InvalidResponse):
        gone = "there is no such bucket, or the upload was forgotten: " if _status(error) == 404 else ""
        return BucketFailed(f"{gone}HTTP {_status(error)}", _status(error))
    if isinstance(error, GoogleAuthError):
        return BucketFailed(f"{type(error).__name__}: {next(iter(error.args), '')}")
    if isinstance(error, (RequestException, HTTPError, ConnectionError)):
        return NoAnswer(endpoint, error)
    return BucketFailed(type(error).__name__)


class _Written:
    """Pouring. `explained` tells a failure in our words. The library's writer is made with the first piece only: one that is
    dropped without a word puts an object of nothing."""

    def __init__(self, opened: Callable[[], Any], explained: Callable[[], AbstractContextManager[None]]) -> None:
        self._opened = opened
        self._explained = explained
        self._writer: Any = None

    def add(self, piece: bytes) -> None:
        with self._explained():
            self._writer = self._writer or self._opened()
            self._writer.write(piece)

    def finish(self) -> None:
        with self._explained():
            self._writer.close()

    def give_up(self) -> None:
        if self._writer is not None:
            with self._explained():
                self._writer.terminate()


class _Advance:
    """Sends the next piece; called again, it asks first what came of it. True when that was all there is."""

    def __init__(self, upload: Any, session: AuthorizedSession, timeout: tuple[float, float]) -> None:
        self._upload = upload
        self._session = session
        self._timeout = timeout
        self._broken = False

    def __call__(self) -> bool:
        if self._broken and self._whole_already():
            return True
        self._broken = True
        self._upload.transmit_next_chunk(self._session, timeout=self._timeout)
        return False

    def _whole_already(self) -> bool:
        try:
            self._upload.recover(self._session)
        except InvalidResponse as error:
            if _status(error) in (200, 201):
                return True
            raise
        return False


def _crc32c(path: Path) -> str:
    """As Google writes it."""
    sum_ = google_crc32c.Checksum()
    with path.open("rb") as file:
        for _ in sum_.consume(file, _SUM_BYTES):
            continue
    return b64encode(sum_.digest()).decode()


def _credentials() -> Any:
    library: Any = google.auth
    try:
        return library.default(scopes=_SCOPES)[0]
    except DefaultCredentialsError as error:
        if process_environment().get(CREDENTIALS):  # somebody who is named is not the public
            raise BucketFailed(f"{CREDENTIALS}: {error.args[0]}") from error
        return AnonymousCredentials()
    except OSError as error:  # of a folder, say, which Docker makes where the file that it is to mount is missing
        raise BucketFailed(
            f"the credentials in {error.filename} cannot be read: {error.strerror}; name a file that the server may read in "
            f"{CREDENTIALS}"
        ) from error


def _session(credentials: Any) -> AuthorizedSession:
    session: Any = AuthorizedSession(credentials)
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=REQUESTS_AT_ONCE))
    return session


def _passes(error: BaseException) -> bool:
    if isinstance(error, InvalidResponse):
        return _status(error) in _PASSING
    return isinstance(error, (RequestException, HTTPError, ConnectionError))


def _status(error: InvalidResponse) -> int:
    answer: Any = error.response
    return answer.status_code
