"""The SDK's server, with arguments that do not fit refused as everywhere here, and none dropped in silence."""

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult
from pydantic import ValidationError

from eyebright.core.misfit import misfit
from eyebright.doors.mcp.tools import said


class StrictServer(MCPServer[Any]):
    def __init__(self, name: str, **about: Any) -> None:
        super().__init__(name, **about)
        #: The arguments of each tool.
        self.known: dict[str, frozenset[str]] = {}

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        known = self.known.get(name, frozenset(arguments))
        if unknown := sorted(set(arguments) - known):
            raise ToolError(said(misfit([{"type": "extra_forbidden", "loc": (each,)} for each in unknown], known)))
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(error, UnexpectedToolError) or not isinstance(cause, ValidationError):
                raise
            raise ToolError(said(misfit(cause.errors(), known))) from cause

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Raises MCPError for one that is not there, and without what it needs."""
        prompts = {prompt.name: prompt for prompt in await self.list_prompts()}
        if name not in prompts:
            raise MCPError(INVALID_PARAMS, f"there is no prompt {name!r}; there are {', '.join(prompts)}")
        needed = [each.name for each in prompts[name].arguments or () if each.required]
        if missing := [each for each in needed if each not in (arguments or {})]:
            raise MCPError(INVALID_PARAMS, f"{name} needs {', '.join(missing)}")
        return await super().get_prompt(name, arguments, context)
