"""One project of a Training Agent's callers, told request by request: what its golden files were recorded from."""

import asyncio

from harness.agent import START, STATUS, UPLOAD, Agent

from doors.story import Telling

NOBODY = "00000000-0000-0000-0000-0000000000ff"


async def tell(agent: Agent) -> Telling:
    project = await agent.add_project("Flowers")
    site = agent.site
    yield "agent_status", await site.get(f"{STATUS}/{project}")
    yield "agent_start--async", await agent.start(project)
    waiting = asyncio.create_task(agent.start(project, wait=True))
    await agent.train()
    yield "agent_start", await waiting
    site.clock.advance(1)  # so long an answer is good
    yield "agent_status--completed", await site.get(f"{STATUS}/{project}")
    yield "agent_upload", await site.post(UPLOAD, json={"project_id": project})
    yield "agent_upload--nothing", await site.post(UPLOAD, json={"project_id": NOBODY})
    yield "agent_start--no-id", await site.post(START, json={"project_id": "flowers"})
    yield "agent_start--no-json", await site.post(START, content=b"{")
    yield "agent_start--unknown", await agent.start(NOBODY)
    yield "agent_start--not-pending", await agent.start(await agent.add_project(status="draft"))
    yield "agent_start--no-model", await agent.start(await agent.add_project(metadata={"epochs": 10}))
    yield "agent_start--no-dataset", await agent.start(await agent.add_project(gcs_url=None))
    yield "agent_start--escaping", await agent.start(await agent.add_project(gcs_url="gs://bucket/..%2fraw.zip"))
    yield "agent_status--no-id", await site.get(f"{STATUS}/flowers")
    yield "agent_status--unknown", await site.get(f"{STATUS}/{NOBODY}")
    for _ in range(5):
        late = await agent.start(project)
    yield "agent_start--too-many", late
