"""How the command line comes to a token for an agent."""

from secrets import token_hex

from eyebright.client.local import local_token
from eyebright.core.access import is_teams
from eyebright.core.agent_token import AgentToken, Persona, read
from eyebright.errors import Forbidden, Unauthenticated
from eyebright.ports.clock import SystemClock
from eyebright.settings import Settings


def agent_token(persona: Persona, seconds: int) -> AgentToken:
    """One that counts from now on."""
    return AgentToken(token_hex(8), persona, SystemClock().now_ms() // 1000 + seconds)


def operators_token(settings: Settings) -> str:
    """What agents' tokens are signed with. Raises Unauthenticated without one, Forbidden for another kind."""
    found = settings.token or (None if settings.url else local_token(settings))
    if found is None:
        raise Unauthenticated(
            "no operator's token: it is made when the server first starts (`eyebright serve`). Of a server elsewhere, set "
            "EYEBRIGHT_TOKEN to what it keeps in the file `token` of its data folder"
        )
    if read(found) is not None:
        raise Forbidden("EYEBRIGHT_TOKEN is an agent's token, and none can be made of that; it takes the operator's")
    if is_teams(found):
        raise Forbidden(
            "EYEBRIGHT_TOKEN is a team's token, and none can be made of that for an agent; it takes the operator's"
        )
    return found
