"""The callers' database by its Postgres URL, through SQLAlchemy and asyncpg.

Supabase's poolers lend a connection for the length of a transaction and no longer. So every statement is one by itself, leaves no
settings behind, and is prepared without a name: a named one would stay with a connection that others get next, and be missed in
our next. A pooler must hold the connection from preparing to the end of executing, as asyncpg ends the sequence only then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from eyebright.core.callers import AGENT, Assignment, CallersModel, CallersProject, LogLine
from eyebright.stores.projects import rows
from eyebright.stores.projects.refusals import known, no_project, refusal, silent, unreachable

#: A hosted project has few connections to give, and they are shared with the callers.
CONNECTIONS = 5
#: What a NAT or a pooler has forgotten by then is not used again.
IDLE_SECONDS = 60
#: What asyncpg understands of libpq's words; others of a URL, such as `pgbouncer=true`, are for other libraries.
_UNDERSTOOD = frozenset(
    {
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "host", "port", "options"),
    }
)

T = TypeVar("T")


class SqlCallers:
    """Connects when it is first asked. A call lasts `connect_seconds` and `answer_seconds` together at most."""

    def __init__(self, url: str, connect_seconds: float, answer_seconds: float) -> None:
        self._place = _place(url)
        self._seconds = connect_seconds + answer_seconds
        self._engine = _engine(_dsn(url), connect_seconds)
        # In the order in which they come: in SQLAlchemy's own queue those who wait are overtaken and woken in vain, which
        # takes a third more of the processor with 50 at once.
        self._turns = asyncio.Semaphore(CONNECTIONS)

    async def probe(self) -> None:
        for asked, statement in _PROBES.items():
            await self._ask(partial(_planned, statement), asked)

    async def project(self, project_id: str) -> CallersProject:
        found = await self._read(_PROJECT, given=_given(id=known(project_id)))
        return rows.project(found, project_id)

    async def assignment(self, project_id: str) -> Assignment:
        asked = known(project_id)
        found = await self._read(_ASSIGNMENT, given=_given(id=asked), given_parent=_given(project_id=asked))
        projects, datasets = [row["project"] for row in found], [each for row in found for each in row["datasets"]]
        return rows.assignment(projects, datasets, project_id)

    async def change_status(self, project_id: str, status: str, *, before: Collection[str]) -> bool:
        """One guarded UPDATE. One that was not answered in time may have been done: then asking again finds that it was."""
        wanted = rows.storable(status)
        given = _given(id=known(project_id), status=wanted)
        now = await self._ask(partial(_change, given=given, before=[*map(rows.storable, before)]))
        if now is None:
            raise no_project(project_id)
        return now == wanted

    async def add_model(self, model: CallersModel) -> None:
        await self._add(_ADD_MODELS, [rows.of_model(model)])

    async def add_logs(self, lines: Sequence[LogLine]) -> None:
        if lines:
            await self._add(_ADD_LOGS, [rows.of_log_line(line) for line in lines])

    async def recent_logs(self, project_id: str, limit: int) -> Sequence[LogLine]:
        given = _given(project_id=known(project_id), agent_name=AGENT)
        found = await self._read(_LOGS, given=given, limit=limit)
        return [rows.log_line(row) for row in found]

    async def close(self) -> None:
        await self._engine.dispose()

    async def _read(self, statement: TextClause, **values: Any) -> Sequence[rows.Row]:
        async def read(connection: AsyncConnection) -> Sequence[rows.Row]:
            result = await connection.execute(statement, values)
            return [orjson.loads(row) for row in result.scalars()]

        return await self._ask(read)

    async def _add(self, statement: TextClause, new: Sequence[rows.Row]) -> None:
        async def add(connection: AsyncConnection) -> None:
            await connection.execute(statement, {"rows": orjson.dumps(new).decode()})

        await self._ask(add)

    async def _ask(self, work: Callable[[AsyncConnection], Awaitable[T]], asked: str = "") -> T:
        """`asked` is put before what the database says when it refuses."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._persistently(work)
        except TimeoutError as error:
            raise silent(self._place, self._seconds) from error
        except DBAPIError as error:
            said = error.orig.__cause__ or error.orig if error.orig else error
            found = f"{asked}: {said}" if asked else str(said)
            raise refusal(self._place, str(getattr(said, "sqlstate", None) or ""), found) from error
        except (OSError, SQLAlchemyError) as error:
            raise unreachable(self._place, error) from error

    async def _persistently(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Once more over a new connection, if the pool's own was lost: everything here may be done twice."""
        try:
            return await self._once(work)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return await self._once(work)

    async def _once(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._turns, self._engine.connect() as connection:
            return await work(connection)


async def _planned(statement: TextClause, connection: AsyncConnection) -> None:
    """Postgres looks for tables, columns, keys and rights, and does nothing: not even a trigger hears of it."""
    await connection.execute(text(f"EXPLAIN {statement}"), dict.fromkeys(statement.compile().params))


async def _change(connection: AsyncConnection, **values: Any) -> str | None:
    """The status that the project has then. None: there is no such project."""
    changed = await connection.execute(_CHANGE_STATUS, values)
    return changed.scalar() or await connection.scalar(_STATUS, {"given": values["given"]})


def _given(**values: str) -> str:
    return orjson.dumps(values).decode()


def _columns(table: str) -> str:
    """With the table's name, which Postgres then says of one that is not there.

    What is no JSON to us may be some to Postgres (1e999, half a surrogate), and must not make the row unreadable: metadata come
    as text.
    """
    types = {"metadata": "::text"}
    return ", ".join(f"{table}.{column}{types.get(column, '')}" for column in rows.TABLES[table])


def _given_value(table: str, column: str, given: str = "given") -> str:
    return f"(SELECT given.{column} FROM jsonb_populate_record(NULL::{table}, CAST(:{given} AS jsonb)) AS given)"  # noqa: S608


def _is_given(table: str, column: str, given: str = "given") -> str:
    """A subquery of one row, so that the column's index is used."""
    return f"{table}.{column} = {_given_value(table, column, given)}"


def _select(table: str, rest: str) -> TextClause:
    """As JSON, which has ids, times and metadata in one form whatever the columns' types are."""
    return text(f"SELECT row_to_json(found)::text FROM (SELECT {_columns(table)} FROM {table} {rest}) AS found")  # noqa: S608


def _insert(table: str) -> TextClause:
    """The table itself says which types its columns have. A row that is there already stays as it is."""
    listed = ", ".join(rows.TABLES[table])
    return text(
        f"INSERT INTO {table} ({listed}) SELECT {listed} FROM "  # noqa: S608
        f"jsonb_populate_recordset(NULL::{table}, CAST(:rows AS jsonb)) ON CONFLICT (id) DO NOTHING"
    )


# The values come as JSON, of which the table itself makes the types that its columns have. Parameters of those types would do
# harm without a transaction: asyncpg encodes them only once the statement is prepared, and one that it cannot encode leaves the
# sequence open, and the pooler's connection ours; to look up a type that it does not know it changes the connection's settings.
_PROJECT = _select("projects", f"WHERE {_is_given('projects', 'id')}")
_DATASETS = f"""
    SELECT {_columns("datasets")} FROM datasets WHERE {_is_given("datasets", "project_id", "given_parent")} LIMIT 2
"""  # noqa: S608
_ASSIGNMENT = text(f"""
    SELECT json_build_object(
        'project', row_to_json(found),
        'datasets', (SELECT coalesce(json_agg(each), '[]') FROM ({_DATASETS}) AS each)
    )::text
    FROM (SELECT {_columns("projects")} FROM projects WHERE {_is_given("projects", "id")}) AS found
""")  # noqa: S608
_LOGS = _select(
    "agent_logs",
    f"WHERE {_is_given('agent_logs', 'project_id')} AND {_is_given('agent_logs', 'agent_name')} "
    "ORDER BY agent_logs.created_at DESC NULLS LAST, agent_logs.id DESC LIMIT :limit",
)
_CHANGE_STATUS = text(
    f"UPDATE projects SET status = {_given_value('projects', 'status')} "  # noqa: S608
    f"WHERE {_is_given('projects', 'id')} AND projects.status::text = ANY(CAST(:before AS text[])) "
    "RETURNING projects.status::text"
)
_STATUS = text(f"SELECT coalesce(projects.status::text, '') FROM projects WHERE {_is_given('projects', 'id')}")  # noqa: S608
_ADD_MODELS = _insert("models")
_ADD_LOGS = _insert("agent_logs")
#: By the right that each wants.
_PROBES = {
    **{f"SELECT on {table}": _select(table, "") for table in rows.TABLES},
    "UPDATE on projects": _CHANGE_STATUS,
    "INSERT on models": _ADD_MODELS,
    "INSERT on agent_logs": _ADD_LOGS,
}


def _engine(dsn: str, connect_seconds: float) -> AsyncEngine:
    return create_async_engine(
        "postgresql+asyncpg://",
        isolation_level="AUTOCOMMIT",  # with BEGIN and COMMIT a call would take twice the round trips
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_recycle=IDLE_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={
            "async_creator_fn": partial(_connect, dsn, connect_seconds),
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": str,  # "": unnamed
        },
    )


async def _connect(dsn: str, seconds: float) -> Any:
    driver: Any = asyncpg  # its types know no parts of a second
    return await driver.connect(
        dsn, timeout=seconds, statement_cache_size=0, server_settings={"application_name": "eyebright"}
    )


def _dsn(url: str) -> str:
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name in _UNDERSTOOD]
    return parts._replace(query=urlencode(kept)).geturl()


def _place(url: str) -> str:
    """For people: no user, no password, no parameters."""
    parts = urlsplit(url)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
