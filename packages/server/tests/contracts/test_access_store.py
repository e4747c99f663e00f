import pytest
from databases import SQL
from samples import NOW_MS
from sqlalchemy import text

from eyebright.core.access import AuditEntry, Member, Standing, Token, User
from eyebright.errors import Conflict, GuardViolated, NotFound
from eyebright.ports.access import AuditQuery
from eyebright_wire.access import Actor, Role

DAY_MS = 86_400_000


def user(number: int = 1, **changes) -> User:
    return User(**{"id": f"usr_{number}", "name": f"user {number}", "created_at_ms": NOW_MS, **changes})


def member(number: int = 1, role: Role = Role.ADMIN, project: str = "default") -> Member:
    return Member(project=project, user_id=f"usr_{number}", role=role)


def token(number: int = 1, **changes) -> Token:
    fields = {
        "id": f"tok_{number:04}",
        "name": f"token {number}",
        "secret_sha256": f"{number:064x}",
        "roles": {"default": Role.MEMBER},
        "user_id": None,
        "sponsor": None,
        "maker": None,
        "created_at_ms": NOW_MS,
        "expires_at_ms": NOW_MS + DAY_MS,
    }
    return Token(**{**fields, **changes})


def theirs(number: int = 1, whose: str = "usr_1", **changes) -> Token:
    return token(number, user_id=whose, sponsor=whose, **changes)


async def living(database) -> list[str]:
    return [each.id for each in await database.access.tokens(None, 99) if each.revoked_at_ms is None]


async def test_users_are_listed_by_page(database):
    for number in (2, 1, 3):
        await database.access.add_user(user(number))
    assert await database.access.users(None, 2) == [user(1), user(2)]
    assert await database.access.users("usr_2", 2) == [user(3)]
    assert await database.access.user("usr_3") == user(3)
    with pytest.raises(NotFound, match="no user usr_9"):
        await database.access.user("usr_9")


async def test_a_member_has_one_role_in_a_project(database):
    for number in (2, 1):
        await database.access.add_user(user(number))
        await database.access.set_member(member(number))
    await database.access.set_member(member(1, Role.VIEWER))
    await database.access.set_member(member(1, Role.MEMBER, "birds"))
    found = await database.access.members("default")
    assert found == [(member(1, Role.VIEWER), user(1)), (member(2), user(2))]
    with pytest.raises(NotFound, match="no user usr_9"):
        await database.access.set_member(member(9))


async def test_a_token_stands_for_what_it_and_its_sponsor_may(database):
    await database.access.add_user(user())
    for each in (member(1, Role.VIEWER), member(1, Role.ADMIN, "birds"), member(1, Role.ADMIN, "cats")):
        await database.access.set_member(each)
    mine = theirs(roles={"default": Role.ADMIN, "birds": Role.MEMBER})
    await database.access.add_token(mine)
    await database.access.add_token(token(2))
    standing = await database.access.standing("tok_0001")
    memberships = {"default": Role.VIEWER, "birds": Role.ADMIN, "cats": Role.ADMIN}
    assert standing == Standing(mine, memberships)
    assert standing.roles == {"default": Role.VIEWER, "birds": Role.MEMBER}
    assert (await database.access.standing("tok_0002")).roles == {"default": Role.MEMBER}
    assert await database.access.standing("tok_9") is None


async def test_tokens_are_listed_newest_first_and_by_project(database):
    for number, roles in enumerate(
        ({"default": Role.ADMIN}, {"birds": Role.ADMIN}, {"birds": Role.VIEWER, "default": Role.VIEWER})
    ):
        await database.access.add_token(token(number, roles=roles))
    ids = [each.id for each in await database.access.tokens(None, 2)]
    assert ids == ["tok_0002", "tok_0001"]
    assert [each.id for each in await database.access.tokens("tok_0001", 9)] == ["tok_0000"]
    assert [each.id for each in await database.access.tokens(None, 9, "default")] == ["tok_0002", "tok_0000"]
    assert (await database.access.tokens(None, 1))[0].roles == {"birds": Role.VIEWER, "default": Role.VIEWER}


async def test_what_a_revoked_token_has_made_goes_with_it(database):
    for number, maker in ((1, None), (2, "tok_0001"), (3, "tok_0002"), (4, None)):
        await database.access.add_token(token(number, maker=maker))
    await database.access.revoke("tok_0001", NOW_MS + 1)
    await database.access.revoke("tok_0001", NOW_MS + 2)
    assert await living(database) == ["tok_0004"]
    assert {each.revoked_at_ms for each in await database.access.tokens(None, 9)} == {None, NOW_MS + 1}
    with pytest.raises(NotFound, match="no token tok_9"):
        await database.access.revoke("tok_9", NOW_MS)


