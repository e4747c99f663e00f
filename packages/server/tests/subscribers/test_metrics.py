import pytest

from eyebright.core.records import Message
from eyebright.subscribers.metrics import Metrics
from eyebright.telemetry import Instruments
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobState


def message(topic: str, state: JobState, reason: ErrorCode | None = None) -> Message:
    return Message(
        job_id="job_1", version=2, topic=topic, at_ms=1, attempt=1, trainer="toy", state=state, reason=reason
    )


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
