"""Puts the files of a training into the bucket that its platform reads from."""

import mimetypes
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from boto3.exceptions import Boto3Error
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from eyebright_kit.service.line import Undelivered

_ATTEMPTS = 2


def put(file_uri: str, results: str, endpoint: str | None) -> str:
    """Uploads a file of this machine below `results`; answers its address there. Putting it twice is harmless.

    Raises Undelivered when the store does not take it now.
    """
    path = Path(unquote(urlsplit(file_uri).path))
    place = urlsplit(results)
    key = f"{place.path.strip('/')}/{path.name}".lstrip("/")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        _client(endpoint).upload_file(str(path), place.netloc, key, ExtraArgs={"ContentType": kind})
    except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
        raise Undelivered(f"{results} does not take {path.name}: {error}") from None
    return f"s3://{place.netloc}/{key}"


def _client(endpoint: str | None) -> Any:
    config = Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    session: Any = boto3.Session()
    return session.client("s3", endpoint_url=endpoint, config=config)
