"""`eyebright mcp`."""

import asyncio
from typing import Annotated

import typer

from eyebright.cli.agents import agent_token, operators_token
from eyebright.cli.connection import connected
from eyebright.cli.verbs import example, single
from eyebright.client import running_server
from eyebright.core.agent_token import Persona, read
from eyebright.errors import Forbidden, Unavailable
from eyebright.settings import Settings

app = single()

#: Each call brings a token of its own; the clocks of two machines differ by less.
CALL_SECONDS = 86_400

EXAMPLES = """
eyebright mcp                       for an agent that shall look at everything
eyebright mcp --persona operator    for one that may import, train, cancel, … too
EYEBRIGHT_URL=https://train.example EYEBRIGHT_TOKEN=… eyebright mcp
"""


@app.command(epilog=example(EXAMPLES))
def mcp(
    persona: Annotated[
        Persona | None,
        typer.Option(
            help="reader: look at everything and change nothing; operator: change things too. Default: what EYEBRIGHT_TOKEN "
            "lets an agent do if it is an agent's, else reader."
        ),
    ] = None,
) -> None:
    """Let an agent work with Eyebright over stdin and stdout, by the Model Context Protocol. Agents start this themselves.

    It passes on what the agent asks to the door /mcp of the server that every command uses, and says there that it comes from
    this persona; so the server decides what is allowed. Ends with its input. Exit status 6: in the end no server answered.
    """
    from eyebright.cli.forwarding import Forwarding

    settings = Settings()
    asyncio.run(Forwarding(Whereabouts(settings), lambda: token_of(settings, persona)).run())


class Whereabouts:
    """Where the server is, as often as it is called. An embedded one that went to rest is started again; one that somebody else
    runs is nobody's to replace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._somebodys = False

    def __call__(self) -> str:
        """Raises Unavailable when there is none, or what `connected` raises."""
        if self._somebodys and running_server(self._settings) is None:
            raise Unavailable("the server has ended. Start it again with `eyebright serve`; jobs go on meanwhile")
        with connected(self._settings) as client:
            self._somebodys = client.local is not None and not client.local.embedded
            return client.url


def token_of(settings: Settings, persona: Persona | None) -> str:
    """The agent's token that was given, or one made of the operator's. Raises Unauthenticated without either, Forbidden where
    the given one is for another persona."""
    given = read(settings.token or "")
    if given is None:
        return agent_token(persona or Persona.READER, CALL_SECONDS).signed(operators_token(settings))
    if persona not in (None, given.persona):
        raise Forbidden(
            f"EYEBRIGHT_TOKEN is for an agent that is a {given.persona}, not {persona}; `eyebright token --persona {persona}` "
            "makes another"
        )
    return settings.token or ""
