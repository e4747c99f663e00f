"""The copy of a spool that is left in a store."""

import pytest

from eyebright_wire.events import Event, Heartbeat
from eyebright_wire.left_spool import LeftSpool, copy_of
from eyebright_wire.runs import Handle, Liveness, Vital
from eyebright_wire.services import RunReport

REPORT = RunReport.of(Handle("job_1", 2), Liveness(Vital.ALIVE, heartbeat=Heartbeat(at_ms=9, moved_at_ms=8)))


def line(seq: int, kind: str = "progress") -> bytes:
    return Event(seq=seq, kind=kind, at_ms=seq).model_dump_json().encode() + b"\n"


def test_what_is_left_is_read_again_without_a_torn_line() -> None:
    left = LeftSpool.parse(copy_of(line(1) + line(2) + line(3)[:-5], REPORT))
    assert [event.seq for event in left.events] == [1, 2]
    assert [event.seq for event in left.after(1)] == [2]
    assert left.liveness == REPORT.liveness


def test_an_older_service_says_last_how_the_run_stands() -> None:
    left = LeftSpool.parse(line(1) + line(2) + REPORT.model_dump_json().encode() + b"\n")
    assert ([event.seq for event in left.events], left.report) == ([1, 2], REPORT)


def test_of_a_copy_that_was_cut_the_end_of_the_run_is_not_known() -> None:
    gone = RunReport.of(Handle("job_1", 2), Liveness(Vital.GONE, exit_code=0))
    content = copy_of(line(1) + line(2), gone)
    assert LeftSpool.parse(content).liveness == gone.liveness
    cut = LeftSpool.parse(content[:-5], cut=True)
    assert ([event.seq for event in cut.events], cut.liveness) == ([1], None)
    assert LeftSpool.parse(copy_of(line(1), REPORT)[:-5], cut=True).liveness == REPORT.liveness


def test_what_a_run_left_by_itself_says_that_it_is_over() -> None:
    assert LeftSpool.parse(line(1) + line(2, "succeeded")).liveness == Liveness(Vital.GONE)
    assert LeftSpool.parse(line(1)).liveness is None


@pytest.mark.parametrize("rubbish", [b"", b"\n", b"\xff\n", b'{"a": 1}\n', b"null"])
def test_rubbish_says_nothing(rubbish: bytes) -> None:
    left = LeftSpool.parse(line(1) + rubbish + line(2))
    assert left.liveness is None
    assert [event.seq for event in left.events][:1] == [1]
