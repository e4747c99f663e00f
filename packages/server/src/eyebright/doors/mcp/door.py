"""`POST /mcp` (streamable HTTP): behind the gate like every other path, and without sessions.

The SDK is imported when the first agent calls: a server that no agent uses starts without it.
"""

import asyncio
from contextlib import AsyncExitStack

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from eyebright.core.agent_token import Persona
from eyebright.doors import problems
from eyebright.doors.door import DoorContext
from eyebright.doors.gate import persona_of
from eyebright.errors import Unavailable

PATH = "/mcp"


class McpDoor:
    public = frozenset[str]()
    job_paths = ()
    agent_paths = frozenset({PATH})

    def __init__(self) -> None:
        self._wanted = asyncio.Event()
        self._opened = asyncio.Event()
        self._answers: dict[Persona | None, ASGIApp] = {}
        self.routes = (Route(PATH, _Endpoint(self), methods=["POST"], include_in_schema=False),)

    async def run(self, context: DoorContext) -> None:
        """Waits for the first agent; from then on every request is a task of its own, ended with the server."""
        try:
            await self._wanted.wait()
            from eyebright.doors.mcp.server import answering

            async with AsyncExitStack() as stack:
                for persona in Persona:
                    manager = (await asyncio.to_thread(answering, context, persona)).session_manager
                    await stack.enter_async_context(manager.run())
                    self._answers[persona] = manager.handle_request
                self._answers[None] = self._answers[Persona(context.settings.mcp.persona)]
                self._opened.set()
                await asyncio.Event().wait()
        finally:
            self._answers.clear()
            self._opened.set()

    def condition(self) -> str | None:
        return None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._wanted.set()
        await self._opened.wait()
        closed = problems.answer(Unavailable("this door is closed; the server's log tells why"))
        await self._answers.get(persona_of(scope), closed)(scope, receive, send)


class _Endpoint:
    """A route takes an object for an ASGI application, and a method for a function of the request."""

    def __init__(self, door: McpDoor) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._door.answer(scope, receive, send)
