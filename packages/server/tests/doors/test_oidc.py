"""Logging in with a real provider on loopback: who is let in, as whom, and for how long."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from harness.site import API, URL, Site
from harness.site import site as make_site
from harness.teams import token_of, user
from oidc_provider_mock import User, run_server_in_thread

#: Of the provider's own code.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{words}") for words in ("get_jwt_config", "authlib.jose module is deprecated")
]
ADA = User(sub="1", claims={"email": "Ada@Example.org", "email_verified": True})
EVE = User(sub="2", claims={"email": "eve@example.org", "email_verified": True})
MALLORY = User(sub="3", claims={"email": "ada@example.org", "email_verified": False})
NOBODY = User(sub="4")
BOB = User(sub="5", claims={"email": "bob@example.org"})
SECRET = "secret-of-this-server"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with run_server_in_thread(user_claims=[ADA, EVE, MALLORY, NOBODY, BOB]) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@asynccontextmanager
async def served(folder: Path, issuer: str, *, assume_verified: bool = False, **settings: str) -> AsyncIterator[Site]:
    (folder / "secret").write_text(SECRET + "\n")
    oidc = {
        "issuer": issuer,
        "client_id": "eyebright",
        "client_secret_file": folder / "secret",
        "assume_verified": assume_verified,
    }
    async with make_site(folder, oidc=oidc, **settings) as site:
        yield site


@pytest.fixture
async def site(tmp_path: Path, provider: str) -> AsyncIterator[Site]:
    async with served(tmp_path, provider) as site:
        yield site


@asynccontextmanager
async def browser(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """With cookies, and without the operator's token."""
    transport = httpx.ASGITransport(site.app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url=URL, follow_redirects=False) as page:
        yield page


