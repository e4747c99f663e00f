"""The trainers of this machine, for the verbs that need no server."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from eyebright import plugins
from eyebright.catalog.source import TrainerSource
from eyebright.catalog.trainers import CHECKOUT, CatalogSettings, TrainerCatalog
from eyebright.catalog.uv import Uv
from eyebright.cli.terminal import busy, notes, say
from eyebright.settings import Settings, process_environment

GROUP = "eyebright.trainers"


def catalog_of(settings: Settings) -> TrainerCatalog:
    """The same that a server with these settings uses."""
    sources: list[TrainerSource] = [plugins.load(GROUP, name) for name in plugins.names(GROUP)]
    how = CatalogSettings(trainers_dir=settings.trainers_dir, environment=process_environment())
    return TrainerCatalog(sources, how)


def uv_of(settings: Settings) -> Path:
    """The uv that installs trainers. Raises Unavailable with how to get it."""
    return Uv.find(settings.trainers_dir or CHECKOUT, process_environment()).executable


def install(catalog: TrainerCatalog, *names: str) -> None:
    """Make the environment of each, showing what uv says meanwhile. Raises Unavailable with uv's own words.

    Nothing is begun when one of the names is not known.
    """
    for name in names:
        catalog.require(name)
    for name in names:
        _install(catalog, name)


def _install(catalog: TrainerCatalog, name: str) -> None:
    with _telling(f"Installing {name}: the first time this downloads its framework…") as tell:
        environment = asyncio.run(catalog.install(name, lambda line: tell(f"Installing {name}: {line}")))
    say(f"{name} {environment.manifest.version} is installed")


@contextmanager
def _telling(first: str) -> Iterator[Callable[[str], None]]:
    if not notes().is_terminal:
        say(first)
    with busy(first) as tell:
        yield tell
