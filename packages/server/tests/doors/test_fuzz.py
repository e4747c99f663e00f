"""Whatever a caller sends by the OpenAPI document, or just beside it: the answer is one that is documented."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import schemathesis
from harness.site import API, TOKEN, Site, bearer
from harness.site import site as make_site
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from eyebright.website import openapi

#: A 500 is documented nowhere, so conformance of the status finds every bug; a documented 503 or 507 is an honest answer.
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
schemathesis.serializer.alias(
    ["application/zip", "application/offset+octet-stream", "image/*"], "application/octet-stream"
)
schema = schemathesis.openapi.from_dict(openapi())
HEADERS = {**bearer(TOKEN), "Host": "127.0.0.1"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with in_a_thread(tmp_path_factory.mktemp("fuzz")) as site:
        yield site


@schema.exclude(path_regex="^/api/v1/datasets:(import|inspect)$").parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
def test_every_answer_is_as_documented(case: schemathesis.Case, site: Site):
    answer = case.call(app=site.app, base_url="http://127.0.0.1", headers=HEADERS)
    case.validate_response(answer, checks=CHECKS)


@contextmanager
def in_a_thread(folder) -> Iterator[Site]:
    """The site lives in a loop of its own: the generated calls are synchronous."""
    ready, over = threading.Event(), threading.Event()
    found: list[Site] = []

    async def live() -> None:
        async with make_site(folder) as site:
            await site.add_dataset()
            await site.order()
            found.append(site)
            ready.set()
            while not over.is_set():
                await site.import_all()
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    assert ready.wait(300)
    try:
        yield found[0]
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("verb", ["import", "inspect"])
def test_reading_a_path_is_documented_though_not_fuzzed(verb: str):
    """A random path could be a real folder of this machine."""
    assert f"{API}/datasets:{verb}" in openapi()["paths"]
