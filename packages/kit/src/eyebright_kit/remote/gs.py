"""Objects in Google Cloud Storage: `gs://bucket/key`.

Credentials are Google's application default credentials of the server; without any, objects are read as the public may.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import google.auth
from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    NotFound,
    PreconditionFailed,
    RequestRangeNotSatisfiable,
    ServerError,
    TooManyRequests,
    Unauthorized,
)
from google.auth.credentials import AnonymousCredentials
from google.auth.environment_vars import CREDENTIALS
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, InvalidOperation, TransportError
from google.cloud.storage import Client  # pyright: ignore[reportMissingTypeStubs]
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from eyebright_kit.remote.address import Address
from eyebright_kit.remote.failure import FetchFailed
from eyebright_kit.remote.source import (
    CONNECT_SECONDS,
    READ_SECONDS,
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

_PIECE_BYTES = 8 << 20
_TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
_READ_ONLY = ("https://www.googleapis.com/auth/devstorage.read_only",)


class GoogleStorage:
    """The tag of an object is its generation, a number that every new content gets."""

    def __init__(self, access: Access) -> None:
        self._public, credentials = _credentials()
        options = {"api_endpoint": access.endpoint} if access.endpoint else None
        self._client: Any = Client(project="none", credentials=credentials, client_options=options)

    def list(self, prefix: Address) -> Iterator[Listed]:
        with self._explained(prefix):
            for blob in self._listed(prefix):
                yield Listed(blob.name, int(blob.size), str(blob.generation))

    @contextmanager
    def read(self, address: Address, start: int, tag: str | None) -> Generator[Body]:
        with self._explained(address):
            bucket: Any = self._client.bucket(address.place)
            found = bucket.blob(address.key)
            found.reload(timeout=_TIMEOUT, retry=None, if_generation_match=int(tag) if tag else None)
            # A blob that was looked up would be read from whatever link the answer held, not from the operator's endpoint.
            pieces = _pieces(bucket.blob(address.key), start, int(found.size), found.generation)
            yield Body(start, int(found.size), str(found.generation), pieces)

    def close(self) -> None:
        self._client.close()

    def _listed(self, prefix: Address, **options: Any) -> Any:
        return self._client.list_blobs(prefix.place, prefix=prefix.key, timeout=_TIMEOUT, retry=None, **options)

    @contextmanager
    def _explained(self, address: Address) -> Generator[None]:
        try:
            yield
        except (PreconditionFailed, RequestRangeNotSatisfiable) as error:
            raise changed(address) from error
        except NotFound as error:
            raise self._missing(address) from error
        except (Forbidden, Unauthorized) as error:
            raise access_denied(address, f"read{self._public}: HTTP {error.code}") from error
        except InvalidOperation as error:  # how the library takes a 401 that answers the public
            raise access_denied(address, f"read{self._public}: HTTP 401") from error
        except (RequestException, HTTPError) as error:
            raise no_answer(address, self._client.api_endpoint, error) from error
        except (ServerError, TooManyRequests, TransportError) as error:
            raise Interrupted(type(error).__name__) from error
        except (GoogleAPICallError, GoogleAuthError) as error:
            raise refused(address, f"{type(error).__name__}: {error}") from error

    def _missing(self, address: Address) -> FetchFailed:
        """Google words a missing bucket like a missing object, but for who lists it."""
        try:
            next(iter(self._listed(address, max_results=1)), None)
        except NotFound:
            return no_bucket(address)
        except (GoogleAPICallError, GoogleAuthError, RequestException, HTTPError):
            return no_bucket_or_object(address)
        return no_object(address)


def _credentials() -> tuple[str, Any]:
    """Where there are none, as what a bucket is read then, and why."""
    library: Any = google.auth
    try:
        return "", library.default(scopes=_READ_ONLY)[0]
    except DefaultCredentialsError as error:
        why = str(error.args[0]) if os.environ.get(CREDENTIALS) else "the server has no credentials for Google"
    except OSError as error:  # of a folder, say, which Docker makes where the file that it is to mount is missing
        why = f"the server's credentials cannot be read ({error.filename}: {error.strerror}; {CREDENTIALS} names another file)"
    return f" as the public, since {why.rstrip('.')}", AnonymousCredentials()


def _pieces(blob: Any, start: int, size: int, generation: int) -> Iterator[bytes]:
    """Piece by piece, each of this generation or not at all: the library would hold the whole object in memory."""
    for begin in range(start, size, _PIECE_BYTES):
        yield blob.download_as_bytes(
            start=begin,
            end=min(begin + _PIECE_BYTES, size) - 1,
            raw_download=True,
            if_generation_match=generation,
            checksum=None,
            timeout=_TIMEOUT,
            retry=None,
        )
