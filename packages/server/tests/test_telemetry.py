"""What the server says about itself."""

import json
import logging
import re
from pathlib import Path

import boto3
import pytest
import structlog
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from eyebright import telemetry
from eyebright.settings import LogSettings
from eyebright.telemetry import Instruments
from eyebright_wire.jobs import trace_id


@pytest.fixture(autouse=True)
def restored():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.getLogger("eyebright").setLevel(logging.NOTSET)
    structlog.reset_defaults()


def said(capsys, **settings) -> str:
    telemetry.configure(LogSettings(**settings))
    log = structlog.stdlib.get_logger("eyebright.test")
    log.info("launched", job="job_1", token="swordfish", token_file="/data/token", url="postgresql://me:swordfish@db/x")
    logging.getLogger("some.library").warning("calling with Authorization: Bearer swordfish now")
    try:
        int('Authorization: "Bearer swordfish"')  # the traceback shows this line, and the message quotes it
    except ValueError:
        log.exception("failed")
    log.debug("too much")
    return capsys.readouterr().err


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_secret_is_never_written(capsys, style):
    text = said(capsys, format=style)
    assert "swordfish" not in text
    assert text.count("***") == 5
    assert "/data/token" in text
    assert "too much" not in text


@pytest.mark.parametrize(
    "line",
    [
        '127.0.0.1:1 - "POST /training/jobs/7/callback?attempt=1&key=swordfish HTTP/1.1" 200',
        "POST http://host/callback?key=swordfish&attempt=1 failed",
        "url='http://host/callback?KEY=swordfish'",
        "/callback?%6Bey=swordfish#end",
    ],
)
def test_the_key_of_an_address_is_never_written(line: str):
    shown = telemetry.hide(line)
    assert "swordfish" not in shown
    assert shown.replace("***", "swordfish") == line


@pytest.mark.parametrize("token", ["ebt_0192f3_sword-fish_1", "ebmcp_reader_0123456789abcdef_17_swordfish"])
@pytest.mark.parametrize("line", ["EYEBRIGHT_TOKEN={}", "curl -H 'X: {}'", '{{"token": "{}"}}', "{}", "Bearer {}"])
def test_tokens_of_teams_and_agents_are_never_written(line: str, token: str):
    shown = telemetry.hide(line.format(token))
    assert "fish" not in shown
    assert "***" in shown


def test_what_a_library_says_of_a_broker_that_is_away_is_not_said_twice(capsys):
    telemetry.configure(LogSettings())
    for name in ("aiormq.connection", "aio_pika.robust_connection", "httpx"):
        logging.getLogger(name).info("trying %s", name)
    logging.getLogger("aiormq.connection").error("Unexpected connection close", exc_info=OSError("reset"))
    assert capsys.readouterr().err == ""


def test_what_libraries_say_of_their_requests_is_not_written_at_the_finest_level(capsys, monkeypatch):
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.setenv(f"AWS_{name}", "swordfish")
    assert "too much" in said(capsys, level="debug")
    manners = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    store = boto3.client("s3", endpoint_url="http://127.0.0.1:9", region_name="here", config=manners)
    with pytest.raises(EndpointConnectionError):
        store.head_bucket(Bucket="bucket")
    store.close()
    for name in ("urllib3.connectionpool", "google.auth", "hpack.hpack", "httpx"):
        logging.getLogger(name).debug("PUT /upload?upload_id=swordfish")
    assert capsys.readouterr().err == ""


def test_every_line_is_json_for_a_collector(capsys):
    lines = [json.loads(line) for line in said(capsys, format="json").splitlines()]
    assert [line["event"] for line in lines[:1]] == ["launched"]
    assert lines[0] | {"job": "job_1", "level": "info", "logger": "eyebright.test"} == lines[0]
    assert lines[1]["logger"] == "some.library"
    assert "Traceback" in lines[2]["exception"]


def test_two_apps_in_one_process_do_not_add_up():
    one, two = Instruments.make(), Instruments.make()
    one.answered("GET", "/x", 200, 0.01)
    assert b'route="/x"' in one.exposition()
    assert b'route="/x"' not in two.exposition()


def test_lines_about_a_job_can_be_followed_by_one_id_over_all_processes(capsys):
    lines = [json.loads(line) for line in said(capsys, format="json").splitlines()]
    (about_a_job,) = (line for line in lines if "job" in line)
    assert about_a_job["trace_id"] == trace_id("job_1")
    assert [line for line in lines if "trace_id" in line] == [about_a_job]


def test_an_id_to_follow_a_job_by_is_one_of_trace_context():
    assert re.fullmatch("[0-9a-f]{32}", trace_id("job_1"))
    assert trace_id("job_1") != trace_id("job_2")


def test_every_metric_is_explained():
    page = (Path(__file__).parents[3] / "docs/operations/logs-and-metrics.md").read_text()
    told = set(re.findall(r"`(\w+)(?:\{[\w,]+\})?`", page))
    counted = {
        metric.name + ("_total" if metric.type == "counter" else "") for metric in Instruments.make().registry.collect()
    }
    assert counted <= told
    assert {name for name in told if name.startswith(("eyebright_", "training_", "active_"))} == counted
