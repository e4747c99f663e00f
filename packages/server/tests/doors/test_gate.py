"""Who may come in."""

import re
from typing import Any

import pytest
from harness.site import API, TOKEN, URL, bearer
from harness.site import site as make_site
from starlette.routing import Route

from eyebright.core.agent_token import AgentToken, Persona
from eyebright.doors.gate import Gate, Rules, own_names, secret_of
from eyebright.settings import Settings
from eyebright.website import installed_doors

CALLBACK = "/training/jobs/{job_id}/callback"
#: Open to everybody, and what they answer here: nobody logs in at a server without a provider.
PUBLIC = dict.fromkeys(("/", "/health", "/ready", "/docs", "/openapi.json"), 200) | dict.fromkeys(
    ("/auth/login", "/auth/callback", "/auth/logout"), 404
)
INGEST = f"{API}/jobs/{{job_id}}/attempts/{{attempt}}/"


def every_route() -> list[tuple[str, str]]:
    """Of every installed door, so that a new one is tested at birth."""
    routes = [route for door in installed_doors(Settings()) for route in door.routes]
    assert all(isinstance(route, Route) for route in routes)
    return sorted({(method, route.path) for route in routes for method in route.methods})


def concrete(path: str) -> str:
    return path.replace("{attempt}", "1").replace("{path:path}", "a/b").replace("{", "").replace("}", "")


@pytest.mark.parametrize(("method", "path"), every_route())
async def test_without_a_token_every_route_is_closed_except_the_public_ones(site, method, path):
    site.http.headers.pop("Authorization")
    answer = await site.http.request(method, concrete(path))
    if path in PUBLIC:
        assert answer.status_code == PUBLIC[path]
    elif path == "/docs/{name}":
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    else:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), every_route())
async def test_a_wrong_token_opens_nothing_either(site, method, path):
    answer = await site.http.request(method, concrete(path), headers=bearer("guessed"))
    if path in PUBLIC:
        assert answer.status_code == PUBLIC[path]
    else:
        # At the ingest routes the service looks at the token: a body that does not parse comes before that.
        assert answer.status_code == (422 if path.startswith(INGEST) or path == CALLBACK else 401)


