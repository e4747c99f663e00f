"""Blobs in Azure Storage: `az://container/blob`, in the account that the server's operator names.

The account and its credentials are in the server's environment under the names that Azure's own tools read:
AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT (or an endpoint in the settings) with AZURE_STORAGE_KEY,
AZURE_STORAGE_SAS_TOKEN or what azure-identity finds. Without credentials, blobs are read as the public may.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

from eyebright_kit.remote.address import Address
from eyebright_kit.remote.failure import FetchCode, FetchFailed
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

_PIECE_BYTES = 4 << 20
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_MISSING = {"ContainerNotFound": no_bucket, "BlobNotFound": no_object}
_SCOPE = "https://storage.azure.com/.default"
_MANNERS: dict[str, Any] = {
    "retry_total": 0,  # tries are counted in one place, and that is not here
    "connection_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
    "max_single_get_size": _PIECE_BYTES,
    "max_chunk_get_size": _PIECE_BYTES,
}


class AzureStorage:
    def __init__(self, access: Access) -> None:
        self._client, self._anonymous = _client(access.endpoint)

    def list(self, prefix: Address) -> Iterator[Listed]:
        container: Any = self._client.get_container_client(prefix.place)
        with self._explained(prefix):
            for blob in container.list_blobs(name_starts_with=prefix.key or None, include=["metadata"]):
                if not _is_folder(blob):
                    yield Listed(blob.name, blob.size, _quoted(blob.etag))

    @contextmanager
    def read(self, address: Address, start: int, tag: str | None) -> Generator[Body]:
        blob: Any = self._client.get_blob_client(address.place, address.key)
        condition = {"etag": tag, "match_condition": MatchConditions.IfNotModified} if tag else {}
        with self._explained(address):
            stream = blob.download_blob(offset=start or None, max_concurrency=1, **condition)
            yield Body(start, start + stream.size, _quoted(stream.properties.etag), stream.chunks())

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _explained(self, address: Address) -> Generator[None]:
        try:
            yield
        except IncompleteReadError as error:  # before those of which it is one, though it has no answer's status
            raise Interrupted(type(error).__name__) from error
        except HttpResponseError as error:
            raise self._explanation(address, error) from error
        except (ServiceRequestError, ServiceResponseError) as error:
            raise no_answer(address, self._client.primary_hostname, error) from error
        except AzureError as error:
            raise refused(address, type(error).__name__) from error

    def _explanation(self, address: Address, error: HttpResponseError) -> Exception:
        status, code = error.status_code, str(getattr(error, "error_code", None) or error.reason)
        if status in _PASSING:
            return Interrupted(f"{code} (HTTP {status})")
        if status in (412, 416):
            return changed(address)
        if status in (401, 403) or code == "PublicAccessNotPermitted":
            who = "read as the public, since the server has no credentials for Azure" if self._anonymous else "read"
            return access_denied(address, f"{who}: {code}")
        if status == 404:
            return _MISSING.get(code, no_bucket_or_object)(address)
        return refused(address, f"{code} (HTTP {status})")


def _client(endpoint: str | None) -> tuple[BlobServiceClient, bool]:
    if connection := os.environ.get("AZURE_STORAGE_CONNECTION_STRING"):
        return BlobServiceClient.from_connection_string(connection, **_MANNERS), False
    url = endpoint or _account_url()
    credential = _key() or os.environ.get("AZURE_STORAGE_SAS_TOKEN") or _identity(url)
    try:
        return BlobServiceClient(url, credential=credential, **_MANNERS), credential is None
    except ValueError as error:
        raise FetchFailed(
            FetchCode.ACCESS_DENIED, f"az:// is not set up: {error} Set AZURE_STORAGE_ACCOUNT too"
        ) from error


def _key() -> dict[str, str] | str | None:
    """With its account, where that is named: an endpoint that is no subdomain does not tell it."""
    key, account = os.environ.get("AZURE_STORAGE_KEY"), os.environ.get("AZURE_STORAGE_ACCOUNT")
    return {"account_name": account, "account_key": key} if key and account else key


def _account_url() -> str:
    account = os.environ.get("AZURE_STORAGE_ACCOUNT")
    if not account:
        raise FetchFailed(
            FetchCode.ACCESS_DENIED,
            "az:// needs an account: whoever runs the server sets AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_CONNECTION_STRING or "
            "the setting EYEBRIGHT_SOURCES__AZ_ENDPOINT",
        )
    return f"https://{account}.blob.core.windows.net"


def _identity(url: str) -> DefaultAzureCredential | None:
    """What azure-identity finds, if it finds anything. A token never goes over an open line."""
    if not url.startswith("https://"):
        return None
    credential = DefaultAzureCredential()
    try:
        credential.get_token(_SCOPE)
    except ClientAuthenticationError:
        credential.close()
        return None
    return credential


def _is_folder(blob: Any) -> bool:
    """What a hierarchical account lists for a folder."""
    metadata: dict[str, str] = blob.metadata or {}
    return metadata.get("hdi_isfolder", "").lower() == "true"


def _quoted(etag: str) -> str:
    """Lists give it without the quotes that belong to it."""
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'
