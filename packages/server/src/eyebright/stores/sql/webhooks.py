"""WebhookStore on SQLite and Postgres."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.webhook import DECLARED, Delivery, Endpoint, Outgoing
from eyebright.errors import NoScope, no_delivery, no_webhook
from eyebright.ports.webhooks import DeliveryQuery
from eyebright.stores.sql.among import among, values
from eyebright.stores.sql.batch import Batch, Row, encode, incoming, insert_into, write
from eyebright.stores.sql.engine import Dialect, Engine, queue_up
from eyebright.stores.sql.scoped import Conditions, mine, of_my_endpoints, require_mine
from eyebright.stores.sql.tables import Long, names
from eyebright.stores.sql.tables import webhook_deliveries as deliveries
from eyebright.stores.sql.tables import webhook_endpoints as endpoints
from eyebright_wire.webhooks import DeliveryStatus, WebhookEvent

#: What a try may change.
_MOVING = ("status", "attempts", "next_at_ms", "tried_at_ms", "answer", "reason", "ended_at_ms")
_FIXED = tuple(name for name in names(deliveries) if name not in {"id", *_MOVING})
#: A literal, for which SQLite uses the partial indices.
_PENDING_STATUS = literal_column(f"'{DeliveryStatus.PENDING}'")
_PENDING = deliveries.c.status == _PENDING_STATUS
_KEPT = tuple(each.name for each in fields(Delivery) if each.name != "outgoing")
_OUTGOING = tuple(each.name for each in fields(Outgoing))


class SqlWebhooks:
    """WebhookStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        dialect = engine.dialect
        self._insert = _insert_unknown(dialect)
        self._drop_progress = _drop_progress(dialect)
        self._update = Batch(deliveries, dialect, fixed=_FIXED).update
        self._due = _due(dialect)
        reached = func.max(deliveries.c.version).label("reached")
        waits = and_(_PENDING, deliveries.c.event == WebhookEvent.JOB_PROGRESS)
        until = func.min(case((waits, deliveries.c.next_at_ms))).label("until")
        self._reached = (
            select(deliveries.c.endpoint_id, deliveries.c.subject, reached, until)
            .where(among(deliveries.c.subject, "subjects", dialect))
            .group_by(deliveries.c.endpoint_id, deliveries.c.subject)
        )

    async def add_endpoint(self, endpoint: Endpoint) -> None:
        require_mine(endpoint.project)
        async with self._engine.writing() as connection:
            await connection.execute(insert(endpoints).values(_endpoint_row(endpoint)))

    async def declare_endpoint(self, endpoint: Endpoint) -> None:
        require_mine(endpoint.project)
        async with self._engine.writing() as connection:
            declaring = insert_into(endpoints, self._engine.dialect).values(_endpoint_row(endpoint))
            same = endpoints.c.project == endpoint.project
            said = {name: declaring.excluded[name] for name in DECLARED}
            await connection.execute(declaring.on_conflict_do_update(index_elements=["id"], set_=said, where=same))

    async def endpoints(self) -> Sequence[Endpoint]:
        statement = (
            select(endpoints).where(*mine(endpoints.c.project)).order_by(endpoints.c.created_at_ms, endpoints.c.id)
        )
        async with self._engine.reading() as connection:
            return [_endpoint(row) for row in (await connection.execute(statement)).mappings()]

    async def endpoint(self, endpoint_id: str) -> Endpoint:
        async with self._engine.reading() as connection:
            return await _one_endpoint(connection, endpoint_id)

    async def change_endpoint(self, endpoint_id: str, changes: Mapping[str, Any]) -> Endpoint:
        async with self._engine.writing() as connection:
            await connection.execute(update(endpoints).where(*_ours(endpoint_id)).values(_stored(changes)))
            return await _one_endpoint(connection, endpoint_id)

    async def disable_endpoint(self, endpoint_id: str, reason: str, now_ms: int) -> Endpoint:
        off = {"enabled": False, "disabled_reason": reason}
        dead = {"status": DeliveryStatus.DEAD, "reason": reason, "ended_at_ms": now_ms}
        async with self._engine.writing() as connection:
            await connection.execute(update(endpoints).where(*_ours(endpoint_id)).values(_stored(off)))
            undelivered = (*_for(endpoint_id), _PENDING)
            await connection.execute(update(deliveries).where(*undelivered).values(dead))
            return await _one_endpoint(connection, endpoint_id)

    async def delete_endpoint(self, endpoint_id: str) -> None:
        async with self._engine.writing() as connection:
            await queue_up(connection, "webhooks")  # whoever adds deliveries holds the endpoint that they are for
            await connection.execute(delete(deliveries).where(*_for(endpoint_id)))
            if not (await connection.execute(delete(endpoints).where(*_ours(endpoint_id)))).rowcount:
                raise no_webhook(endpoint_id)

    async def add(self, new: Sequence[Delivery]) -> None:
        ours = mine(endpoints.c.project)
        if not new:
            return
        async with self._engine.writing() as connection:
            await queue_up(connection, "webhooks")
            await _require_ours(connection, ours, {delivery.endpoint_id for delivery in new})
            known = await self._known(connection, {delivery.subject for delivery in new})
            kept = [fitted for each in new if (fitted := _fitted(each, *known.get(each.lane, (-1, None))))]
            await write(connection, self._insert, [_delivery_row(delivery) for delivery in kept])
            if kept:
                lanes = [{"endpoint_id": d.endpoint_id, "subject": d.subject, "version": d.version} for d in kept]
                await connection.execute(self._drop_progress, {"rows": encode(lanes)})

    async def due(self, now_ms: int, *, each: int, limit: int, skip: Collection[str] = ()) -> list[Delivery]:
        told = {"now_ms": now_ms, "each": each, "limit": limit, "skip": values(skip, self._engine.dialect)}
        due = self._due.where(*of_my_endpoints(deliveries.c.endpoint_id))
        async with self._engine.reading() as connection:
            return [_delivery(row) for row in (await connection.execute(due, told)).mappings()]

    async def next_at_ms(self, now_ms: int) -> int | None:
        later = (_PENDING, deliveries.c.next_at_ms > now_ms, *of_my_endpoints(deliveries.c.endpoint_id))
        statement = select(func.min(deliveries.c.next_at_ms)).where(*later)
        async with self._engine.reading() as connection:
            return await connection.scalar(statement)

    async def mark(self, tried: Sequence[Delivery]) -> None:
        done = [_moved(each) for each in tried if each.status is DeliveryStatus.DELIVERED]
        ours = of_my_endpoints(deliveries.c.endpoint_id)
        others = [_moved(each) for each in tried if each.status is not DeliveryStatus.DELIVERED]
        async with self._engine.writing() as connection:
            await write(connection, self._update.where(*ours), done)
            await write(connection, self._update.where(_PENDING, *ours), others)

    async def delivery(self, delivery_id: str) -> Delivery:
        async with self._engine.reading() as connection:
            return await _one_delivery(connection, delivery_id)

    async def find(self, query: DeliveryQuery) -> list[Delivery]:
        ours = of_my_endpoints(deliveries.c.endpoint_id)
        statement = select(deliveries).where(*ours).order_by(deliveries.c.id.desc()).limit(query.limit)
        asked = {"endpoint_id": query.endpoint_id, "status": query.status, "event": query.event}
        for name, value in {**asked, "subject": query.job_id}.items():
            if value is not None:
                statement = statement.where(deliveries.c[name] == value)
        if query.after is not None:
            statement = statement.where(deliveries.c.id < query.after)
        async with self._engine.reading() as connection:
            return [_delivery(row) for row in (await connection.execute(statement)).mappings()]

    async def replay(self, delivery_id: str, now_ms: int) -> Delivery:
        async with self._engine.writing() as connection:
            await _revive(
                connection, and_(deliveries.c.id == delivery_id, *of_my_endpoints(deliveries.c.endpoint_id)), now_ms
            )
            return await _one_delivery(connection, delivery_id)

    async def replay_dead(self, endpoint_id: str, since_ms: int, now_ms: int) -> int:
        dead = and_(*_for(endpoint_id), deliveries.c.status == DeliveryStatus.DEAD)
        async with self._engine.writing() as connection:
            return await _revive(connection, and_(dead, deliveries.c.created_at_ms >= since_ms), now_ms)

    async def forget(self, *, delivered_before_ms: int, dead_before_ms: int, progress_before_ms: int) -> int:
        status, ended = deliveries.c.status, deliveries.c.ended_at_ms
        fleeting = and_(deliveries.c.event == WebhookEvent.JOB_PROGRESS, ended < progress_before_ms)
        done = and_(status == DeliveryStatus.DELIVERED, or_(ended < delivered_before_ms, fleeting))
        dead = and_(status == DeliveryStatus.DEAD, ended < dead_before_ms)
        over = and_(or_(done, dead), *of_my_endpoints(deliveries.c.endpoint_id))
        async with self._engine.reading() as connection:  # mostly there are none, and no commit is needed to see that
            if await connection.scalar(select(deliveries.c.id).where(over).limit(1)) is None:
                return 0
        async with self._engine.writing() as connection:
            return (await connection.execute(delete(deliveries).where(over))).rowcount

    async def _known(
        self, connection: AsyncConnection, subjects: Collection[str]
    ) -> dict[tuple[str, str], tuple[int, int | None]]:
        """By lane: the newest version that is stored, and when undelivered progress would go out."""
        found = await connection.execute(self._reached, {"subjects": values(subjects, self._engine.dialect)})
        return {(row.endpoint_id, row.subject): (row.reached, row.until) for row in found}


