"""A warm start is a start: what is promised of a cold one is noticed of it too."""

import os
import signal
from pathlib import Path

import pytest

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import TracedRun, stays_offline, tells_its_story_in_order
from eyebright_kit.testing.warm import warm
from eyebright_toy.manifest import MANIFEST
from eyebright_wire.events import EventKind

START = warm(("json",))


@pytest.mark.parametrize("way", ["name", "datagram", "child"])
def test_whoever_looks_for_another_machine_is_noticed(tmp_path: Path, way: str):
    spec = TinyJob(tmp_path, MANIFEST).write_spec(phone_home=way, epochs=1)
    trace = TracedRun(MANIFEST.module, spec, start=START).wait(60)
    tells_its_story_in_order(trace)
    with pytest.raises(AssertionError, match=r"tried to reach the network: .*(nobody\.invalid|192\.0\.2\.1)"):
        stays_offline(trace)


def test_it_leads_a_session_of_its_own_and_dies_of_what_it_was_killed_with(tmp_path: Path):
    child = TracedRun(MANIFEST.module, TinyJob(tmp_path, MANIFEST).write_spec(step_seconds=0.5), start=START)
    child.wait_for(EventKind.STARTED, 60)
    assert os.getsid(child.process.pid) == child.process.pid
    child.process.kill()
    assert child.wait(60).exit_code == -signal.SIGKILL


def test_a_module_that_cannot_be_imported_is_told(tmp_path: Path):
    trace = TracedRun(MANIFEST.module, TinyJob(tmp_path, MANIFEST).write_spec(), start=warm(("no_such_module",))).wait(
        60
    )
    assert (trace.exit_code, "could not be imported before: ['no_such_module']" in trace.log) == (1, True), trace.log
