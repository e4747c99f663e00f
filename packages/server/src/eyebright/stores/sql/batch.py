"""Writes of many rows by one statement: the rows travel as one JSON array, and the database takes it apart.

A statement is built once per table and never changes its text, whatever the number of rows, so that it is compiled and
prepared once. It is one step of the driver: with a row per step, SQLite's thread would give up and take back the GIL for each,
and wait up to 5 ms every time while the event loop is busy.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    FromClause,
    Insert,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.stores.sql.engine import Dialect
from eyebright.stores.sql.tables import names

Row = dict[str, Any]


class Batch:
    """The three kinds of writes to one table; `write` runs one of them."""

    def __init__(self, table: Table, dialect: Dialect, *, fixed: Iterable[str] = ()) -> None:
        """`fixed`: columns that an update leaves alone."""
        everything, keys = names(table.columns), names(table.primary_key.columns)
        changing = [name for name in everything if name not in {*keys, *fixed}]
        self.insert = _insert(table, everything, dialect)
        self.update = _update(table, keys, changing, dialect)
        self.upsert = _upsert(table, keys, changing, dialect)


async def write(connection: AsyncConnection, statement: Insert | Update, rows: Sequence[Row]) -> None:
    """Run it for these rows, in this order. No rows, no statement."""
    if rows:
        await connection.execute(statement, {"rows": encode(rows)})


def encode(rows: Sequence[Mapping[str, Any]]) -> str:
    """JSON that both databases take. NUL and half surrogates, which Postgres refuses as text, become U+FFFD."""
    try:
        encoded = orjson.dumps(rows).decode()
    except TypeError:  # half surrogates
        encoded = r"\u0000"
    if r"\u0000" not in encoded:
        return encoded
    return orjson.dumps([{name: _storable(value) for name, value in row.items()} for row in rows]).decode()


def incoming(table: Table, columns: Sequence[str], dialect: Dialect) -> Select[Any]:
    """The rows of the parameter `rows`, as a SELECT of these columns."""
    rows = _rows(table, columns, dialect)
    if dialect == "sqlite":
        value = rows.c.value
        return select(*(func.json_extract(value, f"$.{name}").label(name) for name in columns)).select_from(rows)
    return select(*(rows.c[name] for name in columns)).select_from(rows)


def _storable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _insert(table: Table, columns: Sequence[str], dialect: Dialect) -> Insert:
    return insert(table).from_select(columns, incoming(table, columns, dialect))


def _update(table: Table, keys: Sequence[str], columns: Sequence[str], dialect: Dialect) -> Update:
    rows = incoming(table, [*keys, *columns], dialect).subquery("incoming")
    return (
        update(table)
        .where(*(table.c[key] == rows.c[key] for key in keys))
        .values({name: rows.c[name] for name in columns})
    )


def _upsert(table: Table, keys: Sequence[str], columns: Sequence[str], dialect: Dialect) -> Insert:
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as dialect_insert
    else:
        from sqlalchemy.dialects.postgresql import insert as dialect_insert
    # SQLite's grammar needs a WHERE between the SELECT and ON CONFLICT.
    rows = incoming(table, [*keys, *columns], dialect).where(true())
    statement = dialect_insert(table).from_select([*keys, *columns], rows)
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in columns}
    )


def _rows(table: Table, columns: Sequence[str], dialect: Dialect) -> FromClause:
    parameter = bindparam("rows", type_=Text)
    if dialect == "sqlite":
        return func.json_each(parameter).table_valued("value")
    typed = [column(name, table.c[name].type) for name in columns]
    return func.json_to_recordset(cast(parameter, JSON)).table_valued(*typed).render_derived(with_types=True)