def _fitted(delivery: Delivery, reached: int, until_ms: int | None) -> Delivery | None:
    """None for progress that something newer has come after."""
    if not delivery.fleeting:
        return delivery
    if delivery.version <= reached:
        return None
    return delivery if until_ms is None else replace(delivery, next_at_ms=until_ms)


def _insert_unknown(dialect: Dialect) -> Insert:
    # SQLite's grammar needs a WHERE between the SELECT and ON CONFLICT.
    rows = incoming(deliveries, names(deliveries), dialect).where(true())
    return insert_into(deliveries, dialect).from_select(names(deliveries), rows).on_conflict_do_nothing()


def _drop_progress(dialect: Dialect) -> Delete:
    """Undelivered progress that something newer has come after."""
    newer = incoming(deliveries, ["endpoint_id", "subject", "version"], dialect).subquery("newer")
    overtaken = exists().where(
        newer.c.endpoint_id == deliveries.c.endpoint_id,
        newer.c.subject == deliveries.c.subject,
        newer.c.version > deliveries.c.version,
    )
    return delete(deliveries).where(_PENDING, deliveries.c.event == WebhookEvent.JOB_PROGRESS, overtaken)


def _due(dialect: Dialect) -> Select[Any]:
    """Of every endpoint the oldest, then of every one the second oldest, …"""
    earlier = deliveries.alias("earlier")
    second = exists().where(
        earlier.c.status == _PENDING_STATUS,
        earlier.c.endpoint_id == deliveries.c.endpoint_id,
        earlier.c.subject == deliveries.c.subject,
        tuple_(earlier.c.version, earlier.c.ordinal) < tuple_(deliveries.c.version, deliveries.c.ordinal),
    )
    oldest = (deliveries.c.next_at_ms, deliveries.c.id)
    rank = func.row_number().over(partition_by=deliveries.c.endpoint_id, order_by=oldest).label("rank")
    ranked = (
        select(deliveries.c.id, rank)
        .where(_PENDING, deliveries.c.next_at_ms <= bindparam("now_ms", type_=Long), ~second)
        .where(~among(deliveries.c.endpoint_id, "skip", dialect))
        .subquery()
    )
    # Their bodies are read afterwards: sorting carries no ballast.
    few = ranked.c.rank <= bindparam("each", type_=Integer)
    in_turn = (ranked.c.rank, *oldest)
    found = select(deliveries).join(ranked, ranked.c.id == deliveries.c.id).where(few)
    return found.order_by(*in_turn).limit(bindparam("limit", type_=Integer))


