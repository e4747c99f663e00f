"""What an agent asks over stdin goes to the server's own door, and its answers come back on stdout.

Every request is passed on for itself, to wherever the server is by then: one that went to rest is started again, one that was
restarted elsewhere is found. Nothing is decided here; what an agent may do, the door says.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import httpx
import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types.version import LATEST_MODERN_VERSION
from pydantic import BaseModel

from eyebright.client.problems import error_from
from eyebright.client.transport import is_loopback, no_answer
from eyebright.errors import EyebrightError, Unavailable

#: An agent may have a job watched for ten minutes.
TIMEOUT = httpx2.Timeout(30.0, connect=5.0, read=660.0)

#: Of the server's own door.
PATH = "/mcp"
#: What is passed on: the parameters, the request and the result of each method.
METHODS: dict[str, tuple[type[BaseModel], type[types.Request[Any, Any]], type[types.Result]]] = {
    "tools/list": (types.PaginatedRequestParams, types.ListToolsRequest, types.ListToolsResult),
    "tools/call": (types.CallToolRequestParams, types.CallToolRequest, types.CallToolResult),
    "resources/list": (types.PaginatedRequestParams, types.ListResourcesRequest, types.ListResourcesResult),
    "resources/templates/list": (
        types.PaginatedRequestParams,
        types.ListResourceTemplatesRequest,
        types.ListResourceTemplatesResult,
    ),
    "resources/read": (types.ReadResourceRequestParams, types.ReadResourceRequest, types.ReadResourceResult),
    "prompts/list": (types.PaginatedRequestParams, types.ListPromptsRequest, types.ListPromptsResult),
    "prompts/get": (types.GetPromptRequestParams, types.GetPromptRequest, types.GetPromptResult),
}


class Forwarding:
    """`server` finds the server, or starts one; `token` gives what its door asks for. Both raise what stands in the way."""

    def __init__(self, server: Callable[[], str], token: Callable[[], str]) -> None:
        self._server = server
        self._token = _Token(token)
        self._finding = asyncio.Lock()
        self._lost: EyebrightError | None = None

    async def run(self) -> None:
        """Until the agent has closed its end. Raises what keeps the server from being asked at the start, or did in the end."""
        url = await self._found()
        async with httpx2.AsyncClient(
            auth=self._token,
            timeout=TIMEOUT,
            event_hooks={"response": [_refused]},
            trust_env=not is_loopback(url),  # a company's HTTP_PROXY must not get between us and our own machine
        ) as http:
            async with self._asking(http, mode="auto") as client:
                instructions = client.instructions
            server = self._answering(http, instructions)
            async with stdio_server() as (reading, writing):
                await server.run(reading, writing, server.create_initialization_options())
        if self._lost:
            raise self._lost

    def _answering(self, http: httpx2.AsyncClient, instructions: str | None) -> Server[Any]:
        server = Server[Any]("eyebright", title="Eyebright", version=version("eyebright"), instructions=instructions)
        for method, (params, request, result) in METHODS.items():
            server.add_request_handler(method, params, self._passing_on(http, request, result))
        return server

    def _passing_on(
        self, http: httpx2.AsyncClient, request: type[types.Request[Any, Any]], result: type[types.Result]
    ) -> Callable[[ServerRequestContext[Any], BaseModel], Awaitable[types.Result]]:
        async def pass_on(context: ServerRequestContext[Any], params: BaseModel) -> types.Result:
            asked = request.model_validate({"params": params.model_copy(update={"meta": None})})
            try:
                async with self._asking(http, mode=LATEST_MODERN_VERSION) as client:
                    told = context.session.report_progress
                    return await client.session.send_request(asked, result, progress_callback=told)
            except EyebrightError as error:
                raise MCPError(types.INTERNAL_ERROR, f"{error.code}: {error.message}") from None

        return pass_on

    @asynccontextmanager
    async def _asking(self, http: httpx2.AsyncClient, mode: str) -> AsyncGenerator[Client]:
        """Raises EyebrightError when no server can be asked or its door stays shut, MCPError when it refuses the question."""
        try:
            url = await self._found()
            transport = streamable_http_client(f"{url}{PATH}", http_client=http)
            async with Client(transport, mode=mode, cache=None) as client:
                yield client
            self._lost = None
        except (EyebrightError, MCPError, ExceptionGroup) as error:
            cause = _cause(error)
            self._lost = cause if isinstance(cause, EyebrightError) else None
            raise cause from None

    async def _found(self) -> str:
        async with self._finding:
            return await asyncio.to_thread(self._server)


class _Token(httpx2.Auth):
    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token()}"
        yield request


async def _refused(response: httpx2.Response) -> None:
    """A refusal that is not in the protocol's own words comes from the gate, or from a proxy in between."""
    if not response.is_error or response.headers.get("content-type", "").startswith("application/json"):
        return
    content = await response.aread()
    request = httpx.Request(response.request.method, str(response.request.url))
    raise error_from(
        httpx.Response(response.status_code, headers=response.headers.raw, content=content, request=request)
    )


def _cause(error: Exception) -> Exception:
    """What went wrong, in our own words where the server could not be asked."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, httpx2.TransportError):
        return Unavailable(no_answer(f"{error.request.url.scheme}://{error.request.url.netloc.decode()}", error))
    if isinstance(error, MCPError) and error.code == types.CONNECTION_CLOSED:
        return Unavailable("the server ended before it had answered. Jobs go on without it; ask again once it runs")
    return error
