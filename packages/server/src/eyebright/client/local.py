"""The server of this machine: where its data folder says it listens, and whether it still lives."""

import math

import psutil
from pydantic import BaseModel, ValidationError

from eyebright.folder import SERVER, TOKEN
from eyebright.settings import Settings


class LocalServer(BaseModel, frozen=True, extra="ignore"):
    """What a running server writes into `server.json` of its data folder."""

    url: str
    pid: int
    created: float = math.inf  # when it was ready, in seconds since 1970
    version: str = ""
    embedded: bool = False


def running_server(settings: Settings) -> LocalServer | None:
    """The server that works on this data folder, or None. A file that a killed server left behind counts for nothing."""
    server = _written(settings)
    return server if server and _lives(server) else None


def killed_server(settings: Settings) -> LocalServer | None:
    """The last server of this data folder, if it ended without taking its leave: then its file still lies there."""
    server = _written(settings)
    return None if server is None or _lives(server) else server


def _written(settings: Settings) -> LocalServer | None:
    try:
        return LocalServer.model_validate_json((settings.data_dir / SERVER).read_bytes())
    except (OSError, ValidationError):
        return None


def _lives(server: LocalServer) -> bool:
    """Its process is there, and is not a later one of another kind that was given the same number.

    Dates alone would not do: when the clock is set, the birthday of every process moves with it.
    """
    try:
        process = psutil.Process(server.pid)
        ours = process.create_time() <= server.created + 1 or any("eyebright" in word for word in process.cmdline())
        return ours and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def local_token(settings: Settings) -> str | None:
    """The operator's token of this data folder; None before the first start, or where it is somebody else's or damaged."""
    try:
        return (settings.data_dir / TOKEN).read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