async def _revive(connection: AsyncConnection, which: ColumnElement[bool], now_ms: int) -> int:
    again = {"status": DeliveryStatus.PENDING, "attempts": 0, "next_at_ms": now_ms, "ended_at_ms": None, "reason": ""}
    return (await connection.execute(update(deliveries).where(which).values(again))).rowcount


def _ours(endpoint_id: str) -> Conditions:
    return endpoints.c.id == endpoint_id, *mine(endpoints.c.project)


def _for(endpoint_id: str) -> Conditions:
    """Deliveries to it."""
    return deliveries.c.endpoint_id == endpoint_id, *of_my_endpoints(deliveries.c.endpoint_id)


async def _require_ours(connection: AsyncConnection, ours: Conditions, endpoint_ids: Collection[str]) -> None:
    others = [~here for here in ours]
    if others and await connection.scalar(select(endpoints.c.id).where(endpoints.c.id.in_(endpoint_ids), *others)):
        raise NoScope("a delivery is for another project's webhook")


async def _one_endpoint(connection: AsyncConnection, endpoint_id: str) -> Endpoint:
    row = (await connection.execute(select(endpoints).where(*_ours(endpoint_id)))).mappings().one_or_none()
    if row is None:
        raise no_webhook(endpoint_id)
    return _endpoint(row)


