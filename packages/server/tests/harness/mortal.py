"""Control planes that die while they migrate: `python -m harness.mortal URL REVISION`, in a process that has no threads yet.

The first is killed (-9) before its first statement, the second before its second, and so on, until one lives. Each must find the
database at the revision of the beginning, or at the newest one: indexes are built after it. Prints how many died.
"""

import asyncio
import os
import signal
import sys
from importlib import import_module

from sqlalchemy import Engine as SqlEngine
from sqlalchemy import event

from eyebright.stores.sql import migrations
from eyebright.stores.sql.database import Database
from eyebright.stores.sql.engine import connect


def main(url: str, revision: str) -> None:
    import_module("alembic.command")  # once, not in each child
    died = 0
    while not lives(url, revision, died + 1):
        died += 1
    sys.stdout.write(str(died))


def lives(url: str, revision: str, statement: int) -> bool:
    """Whether a control plane that is to die before this statement never came to it. Raises RuntimeError when it failed."""
    if not (child := os.fork()):
        os._exit(start(url, revision, statement))
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"before statement {statement}: exit code {os.waitstatus_to_exitcode(status)}")
    return True


def start(url: str, revision: str, statement: int) -> int:
    asyncio.run(require(url, revision))
    left = statement

    @event.listens_for(SqlEngine, "before_cursor_execute")
    def die(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(open_and_close(url))
    return 0


async def require(url: str, revision: str) -> None:
    engine = connect(url)
    async with engine.reading() as connection:
        found = await connection.run_sync(migrations.revision)
    await engine.close()
    if found not in (revision, migrations.REVISIONS[-1]):
        raise RuntimeError(f"the database is at revision {found}; one that died has left it half way")


async def open_and_close(url: str) -> None:
    await (await Database.open(url)).close()


if __name__ == "__main__":
    main(*sys.argv[1:])
