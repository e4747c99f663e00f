"""Whatever a name is made of, it stays a name: no call of the client can be led to another address by one."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eyebright.client import Client
from eyebright.errors import EyebrightError, InvalidRequest, NotFound
from eyebright.settings import Settings
from eyebright_wire.access import Role
from eyebright_wire.resources import ResolutionRequest
from eyebright_wire.webhooks import WebhookUpdate

#: The parameters that become part of a path.
NAMES = {
    "job_id", "model", "alias", "version_id", "trainer", "task", "path", "webhook_id", "delivery_id", "parked_id",
    "user_id", "token_id", "project",
}  # fmt: skip
#: What the other parameters are given.
OTHERS: dict[str, Any] = {
    "form": "onnx", "folder": Path("nowhere"), "target": Path("nowhere"), "image": b"x", "number": 0,
    "request": ResolutionRequest(), "order": WebhookUpdate(), "role": Role.VIEWER,
}  # fmt: skip
#: Paths on this machine, filters and orders: none of these becomes part of an address.
ELSEWHERE = {
    "import_dataset", "derive_dataset", "upload_dataset", "upload", "models", "jobs", "compare_models", "order_import",
    "imported", "inspect_dataset", "preflight", "check", "submit", "rehearse", "exported", "close",
    "health", "ready", "openapi", "prometheus", "datasets", "recipes", "trainers", "import_images", "deliver", "parked",
    "create_webhook", "webhooks", "add_user", "users", "create_token", "tokens", "audit", "create_project", "projects", "storage",
}  # fmt: skip
PLAIN, MARKED = "Plain", "Marked"


def of_the_path(method: Callable[..., object]) -> list[str]:
    known = NAMES | ({"name"} if method.__name__ in {"dataset", "delete_dataset"} else set())
    parameters = inspect.signature(method).parameters.values()
    return [each.name for each in parameters if each.name in known and each.kind is not each.KEYWORD_ONLY]  # no filters


METHODS = [
    (name, parameter)
    for name, method in inspect.getmembers(Client, inspect.isfunction)
    if not name.startswith("_") and name not in ELSEWHERE
    for parameter in of_the_path(method) or [""]
]


def sent(name: str, parameter: str, value: str) -> bytes | None:
    """The path of the first request that the call makes; None if it is refused before."""
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.partition(b"?")[0])
        return httpx.Response(404)

    config = Settings(url="http://eyebright.test", token="secret")
    with Client(settings=config, through=httpx.MockTransport(answer), tries=1) as client:
        method = getattr(client, name)
        required = [p.name for p in inspect.signature(method).parameters.values() if p.default is p.empty]
        given = {each: value if each == parameter else OTHERS.get(each, PLAIN) for each in required}
        try:
            found = method(**given)
            next(iter(found), None)
        except NotFound:
            assert asked
        except InvalidRequest:
            assert not asked
    return asked[0] if asked else None


def test_each_call_that_takes_a_name_is_looked_at() -> None:
    assert len({name for name, _ in METHODS}) > 20
    assert all(parameter for _, parameter in METHODS)


@pytest.mark.parametrize(("name", "parameter"), METHODS, ids=str)
@settings(max_examples=20, deadline=None)
@given(value=st.text(max_size=6) | st.text(alphabet="./%2Ee:@?#\\a\x00\ud800", max_size=8))
@example(value="..")
@example(value=".")
@example(value="")
@example(value="../models/cats")
@example(value="cats/..")
@example(value="%2e%2e")
@example(value="x?y#z")
@example(value="cats/aliases/production")
def test_a_name_stays_one_step_of_the_path(name: str, parameter: str, value: str) -> None:
    plain, found = sent(name, parameter, MARKED), sent(name, parameter, value)
    assert plain is not None
    steps = value.split("/")
    if found is None:
        assert {"", ".", ".."} & set(steps) or "/" in value or "\ud800" in value
    else:
        assert parameter in {"model", "path"} or "/" not in value
        assert not {"", ".", ".."} & set(steps)
        expected = plain.decode().replace(MARKED, "/".join(quote(step, safe="") for step in steps), 1)
        assert unified(found) == unified(expected.encode())


def unified(path: bytes) -> bytes:
    return path.replace(b"%40", b"@")


@pytest.mark.parametrize("word", ["", ".", "..", "../x", "x/y"])
def test_a_word_that_is_no_alias_never_deletes_the_model(word: str) -> None:
    with pytest.raises(EyebrightError, match=r"no name or id of anything on a server"):
        Client(settings=Settings(url="http://eyebright.test", token="secret")).remove_alias("cats@1", word)
