"""What unnumbered statements come to is right in any order, whatever it is stored in."""

import pytest
from databases import KINDS
from harness.mutants import Mutant, alive
from harness.strangers import Strangers
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.sql.database import Database

#: A step costs microseconds in memory and many commits on disk.
EXAMPLES = {"memory": 100, "sqlite": 10, "postgresql": 6}
CALLBACK, INGEST = "eyebright.core.callback", "eyebright.services.ingest"
MUTANTS = [
    Mutant("progress goes back", f"{CALLBACK}:_is_late", "known is not None and", "False and"),
    Mutant("who speaks has not begun", f"{CALLBACK}:_beginning", "job.state is JobState.STARTING", "False"),
    Mutant("repetitions count", f"{CALLBACK}:_news", "progress != job.progress and", ""),
    Mutant("what was overtaken is refused", f"{CALLBACK}:_require_the_same", "return", "pass"),
    Mutant("any last word will do", f"{CALLBACK}:_last_word", "TrainingStatus.COMPLETED:", "TrainingStatus.FAILED:"),
    Mutant("the last word is not looked up", f"{INGEST}:_last_word", "event.kind in LAST_WORDS", "False"),
    Mutant(
        "two posts share a commit", f"{INGEST}:Ingest._take", "post.job_id in taken or len(taken) == GROUP", "False"
    ),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_strangers_are_understood(kind, fresh_url):
    async def open_database():
        return MemoryDatabase() if kind == "memory" else await Database.open(fresh_url(kind))

    machine = type("Late", (Strangers,), {"open_database": staticmethod(open_database)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES[kind],
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_the_model_of_strangers_kills(mutant: Mutant):
    with alive(mutant), pytest.raises(Exception):  # noqa: B017 - an oracle, a guard, or a plain crash: all are red
        look_long()


def look_long() -> None:
    """A few examples at a time: after a failure Hypothesis goes on until its budget is spent."""
    for number in range(40):
        machine = seed(number)(type("Mutated", (Strangers,), {"open_database": staticmethod(memory)}))
        run_state_machine_as_test(machine, settings=GLANCE)


async def memory():
    return MemoryDatabase()


GLANCE = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    report_multiple_bugs=False,
    print_blob=False,
)
