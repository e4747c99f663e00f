"""The SQL stores together: open one database, use its stores, close it."""

from contextlib import AbstractAsyncContextManager
from typing import Self

from eyebright.settings import PostgresSettings
from eyebright.stores.sql import migrations
from eyebright.stores.sql.access import SqlAccess, SqlAudit
from eyebright.stores.sql.compaction import SqlCompaction
from eyebright.stores.sql.copies import SqlCopies
from eyebright.stores.sql.curves import SqlCurves
from eyebright.stores.sql.datasets import SqlDatasets
from eyebright.stores.sql.engine import Engine, connect
from eyebright.stores.sql.history import SqlHistory
from eyebright.stores.sql.jobs import SqlJobs
from eyebright.stores.sql.kept_uploads import SqlKeptUploads
from eyebright.stores.sql.leases import SqlLeases
from eyebright.stores.sql.markers import SqlMarkers
from eyebright.stores.sql.models import SqlModels
from eyebright.stores.sql.notify import SqlBus
from eyebright.stores.sql.outbox import SqlOutbox
from eyebright.stores.sql.ownership import owned
from eyebright.stores.sql.parked import SqlParked
from eyebright.stores.sql.projects import SqlProjects
from eyebright.stores.sql.quotas import SqlQuotas
from eyebright.stores.sql.replicas import SqlReplicas
from eyebright.stores.sql.stored import SqlStored
from eyebright.stores.sql.webhooks import SqlWebhooks


class Database:
    """All stores over one SQLite file or Postgres database. Use `open`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.projects = SqlProjects(engine)
        self.quotas = SqlQuotas(engine)
        self.jobs = SqlJobs(engine)
        self.history = SqlHistory(engine)
        self.curves = SqlCurves(engine)
        self.compaction = SqlCompaction(engine)
        self.outbox = SqlOutbox(engine)
        self.markers = SqlMarkers(engine)
        self.leases = SqlLeases(engine)
        self.bus = SqlBus(engine)
        self.replicas = SqlReplicas(engine)
        self.datasets = SqlDatasets(engine)
        self.models = SqlModels(engine)
        self.parked = SqlParked(engine)
        self.kept_uploads = SqlKeptUploads(engine)
        self.stored = SqlStored(engine)
        self.webhooks = SqlWebhooks(engine)
        self.access = SqlAccess(engine)
        self.audit = SqlAudit(engine)
        self.copies = SqlCopies(engine)

    @classmethod
    async def open(cls, url: str, postgres: PostgresSettings | None = None) -> Self:
        """Open `sqlite:///path` (made if it is missing) or `postgresql://…`, with the newest schema.

        Raises InvalidRequest for another URL; Unavailable, with what to do, when it can't be reached or written, or
        belongs to a newer version of Eyebright; StorageFull.
        """
        engine = connect(url, postgres)
        try:
            await migrations.upgrade(engine)
        except BaseException:
            await engine.close()
            raise
        return cls(engine)

    @classmethod
    def unopened(cls, url: str) -> Self:
        """As it is, with whatever schema. Raises InvalidRequest as `open` does."""
        return cls(connect(url))

    async def require_newest(self) -> None:
        """Raises Conflict for a database of another version, Unavailable where it cannot be reached."""
        async with self.engine.reading() as connection:
            await connection.run_sync(migrations.require_newest, self.engine.name)

    def owned(self, among: str | None = None) -> AbstractAsyncContextManager[None]:
        """For the control plane: keep every other one away while the context lasts, or whoever does not go `among` several.
        Raises Conflict."""
        return owned(self.engine, among)

    @property
    def shareable(self) -> bool:
        """Several servers can work on it at once."""
        return self.engine.dialect == "postgresql"

    async def close(self) -> None:
        await self.engine.close()
