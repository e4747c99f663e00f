"""What the tokens of teams open, and what they never do."""

import asyncio

import pytest
from harness.site import API, TOKEN, Site, bearer, pets
from harness.site import site as make_site
from harness.teams import guest, token_of, user
from starlette.routing import Route

from eyebright.doors.roles import ROLES
from eyebright.settings import Settings
from eyebright.website import installed_doors
from eyebright_wire.access import Role

DAY_MS = 86_400_000
PUBLIC = {"/", "/docs", "/openapi.json", "/health", "/ready"}
LOGGING_IN = {"/auth/login", "/auth/callback", "/auth/logout"}
#: What takes no token of a team, whatever its role: thought of, and left to the operator.
OPERATORS = {
    *("create_project", "list_projects"),
    *("take_message", "list_parked", "get_parked", "replay_parked", "discard_parked"),
    *("create_user", "list_users", "remove_user", "set_quota"),
    *("get_server_metrics", "get_storage"),
}
JOBS = {"post_events", "post_heartbeat", "sign_urls"}
IDS = {
    "job_id": "job_00000000000000000000999",
    "name": "nothing",
    "version_id": "dsv_0",
    "upload_id": "upl_0",
    "model": "mdl_0",
    "parked_id": "msg_0",
    "webhook_id": "whk_0",
    "delivery_id": "msg_0",
    "user_id": "usr_0",
    "token_id": "tok_0",
}
OTHERS = {
    "attempt": "1",
    "path": "a",
    "path:path": "a/b",
    "alias": "best",
    "number": "0",
    "trainer": "toy",
    "task": "classification",
}


def routes() -> list[tuple[str, Route]]:
    return [(type(door).__name__, route) for door in installed_doors(Settings()) for route in door.routes]


def operations() -> list[tuple[str, str, str]]:
    """(operation, method, path) of all that a team's token may open with some role."""
    listed = [
        (route.operation_id, method, route.path)
        for _, route in routes()
        for method in route.methods
        if _name(route) in ROLES
    ]
    return sorted(listed)


def _name(route: Route) -> str | None:
    return getattr(route, "operation_id", None)


def concrete(path: str, project: str = "default") -> str:
    for name, value in {**IDS, **OTHERS, "project": project}.items():
        path = path.replace(f"{{{name}}}", value).replace(f"{{{name}:path}}", value)
    assert "{" not in path, path
    return path


def test_every_route_has_been_thought_of():
    """A new one is the operator's until somebody lists it here or in the table of roles."""
    for door, route in routes():
        name = _name(route)
        if door != "HttpDoor" or route.path in PUBLIC or route.path == "/docs/{name}":
            assert name not in ROLES
        else:
            assert sum(name in each for each in (ROLES, OPERATORS, JOBS)) == 1, name


def test_every_operation_of_the_table_is_one_route_of_the_native_api():
    for name in ROLES:
        found = [(door, route.path) for door, route in routes() if _name(route) == name]
        assert len(found) == 1, name
        assert found[0][0] == "HttpDoor"
        assert found[0][1].startswith(f"{API}/")


@pytest.mark.parametrize("role", Role)
async def test_the_matrix_of_operations_and_roles(site: Site, role: Role):
    """Where the role suffices, the route itself answers (of nothing that is there: 404, or what is wrong with an empty body)."""
    headers = await guest(site, role)
    for name, method, path in operations():
        answer = await asked(site, method, concrete(path), headers)
        if role.covers(ROLES[name]):
            assert answer.status_code not in (401, 403, 405, 500), (name, answer.text)
        else:
            assert answer.status_code == 403, name
            if method != "HEAD":
                assert f"takes the role {ROLES[name]} in default" in answer.json()["detail"], name


async def asked(site: Site, method: str, path: str, headers: dict[str, str]):
    return await (
        site.post(path, headers=headers) if method == "POST" else site.http.request(method, path, headers=headers)
    )


@pytest.mark.parametrize("role", Role)
async def test_ids_of_nothing_lead_nowhere(site: Site, role: Role):
    headers = await guest(site, role)
    for name, method, path in operations():
        if any(f"{{{each}" in path for each in IDS) and method in ("GET", "DELETE") and role.covers(ROLES[name]):
            answer = await site.http.request(method, concrete(path), headers=headers)
            assert answer.status_code in (404, 412), (name, answer.text)  # 412: tus, without its version


