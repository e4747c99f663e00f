"""`eyebright token`."""

from datetime import timedelta
from typing import Annotated

import typer

from eyebright.cli.agents import agent_token, operators_token
from eyebright.cli.options import Json
from eyebright.cli.ordering import seconds_of
from eyebright.cli.terminal import emit, say, show
from eyebright.cli.verbs import example, single
from eyebright.core.agent_token import Persona
from eyebright.errors import InvalidRequest
from eyebright.settings import Settings

app = single()

#: A token that is written into files of other programs must not outlive them all.
LONGEST = timedelta(days=366)

EXAMPLES = """
eyebright token                                    it may look at everything, for 30 days
eyebright token --persona operator --expires 8h    it may import, train, cancel, … too
EYEBRIGHT_TOKEN=… eyebright token                  of a server on another machine
"""


@app.command(epilog=example(EXAMPLES))
def token(
    persona: Annotated[
        Persona, typer.Option(help="reader: look at everything and change nothing; operator: change things too.")
    ] = Persona.READER,
    expires: Annotated[str, typer.Option(metavar="TIME", help="It counts for 8h, 30d, … from now on.")] = "30d",
    as_json: Json = False,
) -> None:
    """Make a token for an agent: it opens /mcp and nothing else.

    It is made from the operator's token and kept nowhere, so this is the only time that it is shown. It ends at its time; before
    that when its id is put into EYEBRIGHT_MCP__REVOKED and the server is started again, and with the operator's token.
    """
    operators = operators_token(Settings())
    made = agent_token(persona, _seconds(expires))
    if as_json:
        emit({"token": made.signed(operators), "id": made.id, "persona": made.persona, "expires_s": made.expires_s})
        return
    show(made.signed(operators))
    say(f"It lets an agent in as {made.persona} until {made.expires}. Its id is {made.id}.")


def _seconds(text: str) -> int:
    seconds = seconds_of(text) or 0
    if seconds > LONGEST.total_seconds():
        raise InvalidRequest(
            f"--expires {text} is more than a year; a token of an agent counts for {LONGEST.days}d at most"
        )
    return seconds