async def allowed(location: str, subject: str) -> str:
    """What somebody does at the provider; where they are sent back to."""
    async with httpx.AsyncClient(trust_env=False) as there:
        answer = await there.post(location, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def logged_in(
    page: httpx.AsyncClient, subject: str = ADA.sub, wanted: str = "/jobs?state=running"
) -> httpx.Response:
    begun = await page.get("/auth/login", params={"next": wanted})
    assert begun.status_code == 302, begun.text
    return await page.get(await allowed(begun.headers["location"], subject))


async def test_who_is_a_user_gets_a_session_with_what_they_may(site: Site):
    ada = await user(site, "ada@example.org", "member")
    async with browser(site) as page:
        back = await logged_in(page)
        assert (back.status_code, back.headers["location"]) == (303, "/jobs?state=running")
        cookie = back.headers["set-cookie"]
        assert re.match(r"eyebright=ebt_[^;]+; HttpOnly; Max-Age=43200; Path=/; SameSite=lax", cookie)
        me = (await page.get(f"{API}/me")).json()
        assert (me["actor"], me["user_id"], me["roles"]) == ("token", ada, {"default": "member"})
        assert me["expires_at_ms"] - site.clock.now_ms() == 12 * 3600 * 1000
        assert (await page.get(f"{API}/jobs")).status_code == 200
        assert (await page.get(f"{API}/users")).status_code == 403


async def test_what_the_provider_is_asked_has_what_keeps_others_out(site: Site, provider: str):
    async with browser(site) as page:
        location = (await page.get("/auth/login")).headers["location"]
    assert location.startswith(f"{provider}/oauth2/authorize?")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert asked["redirect_uri"] == f"{URL}/auth/callback"
    assert (asked["scope"], asked["code_challenge_method"], asked["response_type"]) == ("openid email", "S256", "code")
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    assert SECRET not in location


async def test_a_session_ends_at_its_logout_even_for_whoever_copied_it(site: Site):
    await user(site, "ada@example.org", "member")
    async with browser(site) as page, browser(site) as thief:
        await logged_in(page)
        thief.cookies.update(page.cookies)
        assert (await thief.get(f"{API}/jobs")).status_code == 200
        assert (await page.post("/auth/logout", headers={"Origin": URL})).status_code == 204
        assert not page.cookies.get("eyebright")
        assert (await thief.get(f"{API}/jobs")).status_code == 401
        assert (await page.get(f"{API}/jobs")).status_code == 401


async def test_who_logged_in_and_out_is_in_the_audit_log(site: Site):
    ada = await user(site, "ada@example.org", "member")
    async with browser(site) as page:
        await logged_in(page)
        token = (await page.get(f"{API}/me")).json()["token_id"]
        cookie = page.cookies["eyebright"]
        site.clock.advance(1)  # entries of one millisecond are in no order
        await page.post("/auth/logout", headers={"Origin": URL})
        page.cookies.set("eyebright", cookie)
        await page.post("/auth/logout", headers={"Origin": URL})  # what has ended ends no second time
    noted = (await site.get(f"{API}/audit")).json()["items"]
    told = [(each["operation"], each["resource"], each["status"]) for each in noted if each["user_id"] == ada]
    assert told == [("logout", "/auth/logout", 204), ("login", "/auth/callback", 303)]
    assert {each["token_id"] for each in noted if each["user_id"] == ada} == {token}


async def test_a_session_ends_by_itself(site: Site):
    await user(site, "ada@example.org", "member")
    async with browser(site) as page:
        await logged_in(page)
        site.clock.advance(12 * 3600 + 1)
        assert (await page.get(f"{API}/jobs")).status_code == 401


async def test_a_page_of_somebody_else_can_change_nothing_with_it(site: Site):
    await user(site, "ada@example.org", "admin")
    async with browser(site) as page:
        await logged_in(page)
        order = {"name": "theirs", "roles": {"default": "viewer"}}
        for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            assert (await page.post(f"{API}/tokens", json=order, headers=headers)).status_code == 403
        assert (await page.post(f"{API}/tokens", json=order, headers={"Origin": URL})).status_code == 201


@pytest.mark.parametrize(("subject", "status"), [(BOB.sub, 303), (MALLORY.sub, 403)])
async def test_an_address_of_which_nothing_is_said_is_believed_where_that_was_set(
    tmp_path: Path, provider: str, subject: str, status: int
):
    async with served(tmp_path, provider, assume_verified=True) as site:
        await user(site, "ada@example.org", "member")
        await user(site, "bob@example.org", "member")
        async with browser(site) as page:
            assert (await logged_in(page, subject)).status_code == status


@pytest.mark.parametrize(
    ("subject", "status", "told"),
    [
        (EVE.sub, 403, "no user is called eve@example.org"),
        (MALLORY.sub, 403, "does not vouch for the address ada@example.org: its `email_verified` is False"),
        (NOBODY.sub, 403, "tells no mail address"),
        (BOB.sub, 403, "EYEBRIGHT_OIDC__ASSUME_VERIFIED"),
    ],
)
async def test_who_is_not_vouched_for_or_not_known_stays_outside(site: Site, subject: str, status: int, told: str):
    await user(site, "ada@example.org", "admin")
    async with browser(site) as page:
        refused = await logged_in(page, subject)
        assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
        assert told in refused.json()["detail"]
        assert not page.cookies.get("eyebright")


async def test_a_user_without_a_project_is_told_what_to_ask_for(site: Site):
    ada = await user(site, "ada@example.org", None)
    async with browser(site) as page:
        refused = await logged_in(page)
    assert refused.status_code == 403
    assert f"eyebright team members set {ada} ROLE" in refused.json()["detail"]


async def test_a_name_that_two_users_have_is_nobodys(site: Site):
    for name in ("ada@example.org", "ADA@example.org"):
        await user(site, name, "member")
    async with browser(site) as page:
        assert "2 users are called" in (await logged_in(page)).json()["detail"]


async def test_a_removed_user_is_none_and_their_sessions_are_over(site: Site):
    ada = await user(site, "ada@example.org", "member")
    async with browser(site) as page:
        await logged_in(page)
        await site.http.delete(f"{API}/users/{ada}")
        assert (await page.get(f"{API}/jobs")).status_code == 401
        assert (await logged_in(page)).status_code == 403


async def test_a_callback_that_nobody_was_sent_for_is_refused(site: Site):
    await user(site, "ada@example.org", "member")
    async with browser(site) as page, browser(site) as victim:
        location = (await page.get("/auth/login")).headers["location"]
        back = await allowed(location, ADA.sub)
        assert (await victim.get(back)).status_code == 401, "of a login that another browser began"
        assert (await victim.get("/auth/callback?code=x&state=y")).status_code == 401
        assert (await page.get("/auth/callback?error=access_denied")).status_code == 401
        assert (await page.get(back.replace("state=", "state=x"))).status_code == 401


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example", "evil", "/a\nb", "", "//[", "http://["]
)
async def test_afterwards_nobody_is_sent_elsewhere(site: Site, wanted: str):
    await user(site, "ada@example.org", "member")
    async with browser(site) as page:
        assert (await logged_in(page, wanted=wanted)).headers["location"] == "/"


async def test_a_provider_that_is_away_is_named(tmp_path: Path):
    async with served(tmp_path, "http://127.0.0.1:9") as site, browser(site) as page:
        answer = await page.get("/auth/login")
    assert answer.status_code == 503
    assert "http://127.0.0.1:9 gives no usable answer" in answer.json()["detail"]


async def test_without_a_provider_nobody_can_log_in(tmp_path: Path):
    async with make_site(tmp_path) as site, browser(site) as page:
        answer = await page.get("/auth/login")
    assert (answer.status_code, "EYEBRIGHT_OIDC__ISSUER" in answer.json()["detail"]) == (404, True)


async def test_where_pages_come_by_https_no_cookie_counts_that_a_neighbour_could_have_set(
    tmp_path: Path, provider: str
):
    async with served(tmp_path, provider, public_url="https://train.example") as site, browser(site) as page:
        token = (await token_of(site, "viewer"))["token"]
        assert (await page.get(f"{API}/jobs", headers={"Cookie": f"eyebright={token}"})).status_code == 401
        assert (await page.get(f"{API}/jobs", headers={"Cookie": f"__Host-eyebright={token}"})).status_code == 200
        begun = await page.get("/auth/login")
    assert begun.headers["set-cookie"].startswith("__Secure-eyebright_login=")
    assert "secure" in begun.headers["set-cookie"]
