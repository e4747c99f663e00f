"""The SDK's server, with one form for every refusal: `code: what was found and the way out`. Arguments that do not fit are
refused as everywhere here, and none is dropped in silence."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from mcp.server import MCPServer
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import (
    ResourceNotFoundError,
    ToolError,
    UnexpectedResourceError,
    UnexpectedToolError,
)
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult, TextContent
from pydantic import AnyUrl, ValidationError
from pydantic_core import to_json

from eyebright.core.misfit import fields_of, misfit
from eyebright.core.resolve import nearest
from eyebright.doors.mcp.tools import said
from eyebright.errors import EyebrightError, Forbidden, InvalidRequest, NotFound


class StrictServer(MCPServer[Any]):
    def __init__(self, name: str, **about: Any) -> None:
        super().__init__(name, **about)
        #: Tools that another persona has: they are listed nowhere, and whoever calls one is told who may.
        self.withheld: set[str] = set()
        self._known: dict[str, frozenset[str]] = {}

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        known = (await self._arguments()).get(name)
        if known is None:
            raise ToolError(said(self._no_tool(name)))
        if misfits := _misfits(arguments, known):
            raise ToolError(said(misfits))
        try:
            return _compact(await super().call_tool(name, arguments, context))
        except UnexpectedToolError as error:  # the SDK logs its cause
            raise UnexpectedToolError(said(EyebrightError())) from error.__cause__
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError):
                raise ToolError(said(misfit(cause.errors(), known))) from cause
            raise ToolError(str(cause or error)) from None  # without the SDK's own words before it

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        try:
            return await super().read_resource(uri, context)
        except ResourceNotFoundError as error:
            if str(error).startswith(f"{NotFound.code}: "):  # a card's own words
                raise
            there = ", ".join(each.uri_template for each in await self.list_resource_templates())
            raise ResourceNotFoundError(said(NotFound(f"there is no resource {uri}; there are {there}"))) from None
        except UnexpectedResourceError as error:
            raise UnexpectedResourceError(said(EyebrightError())) from error.__cause__

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Raises MCPError for one that is not there, and without what it needs."""
        prompts = {prompt.name: prompt for prompt in await self.list_prompts()}
        if name not in prompts:
            raise _refused(NotFound(f"there is no prompt {name!r}; there are {', '.join(prompts)}"))
        needed = [each.name for each in prompts[name].arguments or () if each.required]
        if missing := [each for each in needed if each not in (arguments or {})]:
            raise _refused(InvalidRequest(f"{name} needs {', '.join(missing)}"))
        return await super().get_prompt(name, arguments, context)

    async def _arguments(self) -> Mapping[str, frozenset[str]]:
        """Of each tool the paths of its fields, from the schema that agents are shown."""
        if not self._known:
            self._known = {tool.name: fields_of(tool.input_schema) for tool in await self.list_tools()}
        return self._known

    def _no_tool(self, name: str) -> EyebrightError:
        if name in self.withheld:
            return Forbidden(
                f"the tool {name} is for an operator, and you may only read; your person can let you do more: with "
                "`eyebright mcp --persona operator`, or a token of `eyebright token --persona operator`"
            )
        return NotFound(f"there is no tool {name!r:.200}.{nearest(name, self._known)}")


def _compact(answer: CallToolResult | InputRequiredResult) -> CallToolResult | InputRequiredResult:
    """Its text without the SDK's indentation, which makes tables of numbers seven times as long as the limit counts them."""
    if isinstance(answer, InputRequiredResult) or answer.structured_content is None:
        return answer
    text = to_json(answer.structured_content).decode()
    return answer.model_copy(update={"content": [TextContent(type="text", text=text)]})


def _misfits(arguments: Collection[str], known: Collection[str]) -> EyebrightError | None:
    """What is given beside the arguments of a tool; a field of one of them is one only within it."""
    unknown = sorted(name for name in arguments if name not in known or "." in name)
    if inner := [name for name in unknown if name in known]:
        outer, _, rest = inner[0].partition(".")
        return InvalidRequest(f"{inner[0]!r} is no argument: give `{outer}` as an object, with `{rest}` in it")
    return misfit([{"type": "extra_forbidden", "loc": (each,)} for each in unknown], known) if unknown else None


def _refused(error: EyebrightError) -> MCPError:
    return MCPError(INVALID_PARAMS, said(error))
