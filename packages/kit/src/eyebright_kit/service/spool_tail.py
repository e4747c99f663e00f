"""Follows a spool that another process writes."""

from collections.abc import Callable
from pathlib import Path

from eyebright_wire.events import Event


class SpoolTail:
    """Reads each whole line once. A torn last line is left for the next look: its writer may still be at it, or cut it off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    @property
    def grown(self) -> bool:
        """There is something that was not read yet. One look at the folder, no reading."""
        try:
            return self._path.stat().st_size > self._offset
        except OSError:
            return False

    def read(self, after: int, limit: int, ends: Callable[[Event], bool] | None = None) -> tuple[Event, ...]:
        """The next events with seq > `after`, at most `limit`, and none after the first that `ends` is true of. Raises OSError
        when the spool cannot be read now."""
        found: list[Event] = []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while len(found) < limit and (event := Event.from_line(line := file.readline())):
                self._offset += len(line)
                if event.seq > after:
                    found.append(event)
                    if ends is not None and ends(event):
                        break
        return tuple(found)

    def rewind(self) -> None:
        """Reads everything again."""
        self._offset = 0
