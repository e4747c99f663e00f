"""What a courier does with each answer, on the folder of a run that has ended."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.keeping.keeper import House, Keeper
from eyebright_kit.keeping.local_run import Manners
from eyebright_kit.service import courier as couriers
from eyebright_kit.service.courier import Courier
from eyebright_kit.service.left_behind import LeftBehind
from eyebright_kit.service.line import Answer, Expects, Fenced, Rejected, Taken, Undelivered
from eyebright_kit.service.ticket import Notes, Ticket
from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.events import Event
from eyebright_wire.left_spool import LeftSpool
from eyebright_wire.runs import Handle, Liveness, Vital
from eyebright_wire.services import RunReport

RUN = Handle("job_1", 1)
KINDS = ("started", "progress", "progress", "failed")


class Listener:
    """Answers as the test says, and remembers what it was told."""

    def __init__(self, *answers: Answer | Exception | Callable[[TrainingUpdate], Answer]) -> None:
        self._answers = list(answers)
        self.heard: list[TrainingUpdate] = []
        self.closed = False

    async def post(self, update: TrainingUpdate) -> Answer:
        self.heard.append(update)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(update) if callable(answer) else answer

    async def close(self) -> None:
        self.closed = True

    def numbers(self) -> list[list[int]]:
        return [[event.seq for event in update.events or ()] for update in self.heard]


def everything(update: TrainingUpdate) -> Answer:
    return Taken(update.events[-1].seq) if update.events else Taken(len(KINDS))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAVE_SECONDS", "LOOK_SECONDS", "ALIVE_SECONDS", "FIRST_REST_SECONDS", "LONGEST_REST_SECONDS"):
        monkeypatch.setattr(couriers, name, 0.001)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a run that said four things and is gone."""
    made = tmp_path / RUN.job_id / f"a{RUN.attempt}"
    made.mkdir(parents=True)
    (made / "launch.json").write_text('{"at_ms": 1}')
    (made / "gone.json").write_text('{"code": 1, "out_of_memory": false}')
    say(made, *KINDS)
    return made


def say(folder: Path, *kinds: str) -> None:
    lines = [Event(seq=seq, kind=kind, at_ms=seq).model_dump_json() for seq, kind in enumerate(kinds, start=1)]
    (folder / "spool.jsonl").write_text("".join(f"{line}\n" for line in lines))


async def work(folder: Path, listener: Listener, patience_seconds: float = 60, left: LeftBehind | None = None) -> None:
    """As long as the courier works."""
    house = House(runs_dir=folder.parents[1], environment={}, manners=Manners(), log_limit_bytes=1 << 20)
    keeper = Keeper(house, lambda: 1_800_000_000_000, Cgroup())
    ticket = Ticket(
        job_id="123",
        callback_url="http://x/",
        digest="d",
        slot=0,
        output="s3://bucket/",
        heartbeat_seconds=15,
    )
    courier = Courier(
        RUN, ticket, keeper, listener, lambda: 1_800_000_000_000, patience_seconds=patience_seconds, left=left
    )
    await asyncio.wait_for(courier.work(), 60)
    assert listener.closed


def told(folder: Path) -> dict[str, object]:
    return json.loads((folder / "told.json").read_text())


async def test_everything_is_told_once_and_then_never_again(folder: Path) -> None:
    listener = Listener(everything)
    await work(folder, listener)
    assert listener.numbers() == [[1, 2, 3, 4]]
    assert (told(folder)["acked"], told(folder)["over"]) == (4, True)
    await work(folder, again := Listener(everything))
    assert again.heard == []


async def test_what_was_not_acknowledged_is_told_again(folder: Path) -> None:
    listener = Listener(Taken(2), everything)
    await work(folder, listener)
    assert listener.numbers() == [[1, 2, 3, 4], [3, 4]]


async def test_who_misses_something_is_told_from_there(folder: Path) -> None:
    (folder / "told.json").write_text('{"acked": 3}')
    listener = Listener(Expects(2), everything)
    await work(folder, listener)
    assert listener.numbers() == [[4], [2, 3, 4]]


