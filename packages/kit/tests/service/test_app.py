"""The service's HTTP surface: what it takes, what it refuses, and that every refusal says why."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.keeping.keeper import House, Keeper
from eyebright_kit.keeping.local_run import Manners, Program
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.service.app import MOST_BYTES, service
from eyebright_kit.service.destinations import Destinations
from eyebright_kit.service.foreign import Elsewhere
from eyebright_kit.service.options import ServiceOptions
from eyebright_kit.service.runs import Runs
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest
from eyebright_wire.runs import Slot

TOKEN = "0123456789abcdef0123456789abcdef"
CALLBACK = "http://localhost:8000/training/jobs/123/callback"
MANIFEST = TrainerManifest(
    name="fake",
    version="1",
    module="there_is_no_such_module",
    licence="Apache-2.0",
    tasks=(
        TaskInfo(
            name="classification",
            models=(ModelInfo(name="tiny"), ModelInfo(name="small")),
            default_model="tiny",
            config_schema={},
            recipe={},
        ),
    ),
)


def runs_in(folder: Path, python: str = sys.executable) -> Runs:
    house = House(runs_dir=folder / "runs", environment={}, manners=Manners(), log_limit_bytes=1 << 20)
    keeper = Keeper(house, lambda: 1_800_000_000_000, Cgroup())
    program = Program(Path(python), MANIFEST.module)
    return Runs(
        folder / "runs", MANIFEST, program, (Slot(0),), keeper, Destinations(), lambda: 1_800_000_000_000, Elsewhere()
    )


def caller(runs: Runs, folder: Path, **options: Any) -> httpx.AsyncClient:
    app = service(MANIFEST, runs, ServiceOptions(folder=folder, **options))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8001")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    runs = runs_in(tmp_path)
    async with caller(runs, tmp_path) as made:
        yield made
    await runs.close()


def order(tmp_path: Path, **changed: Any) -> dict[str, Any]:
    spec = TinyJob(tmp_path, MANIFEST).spec().model_dump(mode="json")
    spec |= changed.pop("spec", {})
    asked = {
        "job_id": "123",
        "config": {},
        "dataset_s3_uri": "s3://datasets/x/",
        "callback_url": CALLBACK,
        "spec": spec,
    }
    return {**asked, **changed}


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def refusal(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> tuple[int, str, str]:
    answer = await client.request(method, path, **request)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return answer.status_code, problem["code"], problem["detail"]


async def test_it_says_what_it_is_and_what_it_offers(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health")).json()
    assert health == {"status": "healthy", "framework": "fake", "eyebright": "0.1.0", "places": 1, "free": 1}
    models = (await client.get("/models")).json()
    assert models["models"][0] == {"name": "tiny", "framework": "fake", "task": "classification"}
    assert TrainerManifest.model_validate((await client.get("/describe")).json()) == MANIFEST
    assert (await client.get("/runs")).json() == {"runs": []}
    assert (await client.get("/dead")).json() == {"letters": []}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"job_id": NaN}',
        b"[" * 100_000,
        b'{"job_id": "1", "job_id": {}}',
        b'{"job_id": "a\\u0000b", "dataset_s3_uri": "s3://x", "callback_url": "http://localhost/"}',
        b'{"job_id": 12, "dataset_s3_uri": "s3://x", "callback_url": "http://localhost/"}',
        b'{"job_id": "1", "dataset_s3_uri": "s3://x"}',
        b'{"job_id": "1", "config": 3, "dataset_s3_uri": "s3://x", "callback_url": "http://localhost/"}',
    ],
)
async def test_a_body_that_is_no_start_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    status, code, detail = await refusal(client, "POST", "/training/start", content=content, headers=headers)
    assert (status, code) == (422, "invalid_request")
    assert detail


async def test_a_platforms_start_is_refused_where_its_result_would_have_no_place(client: httpx.AsyncClient) -> None:
    asked = {
        "job_id": "123",
        "config": {"model": "tiny"},
        "dataset_s3_uri": "s3://datasets/test/coco/",
        "callback_url": CALLBACK,
    }
    status, code, detail = await refusal(client, "POST", "/training/start", json=asked)
    assert (status, code, "serve --results" in detail) == (503, "storage_error", True)


@pytest.mark.parametrize("job_id", ["../x", "..", "a/b", "a\\b", "", ".", "-x", "x" * 101, "a\nb", "ümlaut", "a b"])
async def test_no_name_of_a_job_becomes_a_path(client: httpx.AsyncClient, tmp_path: Path, job_id: str) -> None:
    asked = order(tmp_path / "tiny", spec={"job_id": job_id})
    status, _, detail = await refusal(client, "POST", "/training/start", json=asked)
    assert (status, "expected 1 to 100 letters" in detail) == (422, True)
    assert entries(tmp_path) == ["tiny"]


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc-a1", "%2e%2e-a1", "x", "x-a0", "x-a01", "x-a", "-a1", "x%00-a1", "x-a9999999999"]
)
@pytest.mark.parametrize(("method", "below"), [("GET", ""), ("DELETE", ""), ("GET", "/log"), ("GET", "/spool")])
async def test_no_name_of_a_run_becomes_a_path(
    client: httpx.AsyncClient, tmp_path: Path, name: str, method: str, below: str
) -> None:
    status, code, _ = await refusal(client, method, f"/runs/{name}{below}")
    assert (status, code) == (404, "not_found")
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    "path",
    [
        "/runs/x-a1?grace=-1",
        "/runs/x-a1?grace=nan",
        "/runs/x-a1?grace=inf",
        "/runs/x-a1?grace=1e9",
        "/runs/x-a1?grace=x",
    ],
)
async def test_a_time_that_is_none_is_refused(client: httpx.AsyncClient, path: str) -> None:
    status, _, detail = await refusal(client, "DELETE", path)
    assert (status, "expected a number from 0 to 3600" in detail) == (422, True)


@pytest.mark.parametrize("path", ["/runs/x-a1/log?offset=-5", "/runs/x-a1/log?offset=x", "/runs/x-a1/spool?after=nan"])
async def test_a_place_that_is_none_is_refused(client: httpx.AsyncClient, path: str) -> None:
    status, *_ = await refusal(client, "GET", path)
    assert status == 422


async def test_too_large_a_body_is_refused_while_it_comes(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 20
            yield b" " * (1 << 20)

    headers = {"Content-Type": "application/json"}
    status, code, _ = await refusal(client, "POST", "/training/start", content=endless(), headers=headers)
    assert (status, code) == (413, "too_large")
    assert sent <= MOST_BYTES + (2 << 20)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_what_a_page_could_send_unasked_is_refused(client: httpx.AsyncClient, tmp_path: Path, kind: str) -> None:
    content = json.dumps(order(tmp_path / "tiny")).encode()
    status, *_ = await refusal(client, "POST", "/training/start", content=content, headers={"Content-Type": kind})
    assert status == 415


async def test_an_order_for_another_trainer_is_refused(client: httpx.AsyncClient, tmp_path: Path) -> None:
    asked = order(tmp_path / "tiny", spec={"trainer": "other"})
    status, code, detail = await refusal(client, "POST", "/training/start", json=asked)
    assert (status, code) == (422, "config_invalid")
    assert "'other'" in detail


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://10.0.0.1:8000/x", "file:///etc/passwd", "x"])
async def test_a_callback_url_that_may_not_be_called_is_refused_at_once(
    client: httpx.AsyncClient, tmp_path: Path, url: str
) -> None:
    status, _, detail = await refusal(
        client, "POST", "/training/start", json=order(tmp_path / "tiny", callback_url=url)
    )
    assert (status, "serve --callback" in detail) == (422, True)
    assert (await client.get("/runs")).json() == {"runs": []}


async def test_a_trainer_that_cannot_be_started_leaves_nothing_behind(tmp_path: Path) -> None:
    runs = runs_in(tmp_path, python="/there/is/no/python")
    async with caller(runs, tmp_path) as client:
        status, code, detail = await refusal(client, "POST", "/training/start", json=order(tmp_path / "tiny"))
        assert (status, code) == (503, "unavailable")
        assert "nothing was started" in detail
        assert (await client.get("/runs")).json() == {"runs": []}
        assert (await client.get("/health")).json()["free"] == 1
    await runs.close()


async def test_a_place_of_another_name_is_refused_so_that_no_page_can_rebind_its_own(client: httpx.AsyncClient) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8001"):
        status, _, detail = await refusal(client, "GET", "/health", headers={"Host": host})
        assert (status, "--name" in detail) == (403, True)
    for host in ("localhost:8001", "127.0.0.1", "[::1]:8001", "LOCALHOST"):
        assert (await client.get("/health", headers={"Host": host})).status_code == 200


async def test_no_page_may_call_it(client: httpx.AsyncClient) -> None:
    status, *_ = await refusal(client, "GET", "/runs", headers={"Origin": "http://127.0.0.1:8001"})
    assert status == 403


ROUTES = [
    ("POST", "/training/start"),
    ("GET", "/models"),
    ("GET", "/describe"),
    ("GET", "/runs"),
    ("GET", "/runs/x-a1"),
    ("DELETE", "/runs/x-a1"),
    ("GET", "/runs/x-a1/log"),
    ("GET", "/runs/x-a1/spool"),
    ("GET", "/dead"),
    ("POST", "/dead/x/replay"),
    ("GET", "/there/is/nothing"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN}x"])
async def test_where_there_is_a_token_nothing_but_health_is_open(
    tmp_path: Path, method: str, path: str, authorization: str | None
) -> None:
    runs = runs_in(tmp_path)
    headers = {"Authorization": authorization} if authorization else {}
    async with caller(runs, tmp_path, host="0.0.0.0", token=TOKEN) as client:
        assert (await client.get("/health", headers={"Host": "anything"})).status_code == 200
        status, code, _ = await refusal(client, method, path, headers=headers)
        assert (status, code) == (401, "unauthenticated")
        assert (await client.get("/runs", headers={"Authorization": f"bearer {TOKEN}"})).status_code == 200
    assert entries(tmp_path) == []


async def test_every_route_is_in_the_list_of_those_that_need_the_token(client: httpx.AsyncClient) -> None:
    from eyebright_kit.service.app import _Doors

    routes = {(method, route.path) for route in _Doors(MANIFEST, None).routes() for method in route.methods - {"HEAD"}}
    known = {(method, path.replace("x-a1", "{name}").replace("/x/", "/{id}/")) for method, path in ROUTES}
    assert routes - known == {("GET", "/health")}