async def _one_delivery(connection: AsyncConnection, delivery_id: str) -> Delivery:
    asked = (deliveries.c.id == delivery_id, *of_my_endpoints(deliveries.c.endpoint_id))
    row = (await connection.execute(select(deliveries).where(*asked))).mappings().one_or_none()
    if row is None:
        raise no_delivery(delivery_id)
    return _delivery(row)


def _stored(changes: Mapping[str, Any]) -> Row:
    """Values of an endpoint as its columns hold them."""
    packed = {name: json.dumps(dict(changes[name])) for name in ("labels",) if name in changes}
    packed |= {name: json.dumps(list(changes[name])) for name in ("events",) if name in changes}
    return {**changes, **packed}


def _endpoint_row(endpoint: Endpoint) -> Row:
    return _stored({name: getattr(endpoint, name) for name in names(endpoints)})


def _endpoint(row: Mapping[Any, Any]) -> Endpoint:
    unpacked = {"events": tuple(json.loads(row["events"])), "labels": json.loads(row["labels"])}
    return Endpoint(**{**row, **unpacked, "enabled": bool(row["enabled"]), "managed": bool(row["managed"])})


def _delivery_row(delivery: Delivery) -> Row:
    outgoing = delivery.outgoing
    said = {"method": outgoing.method, "path": outgoing.path, "body": outgoing.body.decode()}
    return {
        **{name: getattr(delivery, name) for name in _KEPT},
        **said,
        "headers": json.dumps(dict(outgoing.headers)),
    }


def _moved(delivery: Delivery) -> Row:
    return {"id": delivery.id, **{name: getattr(delivery, name) for name in _MOVING}}


def _delivery(row: Mapping[Any, Any]) -> Delivery:
    said: Row = {name: row[name] for name in _OUTGOING} | {
        "headers": json.loads(row["headers"]),
        "body": row["body"].encode(),
    }
    kept: Row = {name: row[name] for name in _KEPT} | {"status": DeliveryStatus(row["status"])}
    return Delivery(**kept, outgoing=Outgoing(**said))
