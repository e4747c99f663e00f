"""A client for a verb: of the server that was named, or runs here, or is started here and now."""

from collections.abc import Iterator
from contextlib import contextmanager

from eyebright.cli import embedded
from eyebright.cli.terminal import notes
from eyebright.client import Client, running_server
from eyebright.settings import Settings


@contextmanager
def connected(settings: Settings | None = None) -> Iterator[Client]:
    """Closed at the end; a server that was started goes on until it is idle."""
    settings = settings or Settings()
    with _client(settings) as client:
        yield client


def _client(settings: Settings) -> Client:
    if settings.url or running_server(settings):
        return Client(settings=settings)
    with notes().status("Starting the embedded server…"):
        return embedded.start(settings)
