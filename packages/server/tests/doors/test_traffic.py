"""Who is inside, and when somebody last called."""

import asyncio

import pytest
from harness.site import API

from eyebright.doors.traffic import Footfall


class Watch:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_is_quiet_since_the_last_caller_left():
    clock = Watch()
    footfall = Footfall(clock)
    clock.now += 5
    assert footfall.quiet_seconds == 5
    footfall.enter()
    footfall.enter()
    clock.now += 60
    footfall.leave()
    assert footfall.quiet_seconds == 0  # one is still inside: a stream may say nothing for hours
    footfall.leave()
    clock.now += 3
    assert footfall.quiet_seconds == 3


@pytest.mark.parametrize(
    ("path", "calls"), [("/health", False), ("/ready", False), ("/metrics", False), (f"{API}/jobs", True)]
)
async def test_probes_are_not_callers(site, path, calls):
    entered = []
    site.parts.footfall.enter = lambda: entered.append(path)
    await site.get(path)
    assert entered == ([path] if calls else [])


async def test_who_follows_a_job_is_inside_until_the_stream_ends(site):
    await site.add_dataset()
    handle = await site.launch()
    path = f"{API}/jobs/{handle.job_id}/events"
    following = asyncio.create_task(site.get(path, headers={"Accept": "text/event-stream"}))
    for _ in range(50):
        await asyncio.sleep(0)
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    assert site.parts.footfall.quiet_seconds == 0
    await site.succeed(handle)
    await following
    assert site.parts.footfall.quiet_seconds > 0


async def test_invented_methods_and_unknown_paths_share_one_label(site):
    await site.http.request("BREW", f"{API}/jobs")
    await site.get("/one")
    await site.get("/two")
    text = (await site.get("/metrics")).text
    assert 'method="(other)"' in text
    assert "BREW" not in text
    assert 'route="(none)"' in text
    assert "/two" not in text
