"""Work that nobody can wait for."""

import asyncio
import gc
from weakref import WeakSet

import pytest

from eyebright.errors import Unavailable
from eyebright.services import errands
from eyebright.services.errands import KEPT, Errands


class Outcome:
    """Of an errand; it may be forgotten."""


async def test_what_nobody_asks_for_again_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(errands, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(errands, "_HASTE_SECONDS", 0.0)
    alive, may_end = WeakSet[Outcome](), asyncio.Event()

    async def work() -> Outcome:
        await may_end.wait()
        alive.add(outcome := Outcome())
        return outcome

    sent = Errands[Outcome]("under way")
    for number in range(3 * KEPT):
        with pytest.raises(Unavailable):
            await sent.soon(str(number), work)
    may_end.set()
    await asyncio.sleep(0.1)
    assert isinstance(await sent.soon("another", work), Outcome)
    gc.collect()
    assert len(alive) <= KEPT + 1


async def test_who_asks_again_hears_what_came_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(errands, "PATIENCE_SECONDS", 0.0)
    may_end, begun = asyncio.Event(), 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        await may_end.wait()
        raise ValueError("it went wrong")

    sent = Errands[None]("under way")
    with pytest.raises(Unavailable):
        await sent.soon("one", work)
    may_end.set()
    await asyncio.sleep(0.01)
    with pytest.raises(ValueError, match="it went wrong"):
        await sent.soon("one", work)
    assert begun == 1
