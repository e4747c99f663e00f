"""What a person sees of an upload: how much, how fast, how long still; and whether it goes on where it was cut short."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from eyebright.cli.terminal import notes, say
from eyebright.client.files import Told
from eyebright.errors import StorageFull, Unavailable


@contextmanager
def sending(title: str, *, resumable: bool = False, get_time: Callable[[], float] = time.monotonic) -> Iterator[Told]:
    """A bar for as long as the context lasts; what this gives is told how many bytes have gone.

    Of a `resumable` one that is cut short the person learns that it can go on.
    """
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    title_column = TextColumn("{task.description}", markup=False)
    bar = Progress(title_column, *columns, console=notes(), transient=True, get_time=get_time)
    sent = _Sent(bar, title)
    try:
        with bar:
            yield sent.told
    except (KeyboardInterrupt, Unavailable, StorageFull):
        if resumable and sent.bytes:
            say("What was sent is kept by the server for some hours: the same command goes on from there.")
        raise


class _Sent:
    def __init__(self, bar: Progress, title: str) -> None:
        self.bytes = 0
        self._bar = bar
        self._task = bar.add_task(title, total=None)
        self._began = False

    def told(self, done: int, total: int | None) -> None:
        """The first word is where it begins: what an earlier command has sent is no feat of this one."""
        self.bytes = done
        if self._began:
            self._bar.update(self._task, completed=done)
        else:
            self._bar.reset(self._task, completed=done, total=total)
        self._began = True
