"""The bar of an upload."""

import io

import pytest
from rich.console import Console

from eyebright.cli import sending as module
from eyebright.cli.sending import sending
from eyebright.errors import InvalidRequest, Unavailable

MB = 1_000_000
GOES_ON = "the same command goes on from there"


class Screen:
    """A terminal that keeps what was written; `now` is its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.file = io.StringIO()
        console = Console(file=self.file, force_terminal=True, width=120, color_system=None)
        monkeypatch.setattr(module, "notes", lambda: console)
        monkeypatch.setattr("eyebright.cli.terminal.notes", lambda: console)

    def time(self) -> float:
        return self.now

    @property
    def last(self) -> str:
        """The line as it was drawn last."""
        return next(
            line for line in reversed(self.file.getvalue().replace("\r", "\n").splitlines()) if "Sending" in line
        )


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    return Screen(monkeypatch)


def test_it_shows_bytes_rate_and_time_left(screen: Screen) -> None:
    with sending("Sending big [1].zip", get_time=screen.time) as told:
        for second in range(11):
            screen.now = second
            told(10 * MB * second, 500 * MB)
    assert "Sending big [1].zip" in screen.last
    assert "100.0/500.0 MB" in screen.last
    assert "10.0 MB/s" in screen.last
    assert "0:00:40" in screen.last


def test_what_an_earlier_command_has_sent_makes_no_rate(screen: Screen) -> None:
    with sending("Sending", get_time=screen.time) as told:
        for second in range(3):
            screen.now = second
            told((300 + 10 * second) * MB, 500 * MB)
    assert "320.0/500.0 MB" in screen.last
    assert "10.0 MB/s" in screen.last


def cut_short(sent: int, trouble: type[BaseException], *, resumable: bool = True) -> None:
    with sending("Sending", resumable=resumable) as told:
        told(sent, 2)
        raise trouble


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, Unavailable])
def test_one_that_is_cut_short_tells_how_it_goes_on(screen: Screen, trouble: type[BaseException]) -> None:
    with pytest.raises(trouble):
        cut_short(1, trouble)
    assert GOES_ON in screen.file.getvalue()


@pytest.mark.parametrize(
    ("sent", "trouble", "resumable"), [(0, KeyboardInterrupt, True), (1, InvalidRequest, True), (1, Unavailable, False)]
)
def test_it_does_not_say_so_where_that_is_no_help(
    screen: Screen, sent: int, trouble: type[BaseException], resumable: bool
) -> None:
    with pytest.raises(trouble):
        cut_short(sent, trouble, resumable=resumable)
    assert GOES_ON not in screen.file.getvalue()