@pytest.mark.parametrize("persona", Persona)
@pytest.mark.parametrize(("method", "path"), every_route())
async def test_an_agents_token_opens_its_own_door_and_no_other(site, method, path, persona):
    token = AgentToken("0123456789abcdef", persona, site.clock.now_ms() // 1000 + 60).signed(TOKEN)
    answer = await site.http.request(method, concrete(path), headers=bearer(token))
    if path in PUBLIC:
        assert answer.status_code == PUBLIC[path]
    elif path == "/mcp":
        assert answer.status_code == 400, answer.text  # it came in, and said nothing
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/mcp/", "/mcp/jobs", "/MCP", "/mcp%2f..%2fapi"])
async def test_what_only_looks_like_the_agents_door_is_closed_to_its_token(site, path):
    token = AgentToken("0123456789abcdef", Persona.OPERATOR, site.clock.now_ms() // 1000 + 60).signed(TOKEN)
    assert (await site.post(path, headers=bearer(token))).status_code == 403


@pytest.mark.parametrize("path", ["/nothing/here", "/api/v2/jobs", "/docs/../token", "/docs/redoc.standalone.js"])
async def test_what_does_not_exist_is_closed_too(site, path):
    assert (await site.get(path, headers={"Authorization": ""})).status_code == 401
    assert (await site.get(path)).status_code == 404


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ümlaut"]
)
async def test_only_the_exact_bearer_token_opens(site, header):
    answer = await site.get(f"{API}/jobs", headers={"Authorization": header.encode()})
    assert answer.status_code == 401


async def test_the_scheme_may_be_written_in_small_letters(site):
    assert (await site.get(f"{API}/jobs", headers={"Authorization": f"bearer {TOKEN}"})).status_code == 200


async def test_a_job_token_opens_only_its_own_attempt(site):
    await site.add_dataset()
    mine, other = await site.launch(), await site.launch()
    token = site.job_token(mine)
    started = site.event(1, "started", pid=1, host="here")
    assert (await site.say(mine, started, token=token)).status_code == 200
    assert (await site.say(other, started, token=token)).status_code == 403
    for path in (f"{API}/jobs", f"{API}/jobs/{mine.job_id}", f"{API}/jobs/{mine.job_id}/events", "/metrics"):
        assert (await site.get(path, headers=token)).status_code == 401
    assert (await site.post("/mcp", headers=token)).status_code == 401
    assert (await site.post(f"{API}/jobs/{mine.job_id}:cancel", headers=token)).status_code == 401


async def test_the_operators_token_is_not_a_job_token(site):
    await site.add_dataset()
    handle = await site.launch()
    answer = await site.say(handle, site.event(1, "started", pid=1, host="here"), token=bearer(TOKEN))
    assert answer.status_code == 403


async def asked(query: str, path: str = "/told/7", **headers: str) -> tuple[int, str | None, str]:
    """The status of the answer, the secret that got through, and what is left of the query for anybody to see."""
    heard: list[str | None] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        heard.append(secret_of(scope) if path.startswith("/told") else None)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    keyed = (re.compile(r"/told/[^/]+"),)
    rules = Rules(token=TOKEN, public=(), job_paths=(), hosts=("localhost",), now_ms=lambda: 0, keyed_paths=keyed)
    raw = [(name.encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode(), "headers": raw}
    await Gate(app, rules)(scope, None, send)  # type: ignore[arg-type]
    return sent[0]["status"], heard[0] if heard else None, scope["query_string"].decode()


@pytest.mark.parametrize(
    ("query", "secret", "left"),
    [
        ("key=swordfish", "swordfish", ""),
        ("attempt=2&key=swordfish", "swordfish", "attempt=2"),
        ("key=sword%2Ffish+1&attempt=2", "sword/fish 1", "attempt=2"),
        ("%6Bey=swordfish&a=1", "swordfish", "a=1"),
        ("key=first&a=1&key=second", "first", "a=1"),
        (f"key={TOKEN}", TOKEN, ""),  # as a key the operator's token is a stranger's
    ],
)
async def test_a_key_opens_the_paths_that_were_named_and_goes_no_further(query: str, secret: str, left: str):
    assert await asked(query) == (200, secret, left)
    assert await asked(query, authorization="Bearer of-some-proxy") == (200, secret, left)


@pytest.mark.parametrize(
    "query", ["", "attempt=2", "key=", "key", "KEY=swordfish", "akey=swordfish", "attempt=2#key=x"]
)
async def test_without_a_key_the_same_paths_are_closed(query: str):
    assert (await asked(query))[:2] == (401, None)


async def test_a_token_opens_them_too_and_the_service_learns_whose_it_is():
    assert await asked("attempt=2", authorization=f"Bearer {TOKEN}") == (200, None, "attempt=2")
    assert await asked("", authorization="Bearer of-an-attempt") == (200, "of-an-attempt", "")


@pytest.mark.parametrize("path", ["/told", "/told/", "/told/7/more", "/TOLD/7", "/other"])
async def test_a_key_opens_nothing_else(path: str):
    assert (await asked("key=swordfish", path))[0] == 401


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
async def test_a_key_does_not_help_a_page_that_may_not_call(headers: dict[str, str]):
    assert await asked("key=swordfish&a=1", **headers) == (403, None, "a=1")


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "localhost:1", "[::1]:8765", "LOCALHOST"])
async def test_a_server_answers_to_its_own_names(site, host):
    assert (await site.get("/health", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "0.0.0.0", "[::2]"]
)
async def test_a_page_that_rebinds_its_name_to_this_address_gets_nothing(site, host):
    for path in ("/health", f"{API}/jobs", "/docs"):
        answer = await site.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:3000", "http://localhost:8765", "http://["]
)
async def test_a_page_of_another_origin_may_not_call(site, origin):
    assert (await site.get(f"{API}/jobs", headers={"Origin": origin})).status_code == 403


async def test_the_servers_own_page_may_call(site):
    assert (await site.get(f"{API}/jobs", headers={"Origin": URL})).status_code == 200


async def test_an_allowed_page_may_call_and_its_browser_is_told_so(tmp_path):
    page = "https://lab.example"
    async with make_site(tmp_path, allowed_origins="https://lab.example") as site:
        asked = {"Origin": page, "Access-Control-Request-Method": "POST"}
        preflight = await site.http.options(f"{API}/jobs", headers={**asked, "Authorization": ""})
        assert preflight.headers["access-control-allow-origin"] == page
        answer = await site.get(f"{API}/jobs", headers={"Origin": page})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page)


async def test_a_name_that_was_allowed_is_answered(tmp_path):
    async with make_site(tmp_path, allowed_hosts="train.lab,Train2.lab") as site:
        assert (await site.get("/health", headers={"Host": "train2.lab:80"})).status_code == 200
        assert (await site.get("/health", headers={"Host": "train3.lab"})).status_code == 403


async def test_the_name_that_trainers_on_other_machines_call_is_answered(tmp_path):
    async with make_site(tmp_path, public_url="https://Train.lab:8443/eyebright/") as site:
        assert (await site.get("/health", headers={"Host": "train.lab:8443"})).status_code == 200
        assert (await site.get("/health", headers={"Host": "lab"})).status_code == 403


def test_a_server_on_every_address_is_not_called_by_that_wildcard():
    assert own_names("0.0.0.0", ()) == {"127.0.0.1", "localhost", "[::1]"}
    assert "[fd00::7]" in own_names("fd00::7", ())
    assert "[fd00::8]" in own_names("fd00::7", (), "http://[fd00::8]:80")


async def test_web_sockets_are_closed(site):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    await site.app({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_a_path_with_an_encoded_slash_is_not_taken_for_an_ingest_route(site):
    answer = await site.post(f"{API}/jobs/a%2Fattempts%2F1%2Fevents:cancel", headers=bearer("guessed"))
    assert answer.status_code == 401
