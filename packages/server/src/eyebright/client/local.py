"""The server of this machine: where its data folder says it listens, and whether it still lives."""

import psutil
from pydantic import BaseModel, ValidationError

from eyebright.folder import SERVER, TOKEN
from eyebright.settings import Settings


class LocalServer(BaseModel, frozen=True, extra="ignore"):
    """What a running server writes into `server.json` of its data folder."""

    url: str
    pid: int
    version: str = ""
    embedded: bool = False


def running_server(settings: Settings) -> LocalServer | None:
    """The server that works on this data folder, or None. A file that a killed server left behind counts for nothing."""
    try:
        server = LocalServer.model_validate_json((settings.data_dir / SERVER).read_bytes())
    except (OSError, ValidationError):
        return None
    return server if psutil.pid_exists(server.pid) else None


def local_token(settings: Settings) -> str | None:
    """The operator's token of this data folder; None before the first start, or where it is somebody else's."""
    try:
        return (settings.data_dir / TOKEN).read_text().strip() or None
    except OSError:
        return None
