"""An agent for tests: the official client, over the web application in memory, token and gate included."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from harness.site import TOKEN, URL, Site
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent


@asynccontextmanager
async def agent(site: Site, token: str = TOKEN, **options: Any) -> AsyncIterator[Client]:
    transport = httpx2.ASGITransport(site.app)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{URL}/mcp", http_client=http), **options) as client,
    ):
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured content of an answer that is no refusal."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, said(answer)
    return answer.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return said(answer)


def said(answer: Any) -> str:
    return "\n".join(block.text for block in answer.content if isinstance(block, TextContent))