async def test_everything_else_is_the_operators_alone(site: Site):
    headers = await guest(site, "admin")
    closed = [(method, route) for _, route in routes() for method in route.methods if _name(route) not in ROLES]
    for method, route in closed:
        path = concrete(route.path) if "{project_id}" not in route.path else "/agents/training/status/p"
        answer = await site.http.request(method, path, headers=headers)
        if route.path in PUBLIC:
            assert answer.status_code == 200
        elif route.path in LOGGING_IN:
            assert answer.status_code == 404, "there is no provider"
        else:
            assert answer.status_code == 403, (method, route.path, answer.text)
            assert "operator's alone" in answer.json()["detail"]


@pytest.mark.parametrize("path", [f"{API}/nothing", f"{API}/jobs/../../metrics", "/mcp/", f"{API}/queue/parked/"])
async def test_what_is_no_path_opens_nothing(site: Site, path: str):
    headers = await guest(site, "admin")
    answer = await site.get(path, headers=headers)
    assert answer.status_code in (307, 403, 404)
    if led := answer.headers.get("location"):
        assert (await site.get(led, headers=headers)).status_code in (403, 405)


async def test_another_method_by_a_header_is_that_methods_operation(site: Site):
    viewer, wanted = await guest(site, "viewer"), {"X-HTTP-Method-Override": "DELETE"}
    assert (await site.post(f"{API}/uploads/upl_0", headers={**viewer, **wanted})).status_code == 403
    assert (await site.post(f"{API}/models/mdl_0", headers={**viewer, **wanted})).status_code == 405


@pytest.mark.parametrize("wrong", ["", "x", "_", "ebt_"])
async def test_only_the_whole_token_opens(site: Site, wrong: str):
    made = await token_of(site)
    for token in (
        f"{made['token']}{wrong or 'a'}",
        made["token"][:-1],
        f"ebt_{wrong}",
        made["token"].replace("ebt_0", "ebt_9"),
    ):
        answer = await site.get(f"{API}/jobs", headers=bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert (await site.get(f"{API}/jobs", headers=bearer(made["token"]))).status_code == 200


async def test_the_secret_is_told_once_and_kept_nowhere(site: Site):
    made = await token_of(site, expires_at_ms=site.clock.now_ms() + DAY_MS)
    secret = made["token"].rpartition("_")[2]
    listed = await site.get(f"{API}/tokens")
    assert listed.json()["items"] == [{name: value for name, value in made.items() if name != "token"}]
    standing = await site.parts.database.access.standing(made["id"])
    assert secret not in repr(standing)
    assert secret not in (await site.get(f"{API}/audit")).text


async def test_a_token_ends_at_its_time(site: Site):
    made = await token_of(site, expires_at_ms=site.clock.now_ms() + 1000)
    assert (await site.get(f"{API}/jobs", headers=bearer(made["token"]))).status_code == 200
    site.clock.advance(1)
    answer = await site.get(f"{API}/jobs", headers=bearer(made["token"]))
    assert answer.status_code == 401
    assert "expired on" in answer.json()["detail"]


async def test_a_token_lasts_ninety_days_unless_it_is_said_and_a_year_at_most(site: Site):
    now_ms = site.clock.now_ms()
    assert (await token_of(site))["expires_at_ms"] == now_ms + 90 * DAY_MS
    assert (await token_of(site, expires_at_ms=now_ms + 366 * DAY_MS))["expires_at_ms"] == now_ms + 366 * DAY_MS
    for wrong in (now_ms, 0, -1, now_ms + 366 * DAY_MS + 1, 2**53, 2**53 + 1, 2**63, 10**30, 1.5, "soon"):
        order = {"name": "x", "roles": {"default": "viewer"}, "expires_at_ms": wrong}
        assert (await site.post(f"{API}/tokens", json=order)).status_code == 422, wrong


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"roles": {}}, 422),
        ({"roles": {"default": "owner"}}, 422),
        ({"roles": {"elsewhere": "viewer"}}, 404),
        ({"roles": {"default": "viewer"}, "user_id": "usr_0"}, 404),
        ({"roles": {"default": "viewer"}, "name": ""}, 422),
        ({"roles": {"default": "viewer"}, "name": "two\nlines"}, 422),
        ({"roles": {"default": "viewer"}, "admin": True}, 422),
    ],
)
async def test_no_token_is_made_of_what_is_not_right(site: Site, order: dict, status: int):
    answer = await site.post(f"{API}/tokens", json={"name": "x", **order})
    assert answer.status_code == status, answer.text
    assert (await site.get(f"{API}/tokens")).json()["items"] == []


