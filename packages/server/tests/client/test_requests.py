"""What is sent, what is tried again, what a refusal becomes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from harness.scripted import Scripted, job, ok, page, problem

import eyebright
from eyebright.client import Client, running_server
from eyebright.client.problems import BY_CODE
from eyebright.client.transport import TRIES, is_loopback
from eyebright.errors import (
    Conflict,
    EventGap,
    EyebrightError,
    InvalidRequest,
    NotFound,
    TrainerUnavailable,
    Unauthenticated,
    Unavailable,
)
from eyebright.settings import Settings
from eyebright_wire.jobs import JobRequest, JobState
from eyebright_wire.resources import HealthView


def test_importing_the_package_loads_no_http_library() -> None:
    code = "import sys, eyebright; sys.exit(bool({'httpx', 'pydantic', 'typer'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_client_is_an_attribute_of_the_package() -> None:
    assert eyebright.Client is Client
    with pytest.raises(AttributeError, match="Clint"):
        _ = eyebright.Clint


def test_the_client_needs_no_framework_and_no_web_server() -> None:
    code = (
        "import sys, eyebright.client; sys.exit(bool({'torch', 'numpy', 'fastapi', 'sqlalchemy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_a_server_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no server runs on .*`eyebright serve`.*EYEBRIGHT_URL"):
        Client(settings=Settings(data_dir=tmp_path))


@pytest.mark.parametrize("text", ["geheim-ü", "a\nb", "ge heim"])
def test_a_token_that_no_header_can_carry_is_told_without_showing_it(tmp_path: Path, text: str) -> None:
    where = {"data_dir": tmp_path, "url": "http://eyebright.test"}
    with pytest.raises(InvalidRequest, match="the token has a character") as given:
        Client(settings=Settings(**where), token=text)
    with pytest.raises(InvalidRequest, match="EYEBRIGHT_TOKEN") as kept:
        Settings(**where, token=text)
    assert text not in f"{given.value} {kept.value}"


def test_a_project_that_no_header_can_carry_is_told(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, url="http://eyebright.test", token="secret", project="vögel")
    with pytest.raises(InvalidRequest, match="name of the project"):
        Client(settings=settings)


def test_the_end_of_a_line_belongs_to_no_token(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path, token="secret\r\n").token == "secret"


def test_every_call_carries_the_token(server: Scripted, client: Client) -> None:
    server.answers = [ok(job())]
    assert client.job("job_1") == job()
    assert server.asked[0].headers["authorization"] == "Bearer secret"
    assert server.asked[0].url == "http://eyebright.test/api/v1/jobs/job_1"


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=lambda kind: kind.code)
def test_each_refusal_is_raised_as_the_class_that_the_server_meant(
    kind: type[EyebrightError], server: Scripted, client: Client
) -> None:
    server.answers = [problem(kind.status, kind.code, "what was found", expected=7)]
    with pytest.raises(kind) as caught:
        client.cancel("job_1")
    assert type(caught.value) is kind
    if isinstance(caught.value, EventGap):
        assert caught.value.expected == 7
    else:
        assert caught.value.message.startswith("what was found")


def test_a_code_of_a_newer_server_is_judged_by_its_status(server: Scripted, client: Client) -> None:
    server.answers = [problem(409, "quota_of_tomorrow", "too many")]
    with pytest.raises(Conflict, match="too many"):
        client.job("job_1")


def test_an_answer_of_a_proxy_is_told_as_it_is(server: Scripted, client: Client) -> None:
    server.answers = [httpx.Response(404, text="<h1>nothing here</h1>")]
    with pytest.raises(NotFound, match=r"eyebright.test answered 404 Not Found: <h1>nothing here</h1>"):
        client.job("job_1")


def test_a_bare_401_says_which_token_is_wanted(server: Scripted, client: Client) -> None:
    server.answers = [httpx.Response(401)]
    with pytest.raises(
        Unauthenticated, match=r"answered 401 Unauthorized: it wants .*EYEBRIGHT_TOKEN .*`token` of its"
    ):
        client.job("job_1")


def test_a_wrong_token_is_told_with_the_variable_that_holds_it(server: Scripted, client: Client) -> None:
    server.answers = [problem(401, "unauthenticated", "this is not the operator's token")]
    with pytest.raises(Unauthenticated, match=r"not the operator's token\. Set EYEBRIGHT_TOKEN to "):
        client.job("job_1")


def test_a_server_that_is_not_ready_says_what_is_missing(server: Scripted, client: Client) -> None:
    server.answers = [
        ok(HealthView(status="unavailable", version="1", checks={"database": "locked", "outbox": "ok"}), 503)
    ]
    with pytest.raises(Unavailable, match=r"unavailable: database: locked$"):
        client.ready()


def test_a_hiccup_is_tried_again_with_growing_pauses(server: Scripted, client: Client) -> None:
    server.answers = [httpx.ConnectError("refused"), problem(503, "unavailable"), ok(job())]
    assert client.job("job_1") == job()
    assert len(server.asked) == 3
    assert server.slept[0] < server.slept[1]


def test_after_some_tries_the_way_out_is_told(server: Scripted, client: Client) -> None:
    server.answers = [httpx.ConnectError("connection refused")]
    with pytest.raises(
        Unavailable, match=r"no answer from http://eyebright.test \(connection refused\).*eyebright serve"
    ):
        client.job("job_1")
    assert len(server.asked) == TRIES


def test_what_will_not_pass_by_itself_is_not_tried_again(server: Scripted, client: Client) -> None:
    server.answers = [problem(503, "trainer_unavailable", "run `eyebright trainers install toy`")]
    with pytest.raises(TrainerUnavailable, match="install toy"):
        client.recipes()
    assert len(server.asked) == 1


def test_a_repeated_order_carries_the_same_key(server: Scripted, client: Client) -> None:
    server.answers = [httpx.ReadTimeout("slow"), ok(job(), 201)]
    client.submit(JobRequest(dataset="digits", config={"epochs": 2}))
    first, second = server.asked
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.content == second.content == b'{"dataset":"digits","config":{"epochs":2}}'


def test_two_orders_without_a_key_are_two_orders(server: Scripted, client: Client) -> None:
    server.answers = [ok(job(), 201)]
    client.submit(JobRequest(dataset="digits"))
    client.submit(JobRequest(dataset="digits"))
    assert len({request.headers["idempotency-key"] for request in server.asked}) == 2


def test_a_cancel_is_never_sent_twice(server: Scripted, client: Client) -> None:
    server.answers = [httpx.ReadError("gone")]
    with pytest.raises(Unavailable):
        client.cancel("job_1")
    assert len(server.asked) == 1


def test_pages_are_read_to_the_end_but_not_before_they_are_wanted(server: Scripted, client: Client) -> None:
    server.answers = [page(job(id="job_3"), job(id="job_2"), following="job_2"), page(job(id="job_1"))]
    found = client.jobs(state=JobState.RUNNING, labels={"team": "vision"})
    assert [next(found).id, next(found).id] == ["job_3", "job_2"]
    assert len(server.asked) == 1
    assert next(found).id == "job_1"
    assert dict(server.asked[1].url.params) == {"state": "running", "label": "team:vision", "after": "job_2"}


def test_without_a_server_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="eyebright serve"):
        Client(settings=Settings(data_dir=tmp_path))


def test_without_a_token_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unauthenticated, match="EYEBRIGHT_TOKEN"):
        Client("http://127.0.0.1:1", settings=Settings(data_dir=tmp_path))


@pytest.mark.parametrize(
    ("url", "ours"),
    [("http://127.0.0.1:8765", True), ("http://[::1]:1", True), ("http://localhost", True), ("http://10.0.0.1", False)],
)
def test_only_loopback_is_spoken_to_past_proxies(url: str, ours: bool) -> None:
    assert is_loopback(url) is ours


def announce(settings: Settings, url: object, **fields: object) -> None:
    about = {"url": url, "pid": os.getpid(), "created": time.time(), **fields}
    settings.data_dir.mkdir(exist_ok=True)
    (settings.data_dir / "server.json").write_text(json.dumps(about))
    (settings.data_dir / "token").write_text("secret\n")


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1",
        "https://eyebright.example",
        "http://127.0.0.1.example",
        "http://127.0.0.1:2",
        "http://127.0.0.2:1111",
        "http://localhost:1111",
        "https://127.0.0.1:1111",
    ],
)
def test_the_token_of_a_data_folder_is_for_its_own_server_and_no_other(tmp_path: Path, url: str) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    announce(settings, "http://127.0.0.1:1111")
    with pytest.raises(Unauthenticated, match="EYEBRIGHT_TOKEN"):
        Client(url, settings=settings)
    Client("http://127.0.0.1:1111/", settings=settings).close()
    Client(url, settings=Settings(data_dir=tmp_path / "data", token="theirs")).close()


def test_a_server_that_was_restarted_is_found_again(server: Scripted, tmp_path: Path) -> None:
    """It may have another port now; the token in the folder is still the same."""
    settings = Settings(data_dir=tmp_path / "data")
    announce(settings, "http://127.0.0.1:1111")

    def restart(_: httpx.Request) -> httpx.Response:
        announce(settings, "http://127.0.0.1:2222")
        raise httpx.ConnectError("refused")

    server.answers = [restart, ok(job())]
    with Client(settings=settings, through=httpx.MockTransport(server), sleep=server.slept.append) as client:
        assert client.job("job_1") == job()
        assert client.local is not None
    assert [request.url.port for request in server.asked] == [1111, 2222]
    assert server.asked[1].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("chosen", "may"),
    [
        ({}, True),
        ({"token": "secret"}, True),
        ({"token": "ebt_1_another"}, False),
        ({"url": "http://127.0.0.1:1111"}, True),
        ({"url": "http://127.0.0.1:2222", "token": "secret"}, False),
    ],
)
def test_only_the_operator_of_a_server_of_this_machine_names_paths(
    chosen: dict[str, str], may: bool, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    announce(settings, "http://127.0.0.1:1111")
    with Client(**chosen, settings=settings) as client:
        assert client.may_name_paths is may


def test_a_damaged_token_file_is_in_nobodys_way_who_brings_a_token(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    announce(settings, "http://127.0.0.1:1111")
    (settings.data_dir / "token").write_bytes(b"\xff\xfe\x80")
    with Client(token="another", settings=settings) as client:
        assert not client.may_name_paths
    with pytest.raises(Unauthenticated, match="EYEBRIGHT_TOKEN"):
        Client(settings=settings)


def test_a_server_that_was_named_is_never_swapped_for_another(
    server: Scripted, client: Client, settings: Settings
) -> None:
    announce(settings, "http://127.0.0.1:2222")
    server.answers = [httpx.ConnectError("refused")]
    with pytest.raises(Unavailable):
        client.job("job_1")
    assert {request.url.host for request in server.asked} == {"eyebright.test"}


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that has nothing to do with us."""
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.mark.parametrize("fields", [{"pid": 2**22 + 1}, {"created": 1.0}, {"url": 5}])
def test_what_a_killed_server_left_behind_counts_for_nothing(
    fields: dict[str, object], stranger: int, tmp_path: Path
) -> None:
    """Also when its number belongs to another process by now, which was born later."""
    settings = Settings(data_dir=tmp_path)
    announce(settings, **{"url": "http://127.0.0.1:1111", "pid": stranger, **fields})
    assert running_server(settings) is None


def test_a_server_whose_clock_was_set_still_lives(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with subprocess.Popen(["eyebright", "60"], executable="sleep") as process:
        announce(settings, "http://127.0.0.1:1111", pid=process.pid, created=1.0)
        assert running_server(settings) is not None
        process.kill()


@pytest.mark.parametrize("body", [b"", b"<h1>Welcome</h1>", b"{}", b"[5]", b'{"items": 5}'])
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.job("job_1"),
        lambda client: client.trainers(),
        lambda client: list(client.jobs()),
        lambda client: client.cancel("job_1"),
        lambda client: client.remove_alias("cats@1", "production"),
    ],
)
def test_an_answer_of_somebody_else_is_told_as_that(
    call: Callable[[Client], object], body: bytes, server: Scripted, client: Client
) -> None:
    server.answers = [httpx.Response(200, content=body)]
    with pytest.raises(
        Unavailable, match=r"http://eyebright.test/ answered .* no .*; is it an Eyebright server of this"
    ):
        call(client)
