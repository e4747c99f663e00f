"""Curves on SQLite and Postgres: one row for each long job, replaced as a whole."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from eyebright.core.curves import Curve, Curves, Point
from eyebright.stores.sql.batch import insert_into
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.rows import dump
from eyebright.stores.sql.scoped import mine, of_my_jobs
from eyebright.stores.sql.tables import MILESTONE, curves, events, jobs


class SqlCurves:
    """CurveStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, job_id: str) -> Curves:
        asked = select(curves).where(curves.c.job_id == job_id, *of_my_jobs(curves.c.job_id))
        async with self._engine.reading() as connection:
            row = (await connection.execute(asked)).one_or_none()
        return Curves(row.position, row.attempt, _decoded(row.data)) if row else Curves()

    async def keep(self, job_id: str, kept: Curves, before: int) -> bool:
        values = {"position": kept.position, "attempt": kept.attempt, "data": _encoded(kept.curves)}
        keeping = insert_into(curves, self._engine.dialect).values(job_id=job_id, **values)
        keeping = keeping.on_conflict_do_update(
            index_elements=["job_id"], set_=values, where=curves.c.position == before
        )
        ours = select(jobs.c.id).where(jobs.c.id == job_id, *mine(jobs.c.project))
        async with self._engine.writing() as connection:
            if await connection.scalar(ours) is None:
                return False
            return await connection.scalar(keeping.returning(curves.c.job_id)) is not None

    async def behind(self, limit: int) -> Sequence[str]:
        known = events.outerjoin(curves, curves.c.job_id == events.c.job_id)
        beyond = events.c.position > func.coalesce(curves.c.position, 0)
        asked = (MILESTONE, beyond, *of_my_jobs(events.c.job_id))
        behind = select(events.c.job_id).distinct().select_from(known).where(*asked).limit(limit)
        async with self._engine.reading() as connection:
            return list((await connection.scalars(behind)).all())


def _encoded(kept: Mapping[str, Curve]) -> str:
    """By columns: a number in a row of its own would be as much name as number."""
    return dump({name: {"width": curve.width, **_columns(curve.points)} for name, curve in kept.items()})


def _columns(points: Sequence[Point]) -> dict[str, Sequence[float]]:
    return dict(zip(Point._fields, zip(*points, strict=True), strict=True))


def _decoded(data: str) -> Mapping[str, Curve]:
    found: dict[str, dict[str, Any]] = json.loads(data)
    return {name: Curve(_points(columns), columns["width"]) for name, columns in found.items()}


def _points(columns: Mapping[str, Any]) -> Sequence[Point]:
    return tuple(map(Point._make, zip(*(columns[name] for name in Point._fields), strict=True)))
