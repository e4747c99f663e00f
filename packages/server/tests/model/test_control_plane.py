"""The control plane keeps its promises in a hostile world, whatever it stores them in."""

import pytest
from databases import KINDS
from harness.machine import ControlPlane
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.sql.database import Database

#: A step costs microseconds in memory and many commits on disk.
EXAMPLES = {"memory": 100, "sqlite": 12, "postgresql": 8}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_the_control_plane_keeps_its_promises(kind, fresh_url):
    async def open_database():
        return MemoryDatabase() if kind == "memory" else await Database.open(fresh_url(kind))

    machine = type("Hostile", (ControlPlane,), {"open_database": staticmethod(open_database)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES[kind],
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
