import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eyebright_kit.disk import replace
from eyebright_kit.runtime import heartbeat as heartbeat_module
from eyebright_kit.runtime.heartbeat import HeartbeatThread, Pulse
from eyebright_kit.runtime.stop import StopReason, StopRequest
from eyebright_kit.runtime.uplink import Uplink
from eyebright_kit.testing.ingest import IngestServer, Reply, problem
from eyebright_wire.events import Heartbeat


@contextmanager
def _heartbeat(
    file: Path, server: IngestServer | None, stop: StopRequest | None = None, pulse: Pulse | None = None
) -> Iterator[HeartbeatThread]:
    line = Uplink(server.url, "t") if server else None
    yield HeartbeatThread(pulse or Pulse(), file, line, stop or StopRequest(), seconds=0.01)
    if line:
        line.close()


def test_a_beat_tells_when_training_last_moved(tmp_path: Path):
    pulse = Pulse()
    pulse.mark(17)
    pulse.moved_at_ms = 1234
    with IngestServer() as server, _heartbeat(tmp_path / "h.json", server, pulse=pulse) as heartbeat:
        heartbeat.beat()
    written = Heartbeat.model_validate_json((tmp_path / "h.json").read_bytes())
    assert (written.moved_at_ms, written.step) == (1234, 17)
    assert server.heartbeats == [written]


def test_it_beats_into_the_file_when_nobody_listens(tmp_path: Path):
    with _heartbeat(tmp_path / "h.json", None) as heartbeat:
        heartbeat.beat()
    assert json.loads((tmp_path / "h.json").read_text())["step"] == 0


def test_it_keeps_beating_until_its_end(tmp_path: Path):
    with IngestServer() as server, _heartbeat(tmp_path / "h.json", server) as heartbeat:
        heartbeat.start()
        assert server.wait_for(lambda s: len(s.heartbeats) >= 3)
        heartbeat.end()


def test_the_file_never_goes_back_to_an_older_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A beat is under way for longer than its end waits."""
    writing, go_on, pulse = threading.Event(), threading.Event(), Pulse()

    def slowly(file: Path, content: bytes) -> None:
        if not writing.is_set():
            writing.set()
            go_on.wait(60)
        replace(file, content)

    monkeypatch.setattr(heartbeat_module, "replace", slowly)
    with _heartbeat(tmp_path / "h.json", None, pulse=pulse) as heartbeat:
        heartbeat.start()
        assert writing.wait(60)
        pulse.mark(17)
        threading.Timer(1, go_on.set).start()
        heartbeat.end()
        heartbeat._thread.join(60)
    assert json.loads((tmp_path / "h.json").read_text())["step"] == 17


def test_after_the_end_the_file_stays(tmp_path: Path):
    pulse = Pulse()
    with _heartbeat(tmp_path / "h.json", None, pulse=pulse) as heartbeat:
        heartbeat.start()
        heartbeat.end()
        kept = (tmp_path / "h.json").read_bytes()
        pulse.mark(18)
        heartbeat.beat()
    assert (tmp_path / "h.json").read_bytes() == kept


def test_a_full_disk_does_not_silence_it(tmp_path: Path):
    with IngestServer() as server, _heartbeat(tmp_path / "no such folder" / "h.json", server) as heartbeat:
        heartbeat.beat()
    assert len(server.heartbeats) == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(200, {"acked": 3, "cancel": True}), StopReason.CANCEL),
        (problem("fenced"), StopReason.FENCED),
        (Reply(200, {"acked": 3}), None),
        (Reply(503), None),
    ],
)
def test_the_answer_can_ask_to_stop(tmp_path: Path, reply: Reply, reason: StopReason | None):
    stop = StopRequest()
    with IngestServer() as server, _heartbeat(tmp_path / "h.json", server, stop) as heartbeat:
        server.beat_reply = reply
        heartbeat.beat()
    assert stop.reason is reason
