"""The real clock, while somebody sets the machine's."""

import time

import pytest

from eyebright.ports.clock import SystemClock


def test_ids_sort_by_their_making_though_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch):
    clock, now_ns = SystemClock(), time.time_ns()
    ids = []
    for hours in (0, -1, 1, 0):
        monkeypatch.setattr(time, "time_ns", lambda hours=hours: now_ns + hours * 3600 * 10**9)
        ids.append(clock.new_id("job").removeprefix("job_")[:11])
    assert ids == sorted(ids)
    assert ids[0] == ids[1] < ids[2] == ids[3]
