"""Conditions that keep a query within the scope that was entered. Where none was, asking for them raises NoScope."""

from typing import Any

from sqlalchemy import ColumnElement, exists

from eyebright.core.scope import current
from eyebright.errors import NoScope
from eyebright.stores.sql.tables import jobs, webhook_endpoints

Conditions = tuple[ColumnElement[bool], ...]


def mine(project: ColumnElement[Any]) -> Conditions:
    """On a table that has the column `project`."""
    scope = current()
    return () if scope.project is None else (project == scope.project,)


def of_my_jobs(job_id: ColumnElement[Any]) -> Conditions:
    """On a table whose rows belong to a job."""
    return tuple(exists().where(jobs.c.id == job_id, here) for here in mine(jobs.c.project))


def of_my_endpoints(endpoint_id: ColumnElement[Any]) -> Conditions:
    """On a table whose rows belong to a webhook."""
    return tuple(
        exists().where(webhook_endpoints.c.id == endpoint_id, here) for here in mine(webhook_endpoints.c.project)
    )


def require_mine(project: str) -> None:
    """Before something is written that belongs to it. Raises NoScope."""
    if not current().covers(project):
        raise NoScope(f"something of project {project} was to be written from within {current().project}")
