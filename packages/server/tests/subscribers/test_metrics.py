import pytest

from eyebright.core.records import Message
from eyebright.subscribers.metrics import Metrics
from eyebright.telemetry import Instruments
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import OWN_TRAINERS, JobState


def message(topic: str, state: JobState, reason: ErrorCode | None = None, **about) -> Message:
    told = {"job_id": "job_1", "version": 2, "at_ms": 1, "attempt": 1, "trainer": "toy", **about}
    return Message(topic=topic, state=state, reason=reason, **told)


async def test_changes_of_state_are_counted_by_state_reason_and_trainer():
    instruments = Instruments.make()
    metrics = Metrics(instruments)
    await metrics.notify(message("job.queued", JobState.QUEUED))
    await metrics.notify(message("job.failed", JobState.FAILED, ErrorCode.NAN_LOSS))
    await metrics.notify(message("job.failed", JobState.FAILED, ErrorCode.NAN_LOSS))
    await metrics.notify(message("job.progress", JobState.RUNNING))
    text = instruments.exposition().decode()
    assert 'eyebright_job_transitions_total{reason="nan_loss",state="failed",trainer="toy"} 2.0' in text
    assert 'eyebright_job_transitions_total{reason="",state="queued",trainer="toy"} 1.0' in text
    assert 'state="running"' not in text


@pytest.mark.parametrize("state", list(JobState))
async def test_every_state_can_be_counted(state):
    instruments = Instruments.make()
    await Metrics(instruments).notify(message(f"job.{state}", state))
    assert f'{{reason="",state="{state}",trainer="toy"}} 1.0' in instruments.exposition().decode()


def trainings(instruments: Instruments) -> dict[str, float]:
    found = (sample for metric in instruments.registry.collect() for sample in metric.samples)
    return {each.labels["status"]: each.value for each in found if each.name == "training_jobs_total"}


async def test_trainings_are_counted_in_the_words_of_the_platform_before():
    instruments = Instruments.make()
    metrics = Metrics(instruments)
    await metrics.notify(message("job.queued", JobState.QUEUED, version=1))
    for state in (JobState.STARTING, JobState.RUNNING, JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED):
        await metrics.notify(message(f"job.{state}", state))
    await metrics.notify(message("job.progress", JobState.RUNNING))
    assert trainings(instruments) == {"pending": 1, "running": 2, "completed": 1}


@pytest.mark.parametrize("trainer", OWN_TRAINERS.values())
async def test_what_is_no_training_is_not_counted_as_one(trainer):
    instruments = Instruments.make()
    await Metrics(instruments).notify(message("job.failed", JobState.FAILED, trainer=trainer, ran_ms=9))
    assert trainings(instruments) == {}
    assert instruments.registry.get_sample_value("training_duration_seconds_count", {"framework": trainer}) is None


async def test_how_long_a_training_ran_is_told_once_at_its_end():
    instruments = Instruments.make()
    metrics = Metrics(instruments)
    await metrics.notify(message("job.succeeded", JobState.SUCCEEDED, ran_ms=61_000))
    await metrics.notify(message("job.progress", JobState.SUCCEEDED, ran_ms=61_000))
    await metrics.notify(message("job.cancelled", JobState.CANCELLED))  # while it waited
    sample = instruments.registry.get_sample_value
    assert sample("training_duration_seconds_count", {"framework": "toy"}) == 1
    assert sample("training_duration_seconds_sum", {"framework": "toy"}) == 61
