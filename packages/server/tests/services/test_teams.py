"""Who gives what, where the door has not asked already."""

import pytest

from eyebright.core.access import Caller, Token, sha256_of, written
from eyebright.errors import Forbidden, NotFound, Unauthenticated
from eyebright.services.access import Access
from eyebright.services.teams import Giver, Teams
from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.memory_access import MemoryAccess
from eyebright.testing import ManualClock
from eyebright_wire.access import Role, TokenCreate


def giver(clock: ManualClock, **roles: Role) -> Giver:
    end = clock.now_ms() + 1000
    caller = Caller(token_id="tok_1", user_id=None, sponsor=None, roles=roles, expires_at_ms=end)
    return Giver(caller, next(iter(roles)))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER])
async def test_who_is_no_admin_of_a_project_makes_no_token_of_it(role: Role):
    """Whatever they are elsewhere."""
    clock, store, projects = ManualClock(), MemoryAccess(), MemoryDatabase().projects
    teams = Teams(store, Access(store, clock), projects, clock)
    order = TokenCreate(name="x", roles={"default": Role.VIEWER})
    with pytest.raises(Forbidden, match="made by its admins"):
        await teams.make_token(order, giver(clock, birds=Role.ADMIN, default=role))
    with pytest.raises(NotFound):
        await teams.make_token(order, giver(clock, birds=Role.ADMIN))
    assert await store.tokens(None, 9) == []


async def test_what_another_server_has_taken_away_holds_at_once_for_what_takes_an_admin():
    clock, store = ManualClock(), MemoryAccess()
    secret = clock.new_token()
    token = Token(
        id="tok_1",
        name="ci",
        secret_sha256=sha256_of(secret),
        roles={"default": Role.ADMIN},
        user_id=None,
        sponsor=None,
        maker=None,
        created_at_ms=clock.now_ms(),
        expires_at_ms=clock.now_ms() + 60_000,
    )
    await store.add_token(token)
    here = Access(store, clock)
    caller = await here.caller(written("tok_1", secret))
    await here.require(caller, "default", Role.ADMIN)
    await store.revoke("tok_1", clock.now_ms())  # at another server of the same database
    await here.require(caller, "default", Role.MEMBER)
    with pytest.raises(Unauthenticated, match="was revoked"):
        await here.require(caller, "default", Role.ADMIN)
