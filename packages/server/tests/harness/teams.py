"""Tokens of teams, made by the operator through the API of a site."""

from typing import Any

from harness.site import API, Site, bearer


async def token_of(site: Site, role: str = "admin", **fields: Any) -> dict[str, Any]:
    """Of a service, unless a user is named."""
    order = {"name": f"a {role}", "roles": {"default": role}, **fields}
    answer = await site.post(f"{API}/tokens", json=order)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def guest(site: Site, role: str = "admin", **fields: Any) -> dict[str, str]:
    """The headers of a call with such a token."""
    return bearer((await token_of(site, role, **fields))["token"])


async def user(site: Site, name: str = "Ada", role: str | None = "admin") -> str:
    """The id of a new one, who has that role in the project `default`."""
    made = (await site.post(f"{API}/users", json={"name": name})).json()["id"]
    if role is not None:
        answer = await site.http.put(f"{API}/projects/default/members/{made}", json={"role": role})
        assert answer.status_code == 200, answer.text
    return made
