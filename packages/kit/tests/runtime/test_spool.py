import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eyebright_kit.errors import TrainerFailure
from eyebright_kit.runtime import spool as spool_module
from eyebright_kit.runtime.spool import Spool
from eyebright_wire.events import Event


def _seqs(path: Path) -> list[int]:
    return [Event.model_validate_json(line).seq for line in path.read_bytes().splitlines()]


def test_events_are_numbered_from_one_and_on_disk_at_once(spool: Spool, tmp_path: Path):
    spool.append("stage", {"stage": "training"}, 5)
    event = spool.append("progress", {}, 6)
    assert (event.seq, spool.last_seq, _seqs(tmp_path / "spool.jsonl")) == (2, 2, [1, 2])


def test_each_event_is_synced_before_append_returns(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    synced: list[int] = []
    monkeypatch.setattr(spool_module.os, "fsync", lambda _: synced.append(spool.last_seq))
    spool.append("stage", {}, 1)
    spool.append("stage", {}, 2)
    assert len(synced) == 2


def test_a_restart_goes_on_with_the_numbers(tmp_path: Path):
    first = Spool(tmp_path / "s")
    first.append("started", {}, 1)
    first.close()
    second = Spool(tmp_path / "s")
    assert second.append("stage", {}, 2).seq == 2
    assert [event.kind for event in second.read(1, 10)] == ["started", "stage"]
    second.close()


@pytest.mark.parametrize("torn", [b'{"seq":2,"kind":"sta', b'{"seq":2,"kind":"stage","at_ms":1}', b"\x00\x00\x00\n"])
def test_a_torn_last_line_is_cut_off_and_its_number_given_anew(tmp_path: Path, torn: bytes):
    first = Spool(tmp_path / "s")
    first.append("started", {}, 1)
    first.close()
    with (tmp_path / "s").open("ab") as file:
        file.write(torn)
    second = Spool(tmp_path / "s")
    second.append("stage", {"stage": "training"}, 2)
    second.close()
    assert _seqs(tmp_path / "s") == [1, 2]


def test_a_torn_line_longer_than_what_follows_leaves_no_rest(tmp_path: Path):
    (tmp_path / "s").write_bytes(b'{"seq":1,"kind":"progress","data":{"x":"' + b"y" * 5000)
    spool = Spool(tmp_path / "s")
    assert (tmp_path / "s").read_bytes() == b""
    spool.append("started", {}, 1)
    spool.close()
    assert _seqs(tmp_path / "s") == [1]


def test_damage_in_the_middle_is_refused_with_its_line(tmp_path: Path):
    (tmp_path / "s").write_text('{"seq":1,"kind":"started","at_ms":1}\nrubbish\n{"seq":3,"kind":"stage","at_ms":1}\n')
    with pytest.raises(TrainerFailure, match="line 2 is damaged"):
        Spool(tmp_path / "s")


def test_it_knows_whether_the_attempt_has_ended(tmp_path: Path):
    spool = Spool(tmp_path / "s")
    assert not spool.ended
    spool.append("failed", {"code": "nan_loss", "message": "x"}, 1)
    spool.close()
    again = Spool(tmp_path / "s")
    assert again.ended
    again.close()


def test_a_second_process_cannot_run_the_same_attempt(spool: Spool, tmp_path: Path):
    code = "import sys, pathlib; from eyebright_kit.runtime.spool import Spool; Spool(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "spool.jsonl")]
    other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "another process is running this very attempt" in other.stderr


def _full(_file: int, _data: bytes, _offset: int) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_on_a_full_disk_events_wait_in_memory_and_can_still_be_sent(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    spool.append("started", {}, 1)
    monkeypatch.setattr(spool_module.os, "pwrite", _full)
    spool.append("stage", {"stage": "training"}, 2)
    spool.append("progress", {}, 3)
    assert [event.seq for event in spool.read(1, 10)] == [1, 2, 3]
    assert _seqs(tmp_path / "spool.jsonl") == [1]
    assert "2 events wait in memory" in caplog.text


def test_once_there_is_room_again_everything_is_written_in_order(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    failing = {"now": True}
    write = os.pwrite

    def pwrite(file: int, data: bytes, offset: int) -> int:
        if failing["now"]:
            write(file, data[:10], offset)  # the line is torn
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data, offset)

    monkeypatch.setattr(spool_module.os, "pwrite", pwrite)
    spool.append("started", {}, 1)
    spool.append("stage", {"stage": "training"}, 2)
    assert (tmp_path / "spool.jsonl").read_bytes() == b""
    failing["now"] = False
    spool.append("progress", {}, 3)
    assert _seqs(tmp_path / "spool.jsonl") == [1, 2, 3]
    assert [event.kind for event in spool.read(2, 10)] == ["stage", "progress"]


def test_read_answers_at_most_what_was_asked(spool: Spool):
    for number in range(5):
        spool.append("progress", {"n": number}, number)
    assert [event.seq for event in spool.read(2, 2)] == [2, 3]
    assert spool.read(6, 5) == ()
