"""The key in a callback's address reaches nobody but the service that checks it."""

from pathlib import Path

import httpx
import pytest
from harness.live import LiveServer
from harness.site import bearer
from harness.site import site as make_site

from eyebright.client import running_server
from eyebright.core.platform_id import uuid_of

CANARY = "swordfish-3141592653589793238462643383279"
PATH = "/training/jobs/00000000-0000-7000-8000-000026000000/callback"
EPOCH = {"status": "running", "progress": 0.1, "metrics": {"epoch": 0, "loss": 1.2}}


@pytest.mark.timeout(120)
def test_a_key_is_in_no_log_and_no_file_of_a_server_that_logs_every_request(tmp_path: Path):
    with LiveServer(tmp_path, EYEBRIGHT_LOG__ACCESS="true", EYEBRIGHT_LOG__LEVEL="debug") as server:
        known = running_server(server.settings)
        assert known is not None
        with httpx.Client(base_url=known.url, params={"attempt": "1", "key": CANARY}) as trainer:
            answers = [
                trainer.post(PATH, json=EPOCH),
                trainer.post(PATH, content=b"{"),
                trainer.post(PATH, json=EPOCH, headers=bearer("of-some-proxy")),
                trainer.post(PATH, json=EPOCH, headers={"Host": "evil.example"}),
                trainer.post(f"{PATH}?%6Bey={CANARY}", json=EPOCH),
                trainer.get(PATH),
                trainer.post(f"{PATH}s", json=EPOCH),  # no path of ours, so nobody takes the key out
            ]
    said = (tmp_path / "server.log").read_text()
    assert [answer.status_code for answer in answers] == [403, 422, 403, 403, 403, 405, 401]
    assert said.count("/callback?attempt=1 ") + said.count("/callbacks?attempt=1&key=*** ") >= 6, said
    assert not [answer.text for answer in answers if CANARY in answer.text]
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()]


async def test_a_key_that_opens_is_in_no_event_metric_or_answer(tmp_path: Path):
    async with make_site(tmp_path) as site:
        await site.add_dataset()
        handle = await site.launch()
        key = site.job_token(handle)["Authorization"].removeprefix("Bearer ")
        path = f"/training/jobs/{uuid_of(handle.job_id)}/callback?attempt=1&key={key}"
        alone = {"Authorization": ""}
        for body in (EPOCH, EPOCH, {"status": "running", "attempt": 2}, {"status": "failed", "error": "x"}, EPOCH):
            answer = await site.post(path, json=body, headers=alone)
            assert key not in answer.text
        seen = [
            await site.get(f"/api/v1/jobs/{handle.job_id}"),
            await site.get(f"/api/v1/jobs/{handle.job_id}/events"),
            await site.get("/metrics"),
        ]
        assert [answer.status_code for answer in seen] == [200, 200, 200]
        assert not [answer.request.url for answer in seen if key in answer.text]
