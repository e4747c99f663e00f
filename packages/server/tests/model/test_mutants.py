"""The model is only worth something if it goes red: it must kill every mutant."""

import pytest
from harness.machine import ControlPlane
from harness.mutants import MUTANTS, Mutant, alive
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from eyebright.stores.memory import MemoryDatabase


async def memory():
    return MemoryDatabase()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_the_model_kills(mutant: Mutant):
    with alive(mutant), pytest.raises(Exception):  # noqa: B017 - an oracle, a guard, or a plain crash: all are red
        look_long()


def look_long() -> None:
    """A few examples at a time: after a failure Hypothesis goes on until its budget is spent."""
    for number in range(40):
        machine = seed(number)(type("Mutated", (ControlPlane,), {"open_database": staticmethod(memory)}))
        run_state_machine_as_test(machine, settings=GLANCE)


GLANCE = settings(
    max_examples=10,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # a counterexample will do; nobody reads it, so it need not be small
    report_multiple_bugs=False,
    print_blob=False,
)
