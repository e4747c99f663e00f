"""Who gives what, where the door has not asked already."""

import pytest

from eyebright.core.access import Caller
from eyebright.errors import Forbidden, NotFound
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
