"""Many rows by one statement: they travel as one JSON array, and the database takes it apart or puts it together.

A statement is built once and never changes its text, whatever the number of rows, so that it is compiled and prepared once.
To SQLite's thread it is one step: with a row per step it would give up and take back the GIL for each, and wait up to 5 ms
every time while the event loop is busy.
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
from eyebright.stores.sql.tables import keys, names

Row = dict[str, Any]


class Batch:
    """The three kinds of writes to one table; `write` runs one of them."""

    def __init__(self, table: Table, dialect: Dialect, *, fixed: Iterable[str] = ()) -> None:
        """`fixed`: columns that an update leaves alone."""
        changing = [name for name in names(table) if name not in {*keys(table), *fixed}]
        self.insert = _insert(table, names(table), dialect)
        self.update = _update(table, keys(table), changing, dialect)
        self.upsert = _upsert(table, keys(table), changing, dialect)


class Gathered:
    """A SELECT of many rows."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        self._as_array = dialect == "sqlite"  # Postgres has no thread and no GIL to wait for
        self._statement = statement
        if self._as_array:
            columns = statement.subquery().c
            self._statement = select(func.json_group_array(func.json_array(*columns)))

    async def fetch(self, connection: AsyncConnection, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        result = await connection.execute(self._statement, parameters)
        return orjson.loads(result.scalar_one()) if self._as_array else result.all()


def insert_into(table: Table, dialect: Dialect) -> Any:
    """An INSERT that can say ON CONFLICT, in the same words on both databases."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as dialect_insert
    else:
        from sqlalchemy.dialects.postgresql import insert as dialect_insert
    return dialect_insert(table)


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


def _update(table: Table, key: Sequence[str], columns: Sequence[str], dialect: Dialect) -> Update:
    rows = incoming(table, [*key, *columns], dialect).subquery("incoming")
    return (
        update(table)
        .where(*(table.c[name] == rows.c[name] for name in key))
        .values({name: rows.c[name] for name in columns})
    )


def _upsert(table: Table, key: Sequence[str], columns: Sequence[str], dialect: Dialect) -> Insert:
    # SQLite's grammar needs a WHERE between the SELECT and ON CONFLICT.
    rows = incoming(table, [*key, *columns], dialect).where(true())
    statement = insert_into(table, dialect).from_select([*key, *columns], rows)
    return statement.on_conflict_do_update(
        index_elements=key, set_={name: statement.excluded[name] for name in columns}
    )


def _rows(table: Table, columns: Sequence[str], dialect: Dialect) -> FromClause:
    parameter = bindparam("rows", type_=Text)
    if dialect == "sqlite":
        return func.json_each(parameter).table_valued("value")
    typed = [column(name, table.c[name].type) for name in columns]
    return func.json_to_recordset(cast(parameter, JSON)).table_valued(*typed).render_derived(with_types=True)
