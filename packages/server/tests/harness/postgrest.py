"""A stand-in for the PostgREST of a Supabase project: the requests that its documentation shows, over a real Postgres.

Values become literals of no type, and bodies records of the table's own type, as PostgREST has them; so types, conflicts and
errors are the database's.
"""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY = "sb_secret_swordfish"
READY_SECONDS = 180
_STATUS = {"42501": 403, "23503": 409, "23505": 409, "57014": 500}
_RESERVED = {"select", "order", "limit", "columns", "on_conflict"}


@dataclass
class Supabase:
    """A project at `url`; `seen` are the requests that came."""

    database: str
    key: str = KEY
    url: str = ""
    seen: list[Request] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[None]:
        app = Starlette(routes=[Route("/rest/v1/{table}", self._answer, methods=["GET", "POST", "PATCH"])])
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        deadline = time.monotonic() + READY_SECONDS
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            thread.join()

    async def _answer(self, request: Request) -> Response:
        self.seen.append(request)
        if request.headers.get("apikey") != self.key or request.headers.get("authorization") != f"Bearer {self.key}":
            hint = "Double check your Supabase `anon` or `service_role` API key."
            return JSONResponse({"message": "Invalid API key", "hint": hint}, 401)
        connection = await asyncpg.connect(self.database)
        try:
            return await _ANSWERS[request.method](connection, request, request.path_params["table"])
        except asyncpg.UndefinedTableError:
            table = request.path_params["table"]
            return _error(404, "PGRST205", f"Could not find the table 'public.{table}' in the schema cache")
        except asyncpg.PostgresError as error:
            return _error(_STATUS.get(error.sqlstate, 400), error.sqlstate, str(error))
        finally:
            await connection.close()


async def _get(connection: Any, request: Request, table: str) -> Response:
    order = [_ordering(term) for term in filter(None, request.query_params.get("order", "").split(","))]
    query = f"SELECT {_selected(request)} FROM {_name(table)} WHERE {_conditions(request)}"
    if order:
        query += f" ORDER BY {', '.join(order)}"
    if limit := request.query_params.get("limit"):
        query += f" LIMIT {int(limit)}"
    return _rows(await connection.fetchval(f"SELECT coalesce(json_agg(found), '[]')::text FROM ({query}) AS found"))


async def _post(connection: Any, request: Request, table: str) -> Response:
    columns = ", ".join(_name(each.strip('"')) for each in request.query_params["columns"].split(","))
    statement = (
        f"INSERT INTO {_name(table)} ({columns}) "
        f"SELECT {columns} FROM json_populate_recordset(NULL::{_name(table)}, $1::json)"
    )
    if "resolution=ignore-duplicates" in _preferences(request):
        statement += f" ON CONFLICT ({_name(request.query_params['on_conflict'])}) DO NOTHING"
    await connection.execute(statement, (await request.body()).decode())
    assert "return=minimal" in _preferences(request)
    return Response(status_code=201)


async def _patch(connection: Any, request: Request, table: str) -> Response:
    body = await request.body()
    columns = [_name(each) for each in json.loads(body)]
    assigned = ", ".join(f"{each} = body.{each}" for each in columns)
    if "return=representation" not in _preferences(request):
        return _error(500, "", "only return=representation is served here")
    conditions = _conditions(request, f"{_name(table)}.")
    found = await connection.fetchval(
        f"WITH changed AS (UPDATE {_name(table)} SET {assigned} FROM json_populate_record(NULL::{_name(table)}, $1::json) "
        f"AS body WHERE {conditions} RETURNING {_name(table)}.*) "
        f"SELECT coalesce(json_agg(found), '[]')::text "
        f"FROM (SELECT {_selected(request)} FROM changed AS {_name(table)}) AS found",
        body.decode(),
    )
    return _rows(found)


_ANSWERS = {"GET": _get, "POST": _post, "PATCH": _patch}


def _conditions(request: Request, table: str = "") -> str:
    found = ["true"]
    for column, value in request.query_params.multi_items():
        if column in _RESERVED:
            continue
        operator, _, operand = value.partition(".")
        left = table + _name(column)
        match operator:
            case "eq":
                found.append(f"{left} = {_literal(operand)}")
            case "in":
                found.append(f"{left} = ANY ({_literal('{' + ','.join(map(_element, _listed(operand))) + '}')})")
            case _:
                raise asyncpg.SyntaxOrAccessError(f"operator {operator} is not served here")
    return " AND ".join(found)


def _listed(operand: str) -> list[str]:
    """`("a,b",c)` → a,b · c"""
    inner = operand.removeprefix("(").removesuffix(")")
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,]+)', inner, re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted else bare for quoted, bare in found]


def _element(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _literal(value: str) -> str:
    if "\0" in value:
        raise asyncpg.CharacterNotInRepertoireError('invalid byte sequence for encoding "UTF8": 0x00')
    return "'" + value.replace("'", "''") + "'"


def _selected(request: Request) -> str:
    table = _name(request.path_params["table"])
    return ", ".join(f"{table}.{_name(each)}" for each in request.query_params["select"].split(","))


def _ordering(term: str) -> str:
    column, *words = term.split(".")
    said = {"asc": "ASC", "desc": "DESC", "nullsfirst": "NULLS FIRST", "nullslast": "NULLS LAST"}
    return " ".join([_name(column), *(said[word] for word in words)])


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _preferences(request: Request) -> Sequence[str]:
    return request.headers.get("prefer", "").split(",")


def _rows(found: str) -> Response:
    return Response(found, media_type="application/json")


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": message, "details": None, "hint": None}, status)
