"""A client for a verb: of the server that was named, or runs here, or is started here and now."""

from collections.abc import Iterator
from contextlib import contextmanager

from eyebright.cli import embedded
from eyebright.cli.succession import Succession
from eyebright.cli.terminal import busy
from eyebright.client import Client, running_server
from eyebright.settings import Settings, require_server


@contextmanager
def connected(settings: Settings | None = None, *, server: str | None = None) -> Iterator[Client]:
    """Closed at the end; a server that was started goes on until it is idle. `server`: the address that --server names."""
    if server:
        require_server("--server", server)
        settings = Settings(url=server)
    settings = settings or Settings()
    with _client(settings) as client:
        yield client


def _client(settings: Settings) -> Client:
    if not settings.url and not _at_hand(settings):
        with busy("Starting the embedded server…"):
            embedded.start(settings)
    return Client(settings=settings, find=Succession())


def _at_hand(settings: Settings) -> bool:
    """An embedded server may be leaving at this very moment, so it is asked; any other one is taken at its word."""
    local = running_server(settings)
    return local is not None and (not local.embedded or embedded.answers(settings))
