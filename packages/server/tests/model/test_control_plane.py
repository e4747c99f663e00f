import pytest
from harness.machine import ControlPlane
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from eyebright.stores.memory import MemoryDatabase


async def memory():
    return MemoryDatabase()


@pytest.mark.timeout(300)
def test_the_control_plane_keeps_its_promises_in_memory():
    machine = type("InMemory", (ControlPlane,), {"open_database": staticmethod(memory)})
    run_state_machine_as_test(machine, settings=budget(max_examples=100))


def budget(max_examples: int) -> settings:
    return settings(
        max_examples=max_examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=False,
        print_blob=True,
    )
