"""`eyebright serve`."""

import gc
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer

from eyebright.cli.terminal import say
from eyebright.cli.verbs import example, single
from eyebright.client import LocalServer, running_server
from eyebright.errors import FolderTaken
from eyebright.settings import Settings, adopt, unknown_variables

app = single()

#: A server that leaves gives the requests under way 5 s.
GRACE_SECONDS = 30
#: From taking the folder until it can be asked, a server that starts takes about one.
ANNOUNCED_SECONDS = 10

EXAMPLES = """
eyebright serve                                    on this machine only, http://127.0.0.1:8765/docs
eyebright serve --host 0.0.0.0 --port 8000         for other machines too; they need the token
eyebright serve --amqp                             take orders from the message queue too
EYEBRIGHT_DATA_DIR=/srv/eyebright eyebright serve  keep everything in another folder
"""


@app.command(epilog=example(EXAMPLES))
def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on. Default: EYEBRIGHT_HOST or 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes a free one. Default: EYEBRIGHT_PORT or 8765.")
    ] = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="End once nothing is left to do and nobody calls.")
    ] = False,
    amqp: Annotated[
        bool,
        typer.Option("--amqp", help="Take orders from the message queue that EYEBRIGHT_AMQP__URL names."),
    ] = False,
) -> None:
    """Run the server: HTTP API, scheduler and everything else in one process.

    Every call needs the token that lies in the file `token` of the data folder; commands on this machine find it by themselves.
    An embedded server that a command has started makes room for this one; trainings go on meanwhile.

    Settings may also stand in a file .env of the working folder; those of the environment go before them.
    """
    gc.disable()  # until the server is ready: collecting while modules load would take a third of the start
    from eyebright.app import serve as serve_forever

    if not embedded:  # that one is started in whatever folder a command is given in
        read_env_file(Settings().env_file)
    given: dict[str, Any] = {"host": host, "port": port, "embedded": embedded or None}
    if amqp:
        given["amqp"] = {"consume": True}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    if settings.embedded:
        return serve_forever(settings)
    while True:
        take_over(settings)
        try:
            return serve_forever(settings)
        except FolderTaken:
            if not embedded_came_first(settings):
                raise


def read_env_file(file: Path) -> None:
    """Whoever starts a server is told what else decides how it works; names only, as values may be secret."""
    found = adopt(file)
    if taken := [name for name in found.taken if name not in unknown_variables()]:
        say(f"{', '.join(taken)}: as {file.absolute()} says")
    for name, why in found.left.items():
        say(f"{name} in {file.absolute()} {why}")


def embedded_came_first(settings: Settings) -> bool:
    """A command that missed the one that left may have started another one before we had the folder."""
    deadline = time.monotonic() + ANNOUNCED_SECONDS
    while (local := running_server(settings)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return local is not None and local.embedded


def take_over(settings: Settings) -> None:
    """Let an embedded server on the same data folder go. Its trainings go on and are found again; its watchers follow us.

    Raises what the listener raises, and asks nobody to go, where we could not listen in its place. Another user's cannot be
    asked to go: then the data folder's lock tells whose it is.
    """
    local = running_server(settings)
    if local is None or not local.embedded:
        return
    try_out(settings, local)
    say(f"taking over from the embedded server at {local.url}")
    try:
        psutil.Process(local.pid).terminate()
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied:
        return
    deadline = time.monotonic() + GRACE_SECONDS
    while running_server(settings) == local and time.monotonic() < deadline:
        time.sleep(0.05)


def try_out(settings: Settings, local: LocalServer | None) -> None:
    """Raises what stands in the way of listening on the address. The port of our own server, `local`, will be free in time."""
    from eyebright.listener import Listener

    if local is None or httpx.URL(local.url).port != settings.port:
        Listener(settings.host, settings.port).close()
