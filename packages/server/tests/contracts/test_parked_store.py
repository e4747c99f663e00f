import pytest
from samples import NOW_MS

from eyebright.core.parked import HEAD_BYTES, Parked
from eyebright.errors import NotFound
from eyebright.ports import parked as port
from eyebright_wire.queue import ParkedReason


def parked(number: int, **changes) -> Parked:
    fields = {
        "id": f"msg_{number:04}",
        "reason": ParkedReason.NOT_JSON,
        "message": "no JSON",
        "body": b"\x00\xff{",
        "size_bytes": 3,
        "parked_at_ms": NOW_MS + number,
        "complete": True,
        "task_id": "task-1",
    }
    return Parked(**{**fields, **changes})


async def test_a_message_is_kept_byte_by_byte(database):
    every_byte = parked(1, body=bytes(range(256)), size_bytes=256)
    await database.parked.keep(every_byte)
    assert await database.parked.get("msg_0001") == every_byte
    assert every_byte.complete


async def test_the_same_message_parked_again_is_one_with_the_last_reason(database):
    await database.parked.keep(parked(1))
    again = parked(1, reason=ParkedReason.KEY_REUSED, message="another body", parked_at_ms=NOW_MS + 9)
    await database.parked.keep(again)
    assert await database.parked.list() == [again]


async def test_the_list_is_newest_first_in_pages(database):
    for number in (2, 1, 4, 3):
        await database.parked.keep(parked(number))
    first = await database.parked.list(limit=3)
    assert [each.id for each in first] == ["msg_0004", "msg_0003", "msg_0002"]
    assert [each.id for each in await database.parked.list(after="msg_0002")] == ["msg_0001"]
    assert await database.parked.list(after="msg_9999") == []


async def test_a_list_has_of_long_messages_the_beginning(database):
    body = bytes(range(256)) * 17
    await database.parked.keep(parked(1, body=body, size_bytes=len(body)))
    await database.parked.keep(parked(2, body=body[:HEAD_BYTES], size_bytes=2**20 + 1, complete=False))
    cut, whole = await database.parked.list()
    assert (cut.body, cut.complete) == (body[:HEAD_BYTES], False)
    assert (whole.body, whole.complete) == (body[:HEAD_BYTES], True)
    assert await database.parked.get("msg_0001") == parked(1, body=body, size_bytes=len(body))


async def test_messages_of_one_instant_are_on_one_page_each(database):
    for number in (1, 2, 3):
        await database.parked.keep(parked(number, parked_at_ms=NOW_MS))
    assert [each.id for each in await database.parked.list(after="msg_0002")] == ["msg_0001"]


async def test_what_was_removed_is_gone(database):
    await database.parked.keep(parked(1))
    assert await database.parked.remove("msg_0001") is True
    assert await database.parked.remove("msg_0001") is False
    with pytest.raises(NotFound, match="no parked message msg_0001"):
        await database.parked.get("msg_0001")


async def test_only_the_newest_are_kept(database, monkeypatch):
    for module in ("eyebright.stores.memory", "eyebright.stores.sql.parked"):
        monkeypatch.setattr(f"{module}.MOST", 3)
    assert port.MOST > 3
    for number in range(1, 6):
        await database.parked.keep(parked(number))
    assert [each.id for each in await database.parked.list()] == ["msg_0005", "msg_0004", "msg_0003"]