async def test_a_revoked_token_is_closed_at_once_with_all_it_has_made(site: Site):
    first = await token_of(site)
    order = {"name": "child", "roles": {"default": "member"}}
    second = (await site.post(f"{API}/tokens", json=order, headers=bearer(first["token"]))).json()
    assert second["made_by"] == first["id"]
    for each in (first, second):
        assert (await site.get(f"{API}/jobs", headers=bearer(each["token"]))).status_code == 200
    assert (await site.post(f"{API}/tokens/{first['id']}:revoke")).status_code == 200
    for each in (first, second):
        answer = await site.get(f"{API}/jobs", headers=bearer(each["token"]))
        assert answer.status_code == 401
        assert "was revoked on" in answer.json()["detail"]


async def test_what_another_server_has_revoked_is_closed_within_seconds(site: Site):
    made = await token_of(site)
    await site.get(f"{API}/jobs", headers=bearer(made["token"]))
    assert (await site.get(f"{API}/jobs", headers=bearer(made["token"]))).status_code == 200
    await site.parts.database.access.revoke(made["id"], site.clock.now_ms())
    site.clock.advance(5)
    assert (await site.get(f"{API}/jobs", headers=bearer(made["token"]))).status_code == 401


async def test_a_look_that_is_under_way_does_not_bring_a_revoked_token_back(site: Site, monkeypatch):
    made, store = await token_of(site), site.parts.database.access
    looking, going_on, standing = asyncio.Event(), asyncio.Event(), store.standing

    async def slow(token_id):
        found = await standing(token_id)
        looking.set()
        await going_on.wait()
        return found

    monkeypatch.setattr(store, "standing", slow)
    asking = asyncio.create_task(site.get(f"{API}/jobs", headers=bearer(made["token"])))
    await looking.wait()
    monkeypatch.setattr(store, "standing", standing)
    assert (await site.post(f"{API}/tokens/{made['id']}:revoke")).status_code == 200
    going_on.set()
    assert (await asking).status_code == 401
    assert (await site.get(f"{API}/jobs", headers=bearer(made["token"]))).status_code == 401


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER, Role.ADMIN])
async def test_a_token_makes_none_that_may_more(site: Site, role: Role):
    ada = await user(site, role=role)
    mine = await token_of(site, role, user_id=ada, expires_at_ms=site.clock.now_ms() + DAY_MS)
    for asked in Role:
        order = {"name": "x", "roles": {"default": asked}}
        answer = await site.post(f"{API}/tokens", json=order, headers=bearer(mine["token"]))
        assert answer.status_code == (201 if role is Role.ADMIN else 403)
    longer = {"name": "x", "roles": {"default": "viewer"}, "expires_at_ms": site.clock.now_ms() + DAY_MS + 1}
    answer = await site.post(f"{API}/tokens", json=longer, headers=bearer(mine["token"]))
    assert answer.status_code == (422 if role is Role.ADMIN else 403)


async def test_an_admin_makes_no_token_of_another_project_or_user(site: Site):
    ada, bob = await user(site), await user(site, "Bob")
    mine = await guest(site, user_id=ada)
    for order, status in (
        ({"roles": {"default": "viewer", "elsewhere": "viewer"}}, 404),
        ({"roles": {"default": "viewer"}, "user_id": bob}, 403),
        ({"roles": {"default": "viewer"}, "user_id": ada}, 201),
    ):
        answer = await site.post(f"{API}/tokens", json={"name": "x", **order}, headers=mine)
        assert answer.status_code == status, answer.text


async def test_a_token_of_a_service_lasts_no_longer_than_its_maker_by_itself(site: Site):
    end = site.clock.now_ms() + DAY_MS
    mine = await guest(site, expires_at_ms=end)
    made = await site.post(f"{API}/tokens", json={"name": "x", "roles": {"default": "viewer"}}, headers=mine)
    assert made.json()["expires_at_ms"] == end


async def test_a_user_may_do_no_more_than_they_are_a_member(site: Site):
    ada = await user(site, role="member")
    order = {"name": "x", "roles": {"default": "admin"}, "user_id": ada}
    answer = await site.post(f"{API}/tokens", json=order)
    assert (answer.status_code, "Ada is member in default" in answer.json()["detail"]) == (422, True)
    headers = await guest(site, "member", user_id=ada)
    assert (await site.post(f"{API}/datasets", content=pets(), headers=headers)).status_code == 201
    await site.http.put(f"{API}/projects/default/members/{ada}", json={"role": "viewer"})
    assert (await site.post(f"{API}/datasets", content=pets(), headers=headers)).status_code == 403
    assert (await site.get(f"{API}/datasets", headers=headers)).status_code == 200


