"""Following a spool that another process writes."""

from pathlib import Path

from eyebright_kit.service.spool_tail import SpoolTail
from eyebright_wire.events import Event


def line(seq: int) -> bytes:
    return Event(seq=seq, kind="progress", at_ms=1).model_dump_json().encode() + b"\n"


def read(tail: SpoolTail, after: int = 0, limit: int = 100) -> list[int]:
    return [event.seq for event in tail.read(after, limit)]


def test_each_line_is_read_once_and_none_before_it_is_whole(tmp_path: Path) -> None:
    spool, tail = tmp_path / "spool.jsonl", SpoolTail(tmp_path / "spool.jsonl")
    assert not tail.grown
    spool.write_bytes(line(1) + line(2) + line(3)[:-1])
    assert tail.grown
    assert (read(tail), read(tail)) == ([1, 2], [])
    spool.write_bytes(line(1) + line(2) + line(3))
    assert read(tail) == [3]
    assert not tail.grown


def test_a_torn_line_that_its_writer_cuts_off_was_never_read(tmp_path: Path) -> None:
    spool, tail = tmp_path / "spool.jsonl", SpoolTail(tmp_path / "spool.jsonl")
    spool.write_bytes(line(1) + b'{"seq": 2, "kind": "a line that is longer than what comes after it"')
    assert read(tail) == [1]
    spool.write_bytes(line(1) + line(2))
    assert read(tail) == [2]


def test_batches_go_on_where_the_last_one_ended_and_a_rewind_begins_anew(tmp_path: Path) -> None:
    spool, tail = tmp_path / "spool.jsonl", SpoolTail(tmp_path / "spool.jsonl")
    spool.write_bytes(b"".join(map(line, range(1, 8))))
    assert (read(tail, limit=3), read(tail, limit=3), read(tail, limit=3)) == ([1, 2, 3], [4, 5, 6], [7])
    tail.rewind()
    assert read(tail, after=4) == [5, 6, 7]
