"""The socket of a way in.

A door is an entry point in the group `eyebright.doors`: a class without arguments that offers `routes` and says which of their
paths need no operator token. Its endpoints take what they need as a parameter of type `Given` (or `Verbs`, the services):

    router = APIRouter(prefix="/hello")

    @router.get("")
    async def hello(verbs: Verbs) -> Page[JobView]: ...

    class HelloDoor:
        routes = router.routes
        public = frozenset({"/hello"})
        job_paths = ()

A door that does not wait for requests but goes to get them is a `RunningDoor` besides; one for agents is an `AgentDoor`, and one
for programs that know nothing but an address is a `KeyedDoor`.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

from fastapi import Depends, Request
from starlette.routing import BaseRoute

from eyebright.ports.clock import Clock
from eyebright.services import Services
from eyebright.settings import Settings
from eyebright.telemetry import Instruments
from eyebright_wire.resources import HealthView


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorContext:
    """What every door is given."""

    services: Services
    settings: Settings
    clock: Clock
    instruments: Instruments
    health: Callable[[], Awaitable[HealthView]]  # can this server take work?
    measure: Callable[[], Awaitable[None]]  # refresh the gauges that are only looked up when somebody asks


class Door(Protocol):
    #: Flat: a router within a router costs every request a second look-up.
    routes: Sequence[BaseRoute]
    #: Paths that are open to everybody who can reach the server.
    public: frozenset[str]
    #: Paths whose bearer token is not the operator's: the service behind them checks it itself.
    job_paths: Sequence[re.Pattern[str]]


@runtime_checkable
class AgentDoor(Protocol):
    """A door that agents' tokens open too."""

    #: Exact paths; `gate.persona_of` tells what the token lets its agent do.
    agent_paths: frozenset[str]


@runtime_checkable
class KeyedDoor(Protocol):
    """A door with paths for programs that call an address as they got it, with a key in it (`?key=…`), and send no token."""

    #: Open to the operator's token, and to any key or token else: `gate.secret_of` tells which, and the service behind checks it.
    keyed_paths: Sequence[re.Pattern[str]]


@runtime_checkable
class ProjectDoor(Protocol):
    """A door through which things of every project can be reached; through others only those of `default`."""

    #: Where the header `Eyebright-Project` is understood.
    project_paths: Sequence[re.Pattern[str]]


@runtime_checkable
class RunningDoor(Protocol):
    """A door with a life of its own, for as long as the server has one."""

    async def run(self, context: DoorContext) -> None:
        """Started with the server and cancelled at its end. One that fails or returns is not started again."""
        ...

    def condition(self) -> str | None:
        """For `/ready`: "ok", or what is wrong; it does not keep the server from taking work. None: nothing to tell."""
        ...


async def given(request: Request) -> DoorContext:
    return context_of(request)


async def services(request: Request) -> Services:
    return context_of(request).services


def context_of(request: Request) -> DoorContext:
    return request.app.state.context


Given = Annotated[DoorContext, Depends(given)]
Verbs = Annotated[Services, Depends(services)]