async def test_a_revoked_token_makes_no_other(database):
    await database.access.add_token(token(1))
    await database.access.revoke("tok_0001", NOW_MS)
    with pytest.raises(Conflict, match="tok_0001 was revoked"):
        await database.access.add_token(token(2, maker="tok_0001"))
    with pytest.raises(Conflict):
        await database.access.add_token(token(2, maker="tok_9"))
    assert [each.id for each in await database.access.tokens(None, 9)] == ["tok_0001"]


async def test_a_token_is_made_for_members_only(database):
    await database.access.add_user(user())
    with pytest.raises(NotFound, match="no member of default"):
        await database.access.add_token(theirs())
    await database.access.set_member(member())
    await database.access.add_token(theirs())
    with pytest.raises(NotFound, match="no member of birds"):
        await database.access.add_token(theirs(2, roles={"default": Role.VIEWER, "birds": Role.VIEWER}))


async def test_who_is_removed_leaves_every_project_and_no_token_behind(database):
    for number in (1, 2):
        await database.access.add_user(user(number))
        await database.access.set_member(member(number))
    await database.access.add_token(theirs(1))
    await database.access.add_token(token(2, sponsor="usr_1", maker="tok_0001"))
    await database.access.add_token(token(3, maker="tok_0002"))
    await database.access.add_token(theirs(4, "usr_2"))
    gone = user(removed_at_ms=NOW_MS + 5)
    assert await database.access.remove_user("usr_1", NOW_MS + 5) == gone
    assert await database.access.remove_user("usr_1", NOW_MS + 9) == gone
    assert await living(database) == ["tok_0004"]
    assert await database.access.members("default") == [(member(2), user(2))]
    assert (await database.access.users(None, 1)) == [gone]
    with pytest.raises(NotFound):
        await database.access.set_member(member(1))
    with pytest.raises(NotFound):
        await database.access.remove_user("usr_9", NOW_MS)


async def test_who_leaves_a_project_and_comes_back_needs_new_tokens(database):
    await database.access.add_user(user())
    for project in ("default", "birds"):
        await database.access.set_member(member(project=project))
    await database.access.add_token(theirs(1))
    await database.access.add_token(theirs(2, roles={"birds": Role.VIEWER}))
    await database.access.remove_member("default", "usr_1", NOW_MS)
    await database.access.set_member(member())
    assert await living(database) == ["tok_0002"]
    with pytest.raises(NotFound, match="no member of cats"):
        await database.access.remove_member("cats", "usr_1", NOW_MS)


async def test_all_tokens_are_revoked_at_once(database):
    for number in (1, 2, 3):
        await database.access.add_token(token(number))
    await database.access.revoke("tok_0001", NOW_MS)
    assert await database.access.revoke_all(NOW_MS + 1) == 2
    assert await database.access.revoke_all(NOW_MS + 2) == 0
    assert await living(database) == []


async def test_when_a_token_was_used_is_kept(database):
    await database.access.add_token(token())
    await database.access.used("tok_0001", NOW_MS + 7)
    assert (await database.access.standing("tok_0001")).token == token(last_used_at_ms=NOW_MS + 7)


def entry(number: int = 1, **changes) -> AuditEntry:
    fields = {
        "id": f"aud_{number:04}",
        "at_ms": NOW_MS,
        "actor": Actor.TOKEN,
        "token_id": "tok_0001",
        "user_id": "usr_1",
        "project": "default",
        "method": "POST",
        "operation": "submit_job",
        "resource": "/api/v1/jobs",
        "status": 201,
        "remote": "127.0.0.1",
        "request_id": "0f",
    }
    return AuditEntry(**{**fields, **changes})


async def test_the_log_is_read_newest_first_and_by_project(database):
    theirs = entry(1), entry(2, project="birds"), entry(3, project=None, actor=Actor.OPERATOR, token_id=None), entry(4)
    for each in theirs:
        await database.audit.add(each)
    assert await database.audit.find(AuditQuery(limit=2)) == [theirs[3], theirs[2]]
    assert await database.audit.find(AuditQuery(after="aud_0003")) == [theirs[1], theirs[0]]
    assert await database.audit.find(AuditQuery(project="default")) == [theirs[3], theirs[0]]
    with pytest.raises(GuardViolated):
        await database.audit.add(entry(4))


@pytest.mark.parametrize("kind", SQL)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET status = 200",
        "DELETE FROM audit",
        "UPDATE tokens SET expires_at_ms = expires_at_ms + 1",
        "UPDATE tokens SET secret_sha256 = 'mine'",
        "UPDATE tokens SET sponsor = NULL",
        "UPDATE tokens SET revoked_at_ms = NULL",
        "UPDATE token_roles SET role = 'admin'",
    ],
)
async def test_the_database_refuses_to_forget_or_to_give_more(database, statement):
    await database.access.add_user(user())
    await database.access.set_member(member())
    await database.access.add_token(theirs())
    await database.access.revoke("tok_0001", NOW_MS)
    await database.audit.add(entry())
    with pytest.raises(GuardViolated):
        async with database.engine.writing() as connection:
            await connection.execute(text(statement))
