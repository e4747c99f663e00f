"""Copies of objects on this machine, bounded: each is whole or not there, and the one that was used longest ago goes first.

It begins empty: what an earlier server has copied may have changed since, or may not have reached the disk.
"""

import shutil
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from eyebright.errors import StorageFull, is_full
from eyebright_kit.disk import free_bytes

_READ_ONLY = 0o444


@dataclass(frozen=True, slots=True)
class Room:
    """What copies may take. One that was handed out stays for `kept_seconds`, whatever the limit says."""

    limit_bytes: int = 20 * 2**30
    spare_bytes: int = 512 * 2**20  # that must stay free on the disk
    kept_seconds: float = 900


@dataclass(slots=True)
class _Copy:
    size_bytes: int
    tag: str
    used_at: float


class Cache:
    """Used by many threads at once."""

    def __init__(self, folder: Path, room: Room, now: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._room = room
        self._now = now
        self._incoming = folder / ".incoming"
        self._copies: OrderedDict[str, _Copy] = OrderedDict()  # those used longest ago first
        self._coming_bytes = 0
        self._lock = threading.Lock()
        self._turns: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        shutil.rmtree(folder, ignore_errors=True)
        self._incoming.mkdir(parents=True)

    def get(self, key: str, tag: str | None = None) -> Path | None:
        """The copy of an object, of the content with that tag where it matters; None when there is none."""
        with self._lock:
            copy = self._copies.get(key)
            if copy is None or tag not in (None, copy.tag):
                return None
            copy.used_at = self._now()
            self._copies.move_to_end(key)
            return self.folder / key

    def filled(self, key: str, tag: str, size_bytes: int, write: Callable[[Path], None]) -> Path:
        """The copy, which `write` makes when there is none; who comes meanwhile waits for it. Raises StorageFull."""
        with self._turn(key):
            if found := self.get(key, tag):
                return found
            with self._coming(size_bytes), self._passing() as passing:
                write(passing)
                passing.chmod(_READ_ONLY)
                return self._place(key, tag, size_bytes, passing)

    def drop(self, key: str) -> None:
        """Forget a copy; of a key that ends in `/` all below it."""
        with self._lock:
            for known in [
                known for known in self._copies if known == key or (key[-1] == "/" and known.startswith(key))
            ]:
                self._remove(known)

    def keys(self, prefix: str) -> list[str]:
        with self._lock:
            return [key for key in self._copies if key.startswith(prefix)]

    def _turn(self, key: str) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(key, threading.Lock())

    @contextmanager
    def _coming(self, size_bytes: int) -> Generator[None]:
        """Room that is spoken for while a copy is made."""
        with self._lock:
            self._make_room(size_bytes)
            self._coming_bytes += size_bytes
        try:
            yield
        finally:
            with self._lock:
                self._coming_bytes -= size_bytes

    @contextmanager
    def _passing(self) -> Generator[Path]:
        passing = self._incoming / uuid.uuid4().hex
        try:
            yield passing
        except OSError as error:
            if is_full(error):
                raise StorageFull(
                    f"the disk that holds {self.folder} is full; free some space and try again"
                ) from error
            raise
        finally:
            passing.unlink(missing_ok=True)

    def _make_room(self, size_bytes: int) -> None:
        used = sum(copy.size_bytes for copy in self._copies.values()) + self._coming_bytes
        too_much = used + size_bytes - self._room.limit_bytes
        needed = self._coming_bytes + size_bytes + self._room.spare_bytes
        for key in self._evictable():
            if too_much <= 0 and free_bytes(self.folder) >= needed:
                return
            too_much -= self._copies[key].size_bytes
            self._remove(key)
        if (free := free_bytes(self.folder)) < needed:
            raise StorageFull(
                f"a copy of {size_bytes:,} bytes is needed in {self.folder} and {self._room.spare_bytes:,} must stay free, "
                f"but only {free:,} are; make room"
            )

    def _evictable(self) -> list[str]:
        latest = self._now() - self._room.kept_seconds
        return [key for key, copy in self._copies.items() if copy.used_at <= latest]

    def _place(self, key: str, tag: str, size_bytes: int, passing: Path) -> Path:
        target = self.folder / key
        with self._lock:
            target.parent.mkdir(parents=True, exist_ok=True)
            passing.replace(target)
            self._copies[key] = _Copy(size_bytes, tag, self._now())
            self._copies.move_to_end(key)
        return target

    def _remove(self, key: str) -> None:
        self._copies.pop(key)
        (self.folder / key).unlink(missing_ok=True)
