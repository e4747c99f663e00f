"""The callers' database by the URL and the key of its Supabase project, through PostgREST's HTTP API.

`postgrest` is the part of Supabase's client library that speaks it. Each call is one request, or two, and none is tried again
here.
"""

import asyncio
from collections.abc import Awaitable, Collection, Sequence
from typing import Any, TypeVar

import httpx
from postgrest import APIError, AsyncPostgrestClient, ReturnMethod

from eyebright.core.callers import AGENT, Assignment, CallersModel, CallersProject, LogLine
from eyebright.stores.projects import rows
from eyebright.stores.projects.refusals import known, refusal, silent, unreachable

CONNECTIONS = 20

T = TypeVar("T")


class SupabaseCallers:
    """Connects when it is first asked. A call lasts `connect_seconds` and `answer_seconds` together at most."""

    def __init__(self, url: str, key: str, connect_seconds: float, answer_seconds: float) -> None:
        self._place = url
        self._key = key
        self._seconds = connect_seconds + answer_seconds
        patience = httpx.Timeout(answer_seconds, connect=connect_seconds)
        limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=60)
        self._http = httpx.AsyncClient(  # follows nobody elsewhere with the key
            timeout=patience, limits=limits, event_hooks={"response": [self._require_rows]}
        )
        self._client = AsyncPostgrestClient(
            f"{url.rstrip('/')}/rest/v1",
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
            http_client=self._http,
            retry_enabled=False,
        )

    async def probe(self) -> None:
        """What a key may write PostgREST tells only those who write."""
        for table, columns in rows.TABLES.items():
            await self._read(table, columns, {}, limit=0)

    async def project(self, project_id: str) -> CallersProject:
        found = await self._read("projects", rows.PROJECT, {"id": known(project_id)}, limit=1)
        return rows.project(found, project_id)

    async def assignment(self, project_id: str) -> Assignment:
        found, datasets = await asyncio.gather(
            self._read("projects", rows.PROJECT, {"id": known(project_id)}, limit=1),
            self._read("datasets", rows.DATASET, {"project_id": known(project_id)}, limit=2),
        )
        return rows.assignment(found, datasets, project_id)

    async def change_status(self, project_id: str, status: str, *, before: Collection[str]) -> bool:
        """One guarded UPDATE. One that was not answered in time may have been done: then asking again finds that it was."""
        wanted, guard = rows.storable(status), [*map(rows.storable, before)]
        update = self._client.from_("projects").update({"status": wanted}, returning=ReturnMethod.representation)
        changing = update.eq("id", known(project_id)).in_("status", guard).select("id")
        if await self._within(changing.execute()):
            return True
        return (await self.project(project_id)).status == wanted

    async def add_model(self, model: CallersModel) -> None:
        await self._add("models", [rows.of_model(model)])

    async def add_logs(self, lines: Sequence[LogLine]) -> None:
        if lines:
            await self._add("agent_logs", [rows.of_log_line(line) for line in lines])

    async def recent_logs(self, project_id: str, limit: int) -> Sequence[LogLine]:
        wanted = {"project_id": known(project_id), "agent_name": AGENT}
        found = await self._read("agent_logs", rows.LOG, wanted, limit=limit, newest="created_at")
        return [rows.log_line(row) for row in found]

    async def close(self) -> None:
        await self._http.aclose()

    async def _read(
        self, table: str, columns: Sequence[str], wanted: dict[str, str], *, limit: int, newest: str | None = None
    ) -> Sequence[rows.Row]:
        query = self._client.from_(table).select(*columns).limit(limit)
        for column, value in wanted.items():
            query = query.eq(column, value)
        if newest:
            query = query.order(newest, desc=True, nullsfirst=False).order("id", desc=True)
        return await self._within(query.execute())

    async def _add(self, table: str, new: Sequence[rows.Row]) -> None:
        adding = self._client.from_(table).upsert(
            [dict(row) for row in new], on_conflict="id", ignore_duplicates=True, returning=ReturnMethod.minimal
        )
        await self._within(adding.execute())

    async def _within(self, request: Awaitable[Any]) -> Any:
        """The rows of the answer."""
        try:
            async with asyncio.timeout(self._seconds):
                answer = await request
        except (TimeoutError, httpx.TimeoutException) as error:
            raise silent(self._place, self._seconds) from error
        except APIError as error:
            raise refusal(self._place, error.code or "", self._said(error)) from None  # which holds the whole answer
        except RecursionError:
            raise refusal(self._place, "", "its answer is nested too deeply to be read") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(self._place, error) from error
        if not isinstance(answer.data, list):
            raise refusal(self._place, "", "its answer is no list of rows")
        return answer.data

    async def _require_rows(self, answer: httpx.Response) -> None:
        """Who asks for rows is sent a list, be it an empty one; the library takes no answer at all for that, too."""
        if answer.is_success and answer.request.method != "POST" and not await answer.aread():
            raise refusal(self._place, "", "its answer is empty")

    def _said(self, error: APIError) -> str:
        """What the answer says, and never the key, which a proxy may repeat."""
        said = " ".join(filter(None, (error.message, error.hint))) or f"HTTP {error.code}"
        return said.replace(self._key, "…")
