"""What the settings of a Training Server make of the product: a message in, weights in their place, one end told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from harness.site import API, Site
from harness.site import site as make_site

from eyebright.settings import TrainingServerSettings
from eyebright_wire.jobs import JobState
from eyebright_wire.runs import Handle

BACKEND = "https://backend.example"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    theirs = TrainingServerSettings(backend_url=BACKEND, token="swordfish", models=str(tmp_path / "models"))
    async with make_site(tmp_path / "data", training_server=theirs) as site:
        await site.add_dataset()
        yield site


async def take(site: Site, task_id: str, **parameters: Any) -> dict[str, Any]:
    data = {"style_id": 7, "dataset": "pets", "task": "classification", "parameters": parameters}
    message = {"task_id": task_id, "type": "model_training", "data": data}
    answer = await site.post(f"{API}/queue/messages", json=message)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def turn(site: Site) -> None:
    services = site.context.services
    for _ in range(5):
        await services.relay.tick()
        await services.deliverer.tick()
        await services.deliverer.settle()


async def told(site: Site) -> list[dict[str, Any]]:
    """Everything that was sent or is yet to be, oldest first."""
    answer = await site.get(f"{API}/webhooks/whe_training_server/deliveries")
    return list(reversed(answer.json()["items"]))


async def test_a_message_ends_as_weights_in_their_place_and_one_webhook(site: Site, tmp_path: Path):
    taken = await take(site, "t-1", epochs=2)
    assert (await take(site, "t-1", epochs=2))["outcome"] == "known"
    await site.context.services.dispatch.tick()
    handle = Handle(taken["job_id"], 1)
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    await site.succeed(handle, artifacts=[site.leave(handle, "pytorch_lora_weights.safetensors", b"lora")])
    await turn(site)
    ends = [each["event"] for each in await told(site)]
    assert ends == ["job.succeeded"]
    assert (tmp_path / "models/style-7/lora_weights.safetensors").read_bytes() == b"lora"


async def test_an_order_that_cannot_be_carried_out_is_told_of_too(site: Site):
    refused = await take(site, "t-2", epoch=2)
    assert refused["outcome"] == "refused"
    await turn(site)
    (end,) = await told(site)
    assert (end["event"], end["job_id"]) == ("job.failed", refused["job_id"])
    job = (await site.context.services.jobs.get(refused["job_id"])).state
    assert job is JobState.FAILED


async def test_the_endpoint_is_the_settings_own(site: Site):
    (endpoint,) = (await site.get(f"{API}/webhooks")).json()
    assert {name: endpoint[name] for name in ("id", "url", "dialect", "managed", "progress_seconds")} == {
        "id": "whe_training_server",
        "url": BACKEND,
        "dialect": "training_server",
        "managed": True,
        "progress_seconds": 30.0,
    }
    assert "swordfish" not in str(endpoint)