@pytest.mark.parametrize("leaving", ["/projects/default/members/{}", "/users/{}"])
async def test_who_leaves_leaves_no_token_behind(site: Site, leaving: str):
    ada = await user(site)
    mine = await guest(site, user_id=ada)
    services = await site.post(f"{API}/tokens", json={"name": "ci", "roles": {"default": "member"}}, headers=mine)
    their_services = bearer(services.json()["token"])
    assert (await site.get(f"{API}/jobs", headers=their_services)).status_code == 200
    assert (await site.http.delete(API + leaving.format(ada))).status_code in (200, 204)
    for headers in (mine, their_services):
        assert (await site.get(f"{API}/jobs", headers=headers)).status_code == 401


async def test_members_are_listed_with_their_names(site: Site):
    ada = await user(site, role="viewer")
    found = (await site.get(f"{API}/projects/default/members", headers=await guest(site))).json()
    assert found == [{"project": "default", "user_id": ada, "name": "Ada", "role": "viewer"}]
    assert (await site.get(f"{API}/projects/elsewhere/members", headers=await guest(site))).status_code == 404
    assert (await site.get(f"{API}/projects/elsewhere/members")).status_code == 404


async def test_the_project_may_be_named(site: Site):
    headers = await guest(site)
    assert (await site.get(f"{API}/jobs", headers={**headers, "Eyebright-Project": "default"})).status_code == 200
    answer = await site.get(f"{API}/jobs", headers={**headers, "Eyebright-Project": "elsewhere"})
    assert answer.status_code == 404
    assert "'elsewhere'" in answer.json()["detail"]


async def test_a_members_job_goes_before_nobodys(site: Site):
    await site.add_dataset()
    member, admin = await guest(site, "member"), await guest(site, "admin")
    for headers, priority, status in ((member, 1, 403), (member, 0, 201), (member, -5, 201), (admin, 5, 201)):
        order = {"dataset": "pets", "priority": priority}
        assert (await site.post(f"{API}/jobs", json=order, headers=headers)).status_code == status
    high = {"dataset": "pets", "priority": 1}
    for path in ("jobs:preflight", "jobs:rehearse"):
        assert (await site.post(f"{API}/{path}", json=high, headers=member)).status_code == 403
    train = {"upload": "upl_0", "train": {"priority": 1}}
    assert (await site.post(f"{API}/datasets:import", json=train, headers=member)).status_code == 403
    job = await site.order(priority=1)
    await site.post(f"{API}/jobs/{job.id}:cancel")
    assert (await site.post(f"{API}/jobs/{job.id}:retry", headers=member)).status_code == 403
    assert (await site.post(f"{API}/jobs/{job.id}:retry", headers=admin)).status_code == 201


@pytest.mark.parametrize("verb", ["import", "inspect"])
async def test_nobody_reads_the_servers_files_or_buckets_with_a_teams_token(site: Site, verb: str):
    archive = site.folder / "secret.zip"
    archive.write_bytes(pets())
    admin = await guest(site, "admin")
    for source in (
        {"path": str(archive)},
        {"path": "/etc/passwd"},
        {"url": "s3://bucket/set.zip"},
        {"url": "S3://bucket/set.zip"},
        {"url": "gs://bucket/set/"},
        {"url": "az://box/set.zip"},
        {"url": "file:///etc/passwd"},
        {"url": "/etc/passwd"},
        {"images": [{"url": "https://pictures.example/1.jpg"}, {"url": "s3://bucket/2.jpg"}]},
    ):
        answer = await site.post(f"{API}/datasets:{verb}", json=source, headers=admin)
        assert answer.status_code == 403, (source, answer.text)


async def test_an_import_is_not_repeated_with_a_teams_token(site: Site):
    archive = site.folder / "pets.zip"
    archive.write_bytes(pets())
    await site.post(f"{API}/datasets:import", json={"path": str(archive)})
    job = (await site.get(f"{API}/jobs?kind=import")).json()["items"][0]["id"]
    assert (await site.post(f"{API}/jobs/{job}:retry", headers=await guest(site))).status_code == 403