async def test_an_answer_that_acknowledges_nothing_is_no_answer(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener(Taken(0), Taken(0), everything)
    await work(folder, listener)
    assert listener.numbers() == [[1, 2, 3, 4]] * 3
    assert "acknowledges 0, as before" in caplog.text


async def test_silence_is_met_with_the_same_words_for_as_long_as_the_patience_lasts(folder: Path) -> None:
    listener = Listener(Undelivered("away"), Undelivered("away"), everything)
    await work(folder, listener)
    assert listener.numbers() == [[1, 2, 3, 4]] * 3
    assert Notes(folder).dead() is None


async def test_the_last_words_of_a_run_become_a_dead_letter_in_the_end(folder: Path) -> None:
    await work(folder, Listener(Undelivered("away")), patience_seconds=0.05)
    letter = Notes(folder).dead()
    assert letter is not None
    assert "could not be delivered" in letter.reason
    assert "away" in letter.reason
    assert letter.update.events is not None


async def test_what_is_refused_is_asked_only_once(folder: Path) -> None:
    listener = Listener(Rejected("HTTP 404"))
    await work(folder, listener)
    assert len(listener.heard) == 1
    letter = Notes(folder).dead()
    assert letter is not None
    assert (letter.reason, letter.run, letter.update.job_id) == ("HTTP 404", "job_1-a1", "123")


async def test_one_whose_place_was_taken_says_no_more(folder: Path) -> None:
    listener = Listener(Fenced())
    await work(folder, listener)
    assert len(listener.heard) == 1
    assert told(folder)["over"] is True


@pytest.mark.parametrize("answer", [Undelivered("away"), Rejected("HTTP 404")])
async def test_what_nobody_hears_is_left_where_it_can_be_read(folder: Path, answer: Exception) -> None:
    copy = folder / "there" / "spool.jsonl"
    await work(folder, Listener(answer), patience_seconds=0.2, left=LeftBehind(copy.as_uri(), folder))
    left = LeftSpool.parse(copy.read_bytes())
    assert [event.kind for event in left.events] == list(KINDS)
    assert left.liveness == Liveness(Vital.GONE, exit_code=1)


async def test_only_what_was_not_heard_is_left(folder: Path) -> None:
    copy = folder / "there" / "spool.jsonl"
    listener = Listener(Taken(2), Undelivered("away"))
    await work(folder, listener, patience_seconds=0.2, left=LeftBehind(copy.as_uri(), folder))
    assert [event.seq for event in LeftSpool.parse(copy.read_bytes()).events] == [3, 4]


async def test_who_may_say_no_more_leaves_copies_until_the_run_is_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = folder / "there" / "spool.jsonl"
    looks: list[Liveness] = []

    async def status(self: Keeper, handle: Handle) -> Liveness:
        looks.append(Liveness(Vital.ALIVE))
        if len(looks) < 30:
            return looks[-1]
        say(folder, *KINDS, "progress")
        return Liveness(Vital.GONE, exit_code=1)

    monkeypatch.setattr(Keeper, "status", status)
    await work(folder, Listener(Rejected("HTTP 404")), left=LeftBehind(copy.as_uri(), folder))
    left = LeftSpool.parse(copy.read_bytes())
    assert [event.seq for event in left.events] == [1, 2, 3, 4, 5]
    assert left.liveness == Liveness(Vital.GONE, exit_code=1)


async def test_the_last_copy_waits_for_a_store_that_is_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = folder / "there" / "spool.jsonl"
    tried: list[bytes] = []
    put = LeftBehind._put

    def away(self: LeftBehind, content: bytes) -> None:
        tried.append(content)
        if len(tried) < 4:
            raise OSError("away")
        put(self, content)

    monkeypatch.setattr(LeftBehind, "_put", away)
    await work(folder, Listener(Rejected("HTTP 404")), left=LeftBehind(copy.as_uri(), folder))
    assert LeftSpool.parse(copy.read_bytes()).liveness == Liveness(Vital.GONE, exit_code=1)
    copy.unlink()
    tried.clear()
    monkeypatch.setattr(LeftBehind, "_put", lambda self, content: away(self, b""))
    await work(
        folder, Listener(Rejected("HTTP 404")), left=LeftBehind((folder / "x").as_uri(), folder), patience_seconds=-1
    )
    assert len(tried) == 1, "but not for ever"


async def test_a_copy_that_fails_in_an_unexpected_way_is_not_the_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = folder / "there" / "spool.jsonl"
    failed: list[int] = []
    leave = LeftBehind.leave

    def fails(self: LeftBehind, report: RunReport, acked: int) -> bool:
        failed.append(acked)
        if len(failed) < 3:
            raise ValueError("who would have thought of that")
        return leave(self, report, acked)

    monkeypatch.setattr(LeftBehind, "leave", fails)

    def once_it_is_left(update: TrainingUpdate) -> Answer:
        if not copy.exists():
            raise Undelivered("away")
        return everything(update)

    await work(folder, Listener(once_it_is_left), left=LeftBehind(copy.as_uri(), folder))
    assert len(failed) >= 3


def test_a_copy_that_comes_late_does_not_take_the_place_of_the_last(folder: Path) -> None:
    copy = folder / "there" / "spool.jsonl"
    left = LeftBehind(copy.as_uri(), folder)
    assert left.leave(RunReport.of(RUN, Liveness(Vital.GONE, exit_code=1)), 0)
    left.leave(RunReport.of(RUN, Liveness(Vital.ALIVE)), 0)
    assert LeftSpool.parse(copy.read_bytes()).liveness == Liveness(Vital.GONE, exit_code=1)


async def test_a_courier_that_was_cancelled_leaves_nothing_over_the_last_copy_of_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, entered, go, put = folder / "there" / "spool.jsonl", threading.Event(), threading.Event(), LeftBehind._put
    left = LeftBehind(copy.as_uri(), folder)

    def slowly(self: LeftBehind, content: bytes) -> None:
        if not entered.is_set():
            entered.set()
            go.wait(60)
        put(self, content)

    monkeypatch.setattr(LeftBehind, "_put", slowly)
    end = (folder / "gone.json").rename(folder / "later.json")
    listener = Listener(Rejected("HTTP 404"))
    with monkeypatch.context() as alive:
        alive.setattr(Keeper, "status", AsyncMock(return_value=Liveness(Vital.ALIVE)))
        first = asyncio.create_task(work(folder, listener, left=left))
        await asyncio.to_thread(entered.wait, 60)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    end.rename(folder / "gone.json")
    Notes(folder).bury_dead()
    threading.Timer(0.2, go.set).start()
    await work(folder, Listener(Rejected("HTTP 404")), left=left)
    go.wait(60)
    await asyncio.sleep(0.1)
    assert LeftSpool.parse(copy.read_bytes()).liveness.vital is Vital.GONE


async def test_who_is_heard_leaves_no_copy(folder: Path) -> None:
    copy = folder / "there" / "spool.jsonl"
    await work(folder, Listener(everything), left=LeftBehind(copy.as_uri(), folder))
    assert not copy.exists()


async def test_a_copy_that_cannot_be_left_keeps_nobody_from_telling(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "there").write_text("a file")

    def once_it_is_tried(update: TrainingUpdate) -> Answer:
        if "cannot leave a copy" not in caplog.text:
            raise Undelivered("away")
        return everything(update)

    listener = Listener(once_it_is_tried)
    await work(folder, listener, left=LeftBehind((folder / "there" / "spool.jsonl").as_uri(), folder))
    assert told(folder)["over"] is True
    assert caplog.text.count("cannot leave a copy") == 1


async def test_who_keeps_no_numbers_hears_the_end_of_a_run_that_said_none(folder: Path) -> None:
    say(folder, "started", "progress")
    listener = Listener(Taken())
    await work(folder, listener)
    assert [update.status for update in listener.heard] == ["running", "failed"]
    assert "exit code 1" in (listener.heard[-1].error or "")
    await work(folder, again := Listener(Taken()))
    assert again.heard == []


async def test_who_keeps_no_numbers_hears_one_end_only(folder: Path) -> None:
    (folder / "told.json").write_text('{"acked": 4, "numbers": false, "ended": true}')
    listener = Listener(Taken())
    await work(folder, listener)
    assert listener.heard == []


async def test_who_keeps_no_numbers_hears_of_each_epoch_however_late(folder: Path) -> None:
    progress = {"epochs": 2, "epoch_finished": True, "metrics": {"loss": 0.5}}
    epochs = [Event(seq=n, kind="progress", at_ms=n, data={"epoch": n, **progress}) for n in (1, 2)]
    last = Event(seq=3, kind="succeeded", at_ms=3, data={"artifacts": [], "metrics": {"top1": 1.0}})
    (folder / "spool.jsonl").write_text("".join(f"{event.model_dump_json()}\n" for event in (*epochs, last)))
    await work(folder, listener := Listener(Taken()))
    assert [update.metrics for update in listener.heard] == [
        {"epoch": 0.0, "loss": 0.5},
        {"epoch": 1.0, "loss": 0.5},
        {"top1": 1.0},
    ]


async def test_who_keeps_numbers_hears_many_epochs_at_once(folder: Path) -> None:
    events = [
        Event(seq=n, kind="progress", at_ms=n, data={"epoch": n, "epochs": 4, "epoch_finished": True})
        for n in (1, 2, 3, 4)
    ]
    (folder / "spool.jsonl").write_text("".join(f"{event.model_dump_json()}\n" for event in events))
    await work(folder, listener := Listener(everything))
    assert listener.numbers() == [[1], [2, 3, 4]], "the first tells whether it keeps numbers"


async def test_who_keeps_numbers_finds_out_by_itself(folder: Path) -> None:
    say(folder, "started", "progress")
    listener = Listener(everything)
    await work(folder, listener)
    assert [update.status for update in listener.heard] == ["running"]


async def test_a_mistake_of_ours_is_logged_and_the_run_told_of_all_the_same(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(RuntimeError("a mistake"), everything)
    await work(folder, listener)
    assert listener.numbers() == [[1, 2, 3, 4]] * 2
    assert "a mistake" in caplog.text
