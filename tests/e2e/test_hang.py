"""A training that stands still is ended as hung, and says so; one that is merely slow is left alone."""

import re
from pathlib import Path

from harness.live import LiveServer, pets

from eyebright import Client
from eyebright_wire.jobs import JobRequest

#: Longer than this machine may stand still itself.
HANG_SECONDS = 8
IMPATIENT = {"EYEBRIGHT_JOBS__HANG_SECONDS": str(HANG_SECONDS), "EYEBRIGHT_JOBS__HEARTBEAT_SECONDS": "0.2"}


def test_a_hung_training_is_replaced_and_a_slow_one_is_not(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", **IMPATIENT) as server, Client(settings=server.settings) as client:
        version = client.import_dataset(pets(tmp_path / "pets"))
        slowly = {"epochs": 4, "batch": 4, "step_seconds": 0.8}
        hangs = {"epochs": 2, "hang_at_step": 3, "misbehave_attempts": 1}
        hung, slow = (
            client.submit(JobRequest(dataset=version.id, trainer="toy", config=config)) for config in (hangs, slowly)
        )
        ended = client.wait(hung.id, timeout_seconds=90)
        assert (ended.state, ended.attempt) == ("succeeded", 2)
        said = [change.message for change in ended.status_transitions if change.reason == "hung"]
        still = re.fullmatch(r"alive, but training after step \d has not moved for (\d+) s.*", said[0])
        assert still
        assert int(still[1]) >= HANG_SECONDS
        ended = client.wait(slow.id, timeout_seconds=90)
        assert (ended.state, ended.attempt) == ("succeeded", 1)
        assert ended.finished_at_ms - ended.started_at_ms > 1000 * HANG_SECONDS