async def test_places_that_the_operator_has_opened_are_open_to_teams(tmp_path):
    async with make_site(tmp_path, sources={"only": ("s3://datasets/open/",)}) as site:
        headers = {**await guest(site, "member"), "Prefer": "respond-async"}
        for url, status in (
            ("s3://datasets/open/set.zip", 202),
            ("s3://datasets/opener/set.zip", 403),
            ("s3://datasets/open/../shut/set.zip", 403),
            ("https://pictures.example/set.zip", 422),
        ):
            answer = await site.http.post(f"{API}/datasets:import", json={"url": url}, headers=headers)
            assert answer.status_code == status, (url, answer.text)


async def test_a_stream_ends_with_its_token(site: Site):
    await site.add_dataset()
    job = await site.order()
    for end in ("revoked", "expired"):
        made = await token_of(site, "viewer", expires_at_ms=site.clock.now_ms() + DAY_MS)
        headers = {**bearer(made["token"]), "Accept": "text/event-stream"}
        following = asyncio.create_task(site.get(f"{API}/jobs/{job.id}/events", headers=headers))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not following.done()
        if end == "revoked":
            await site.post(f"{API}/tokens/{made['id']}:revoke")
        else:
            site.clock.step(86_400)
            site.clock.advance(2)
        answer = await asyncio.wait_for(following, 60)
        assert answer.text.startswith("event: job")


async def test_the_operators_stream_goes_on(site: Site):
    await site.add_dataset()
    job = await site.order()
    following = asyncio.create_task(site.get(f"{API}/jobs/{job.id}/events", headers={"Accept": "text/event-stream"}))
    await site.post(f"{API}/tokens/{(await token_of(site))['id']}:revoke")
    assert not following.done()
    await site.post(f"{API}/jobs/{job.id}:cancel")
    assert "cancelled" in (await asyncio.wait_for(following, 60)).text


async def test_when_a_token_was_used_is_told_to_some_minutes(site: Site):
    made = await token_of(site)
    for seconds in (0, 60, 300):
        site.clock.advance(seconds)
        await site.get(f"{API}/jobs", headers=bearer(made["token"]))
    found = (await site.get(f"{API}/tokens")).json()["items"][0]["last_used_at_ms"]
    assert found == site.clock.now_ms()
    site.clock.advance(60)
    await site.get(f"{API}/jobs", headers=bearer(made["token"]))
    assert (await site.get(f"{API}/tokens")).json()["items"][0]["last_used_at_ms"] == found


# -- the audit log


async def log_of(site: Site, headers: dict[str, str] | None = None) -> list[dict]:
    return (await site.get(f"{API}/audit", headers=headers or {})).json()["items"]


async def test_every_change_is_noted_whatever_came_of_it(site: Site):
    await site.add_dataset()
    ada = await user(site, role="viewer")
    made = await token_of(site, "viewer", user_id=ada)
    before = [each["id"] for each in await log_of(site)]
    headers = bearer(made["token"])
    refused = await site.post(f"{API}/jobs", json={"dataset": "pets"}, headers=headers)
    done = await site.post(f"{API}/jobs", json={"dataset": "pets"})
    missing = await site.post(f"{API}/jobs/job_0:cancel")
    wrong = await site.post(f"{API}/jobs?secret=swordfish", json={"datset": "pets"})
    entries = [each for each in await log_of(site) if each["id"] not in before]
    assert len(entries) == 4
    assert {(each["actor"], each["operation"], each["resource"], each["status"]) for each in entries} == {
        ("operator", "submit_job", f"{API}/jobs", 422),
        ("operator", "cancel_job", f"{API}/jobs/job_0:cancel", 404),
        ("operator", "submit_job", f"{API}/jobs/{done.json()['id']}", 201),
        ("token", "submit_job", f"{API}/jobs", 403),
    }
    (theirs,) = [each for each in entries if each["actor"] == "token"]
    assert (theirs["token_id"], theirs["user_id"], theirs["method"]) == (made["id"], ada, "POST")
    ids = [each["request_id"] for each in entries]
    assert all(each.headers["x-request-id"] in ids for each in (refused, done, missing, wrong))


async def test_who_looks_or_has_no_token_is_not_noted(site: Site):
    await site.add_dataset()
    handle = await site.launch()
    before = await log_of(site)
    await site.get(f"{API}/jobs")
    await site.post(f"{API}/jobs", headers={"Authorization": ""})
    await site.post(f"{API}/jobs", headers=bearer("guessed"))
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    assert await log_of(site) == before


