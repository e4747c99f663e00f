"""How a verb becomes a tool: `@tool(phase, title)` says what kind it is, `tools_of` finds all that an object has."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp_types import ToolAnnotations

from eyebright.doors.mcp.ways import in_tools
from eyebright.errors import EyebrightError, NotFound, StorageFull, is_full

Phase = Literal["plan", "discover", "train", "monitor", "manage"]
Verb = TypeVar("Verb", bound=Callable[..., Awaitable[Any]])

_KEY = "_eyebright_tool"
#: Of a refusal: more than fit into a sentence are no help.
_LONGEST, _MOST = 2_000, 20


@dataclass(frozen=True, slots=True)
class Kind:
    phase: Phase
    title: str
    changes: bool = False
    destroys: bool = False
    open_world: bool = False

    @property
    def annotations(self) -> ToolAnnotations:
        return ToolAnnotations(
            title=self.title,
            read_only_hint=not self.changes,
            destructive_hint=self.destroys,
            idempotent_hint=not self.changes,
            open_world_hint=self.open_world,
        )


def tool(
    phase: Phase, title: str, *, changes: bool = False, destroys: bool = False, open_world: bool = False
) -> Callable[[Verb], Verb]:
    """`destroys`: something that was there may be gone afterwards, such as a training's further epochs. `open_world`: it
    may have the server fetch from an address elsewhere."""

    def marked(verb: Verb) -> Verb:
        setattr(verb, _KEY, Kind(phase, title, changes, destroys, open_world))
        return verb

    return marked


def tools_of(provider: object) -> Iterator[tuple[Callable[..., Awaitable[Any]], Kind]]:
    """Its tools, in the order in which they are written down."""
    for name in vars(type(provider)):
        verb = getattr(provider, name)
        if (kind := getattr(verb, _KEY, None)) is not None:
            yield refusing(verb, ToolError), kind


def refusing(
    verb: Callable[..., Awaitable[Any]], refusal: type[ToolError] | type[ResourceError]
) -> Callable[..., Awaitable[Any]]:
    """What the services refuse is said to the agent, with code and way out; of anything else it learns nothing."""

    @wraps(verb)
    async def tried(*arguments: Any, **named: Any) -> Any:
        try:
            return await verb(*arguments, **named)
        except EyebrightError as error:
            raise _refused(refusal, error) from None
        except OSError as error:
            if is_full(error):
                raise _refused(refusal, StorageFull()) from None
            raise

    return tried


def _refused(refusal: type[ToolError] | type[ResourceError], error: EyebrightError) -> ToolError | ResourceError:
    """A card that is not there is the agent's mistake, and told by the protocol's own code; a tool has no such code."""
    of_card = refusal is ResourceError and isinstance(error, NotFound)
    return (ResourceNotFoundError if of_card else refusal)(said(error))


def said(error: EyebrightError) -> str:
    message = in_tools(error)
    more = [each for each in error.errors[:_MOST] if str(each.get("message", "")) not in message]
    lines = [f"{error.code}: {message}", *(f"- {each.get('field', '')}: {each['message']}" for each in more)]
    return "\n".join(lines)[:_LONGEST]
