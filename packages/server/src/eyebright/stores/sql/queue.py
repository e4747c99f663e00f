"""Who waits, and in which order."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, literal_column

from eyebright.stores.sql.tables import attempts, jobs

# Literals, not parameters: otherwise SQLite does not see that the partial index applies.
QUEUED = and_(jobs.c.state == literal_column("'queued'"), jobs.c.held.is_(false()))
BEST_FIRST: tuple[ColumnElement[Any], ...] = (jobs.c.priority.desc(), jobs.c.created_at_ms, jobs.c.id)
_HAUNTED = exists().where(attempts.c.job_id == jobs.c.id, attempts.c.gone_at_ms.is_(None))


def due(executor: str, now_ms: int) -> tuple[ColumnElement[bool], ...]:
    """What may be claimed for the executor."""
    return (
        QUEUED,
        jobs.c.executor == executor,
        jobs.c.not_before_ms <= now_ms,
        jobs.c.cancel_requested.is_(false()),
        ~_HAUNTED,
    )