async def test_an_admin_reads_what_was_done_in_the_project(site: Site):
    admin = await guest(site)
    await site.post(f"{API}/jobs", json={}, headers=admin)
    await site.post(f"{API}/jobs", json={})
    found = {(each["actor"], each["operation"], each["project"], each["status"]) for each in await log_of(site, admin)}
    assert {(actor, "submit_job", "default", 422) for actor in ("operator", "token")} < found
    pages = (await site.get(f"{API}/audit?limit=1")).json()
    assert (len(pages["items"]), pages["next"].startswith("aud_")) == (1, True)
    assert len((await site.get(f"{API}/audit?limit=50&after={pages['next']}")).json()["items"]) == 2


async def test_agents_are_noted_by_the_id_of_their_token(site: Site):
    from eyebright.core.agent_token import AgentToken, Persona

    token = AgentToken("0123456789abcdef", Persona.READER, site.clock.now_ms() // 1000 + 60).signed(TOKEN)
    await site.post("/mcp", headers=bearer(token))
    (entry,) = await log_of(site)
    assert (entry["actor"], entry["token_id"], entry["operation"]) == ("agent", "0123456789abcdef", "/mcp")


async def test_a_call_is_answered_though_it_cannot_be_noted(site: Site, monkeypatch):
    async def full(_):
        raise OSError("no room")

    monkeypatch.setattr(site.parts.database.audit, "add", full)
    assert (await site.post(f"{API}/users", json={"name": "Ada"})).status_code == 201


async def test_a_bug_is_noted_as_one(site: Site, monkeypatch):
    async def broken(*_):
        raise RuntimeError("oh")

    monkeypatch.setattr(type(site.context.services.teams), "add_user", broken)
    assert (await site.post(f"{API}/users", json={"name": "Ada"})).status_code == 500
    assert [each["status"] for each in await log_of(site)] == [500]


async def late(site: Site, method: str, path: str, body: bytes, headers: dict[str, str], meanwhile) -> int:
    """A call whose body comes in two pieces, with something done in between."""

    async def pieces():
        yield body[:1]
        await meanwhile()
        yield body[1:]

    return (await site.http.request(method, path, content=pieces(), headers=headers)).status_code


async def test_who_is_put_out_while_they_speak_has_said_nothing(site: Site):
    eve = await user(site, "Eve", "admin")
    made = await token_of(site, user_id=eve)
    headers = bearer(made["token"]) | {"Content-Type": "application/json"}
    path, body = f"{API}/projects/default/members/{eve}", b'{"role": "admin"}'

    async def nothing() -> None: ...

    async def removed() -> None:
        assert (await site.http.delete(f"{API}/users/{eve}")).status_code == 200

    assert await late(site, "PUT", path, body, headers, nothing) == 200
    assert await late(site, "PUT", path, body, headers, removed) == 401
    assert (await site.get(f"{API}/projects/default/members")).json() == []


async def test_an_admin_brings_nobody_in_and_ends_no_token_of_another_project(tmp_path):
    async with make_site(tmp_path, local={"many_projects": True}) as site:
        await site.post(f"{API}/projects", json={"id": "birds"})
        bob = await user(site, "Bob", "member")
        admin = await guest(site)
        stranger = await user(site, "Sue", None)
        members = f"{API}/projects/default/members"
        assert (await site.http.put(f"{members}/{stranger}", json={"role": "viewer"}, headers=admin)).status_code == 403
        assert (await site.http.put(f"{members}/{bob}", json={"role": "viewer"}, headers=admin)).status_code == 200
        await site.http.put(f"{API}/projects/birds/members/{bob}", json={"role": "viewer"})
        both = await token_of(site, user_id=bob, roles={"default": "viewer", "birds": "viewer"})
        assert (await site.http.delete(f"{members}/{bob}", headers=admin)).status_code == 204
        answers = [
            (await site.get(f"{API}/jobs", headers=bearer(both["token"]) | {"Eyebright-Project": name})).status_code
            for name in ("default", "birds")
        ]
        assert answers == [404, 200]


async def test_what_the_operator_does_in_a_project_its_admins_can_read(site: Site):
    await site.post(f"{API}/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "9"})
    seen = (await site.get(f"{API}/audit", headers=await guest(site))).json()["items"]
    assert "create_upload" in [entry["operation"] for entry in seen]
