"""Finished models in Google Cloud Storage, with Google's application default credentials."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import google.auth
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, PreconditionFailed, RetryError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud.storage import Client  # pyright: ignore[reportMissingTypeStubs]
from google.cloud.storage.exceptions import DataCorruption  # pyright: ignore[reportMissingTypeStubs]
from google.cloud.storage.retry import DEFAULT_RETRY  # pyright: ignore[reportMissingTypeStubs]
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from eyebright.stores.shelves.bucket import CONNECT_SECONDS, IDLE_SECONDS, PIECE_BYTES, SHA256, BucketShelf

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
#: How every request is made: whoever asked tries again himself.
_ONCE = {"timeout": (CONNECT_SECONDS, IDLE_SECONDS), "retry": None}
#: The same for what may be asked again without harm, with growing pauses of random length. No longer than a server that is to
#: stop may wait for: whoever puts a model tries again himself, too.
_PATIENTLY: dict[str, Any] = {**_ONCE, "retry": DEFAULT_RETRY.with_timeout(15).with_delay(maximum=5)}


class GoogleShelf(BucketShelf):
    scheme = "gs"

    def _read(self, key: str) -> bytes | None:
        with self._blob(key) as blob:
            try:
                return blob.download_as_bytes(**_ONCE)
            except (NotFound, Forbidden):
                return None

    def _put(self, key: str, content: bytes | Path) -> None:
        with self._blob(key) as blob:
            if isinstance(content, bytes):
                blob.upload_from_string(content, content_type="application/json", checksum="md5", **_ONCE)
            else:
                blob.upload_from_filename(
                    str(content), content_type="application/octet-stream", checksum="md5", **_ONCE
                )

    def _kept(self, key: str) -> str | None:
        with self._blob(key) as blob:
            try:
                blob.reload(**_PATIENTLY)
            except (NotFound, Forbidden):
                return None
            return (blob.metadata or {}).get(SHA256, "")

    def _put_new(self, key: str, content: Path, sha256: str) -> bool:
        """In pieces, each sent again by itself; an answer that got lost makes our own object the one that has the key."""
        with self._blob(key) as blob:
            blob.metadata = {SHA256: sha256}
            blob.chunk_size = PIECE_BYTES
            try:
                blob.upload_from_filename(
                    str(content),
                    content_type="application/octet-stream",
                    checksum="crc32c",
                    if_generation_match=0,
                    **_PATIENTLY,
                )
            except PreconditionFailed:
                return False
            return True

    @contextmanager
    def _blob(self, key: str) -> Generator[Any]:
        options = {"api_endpoint": self._endpoint} if self._endpoint else None
        try:
            client: Any = Client(project="none", credentials=_credentials(), client_options=options)
            with closing(client):
                yield client.bucket(self._bucket).blob(key)
        except (GoogleAPICallError, RetryError) as error:
            raise self._unavailable(key, _found(error)) from error
        except (GoogleAuthError, DataCorruption, RequestException, HTTPError) as error:
            raise self._unavailable(key, type(error).__name__) from error


def _found(error: GoogleAPICallError | RetryError) -> str:
    found: Any = error.cause if isinstance(error, RetryError) else error
    return (
        f"{type(found).__name__} (HTTP {found.code})" if isinstance(found, GoogleAPICallError) else type(found).__name__
    )


def _credentials() -> Any:
    """Without any, as the public: a bucket may be open to its own network."""
    library: Any = google.auth
    try:
        return library.default(scopes=_SCOPES)[0]
    except DefaultCredentialsError:
        return AnonymousCredentials()
