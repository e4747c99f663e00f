"""Finished models in a folder of this machine, or of a disk that it shares."""

import asyncio
import os
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from eyebright.errors import StorageFull, StorageUnusable, Unavailable, is_full
from eyebright.stores.shelves.content import changed, present
from eyebright_kit.disk import copy_durably, publish_durably, sha256_of, sync


class FolderShelf:
    def __init__(self, root: Path) -> None:
        self._root = root

    def address(self, name: str) -> str:
        return str(self._root / name)

    async def probe(self) -> None:
        await asyncio.to_thread(self._probe)

    async def read(self, name: str) -> bytes | None:
        return await asyncio.to_thread(self._read, self._root / name)

    async def put(self, name: str, content: bytes | Path) -> None:
        await asyncio.to_thread(self._put, self._root / name, content)

    async def create(self, name: str, content: Path, sha256: str) -> bool:
        return await asyncio.to_thread(self._create, self._root / name, content, sha256)

    async def close(self) -> None:
        """There is nothing to give back."""

    def _probe(self) -> None:
        """It is made with the first file, so one without a name is made where that would be: what rights say is not all, least of
        all to root."""
        there = next(place for place in (self._root, *self._root.parents) if os.path.lexists(place))
        if not there.is_dir():
            raise self._unusable(f"{there} is no folder")
        try:
            with tempfile.TemporaryFile(prefix=".eyebright-", dir=there) as file:
                file.write(b"x")
        except OSError as error:
            if is_full(error):
                raise StorageFull(f"there is no room for files in {there}; free some space") from error
            raise self._unusable(f"{there} cannot be written ({error.strerror})") from error

    def _unusable(self, found: str) -> StorageUnusable:
        return StorageUnusable(f"{found}, so nothing can be put into {self._root}; put that right")

    def _read(self, path: Path) -> bytes | None:
        with self._explained(path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def _put(self, path: Path, content: bytes | Path) -> None:
        with self._explained(path), present(content):
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                copy_durably(content, path)
            else:
                publish_durably(path, content)

    def _create(self, path: Path, content: Path, sha256: str) -> bool:
        with self._explained(path), present(content):
            try:
                return sha256_of(path) == sha256
            except FileNotFoundError:
                return _linked(path, content, sha256)

    @contextmanager
    def _explained(self, path: Path) -> Generator[None]:
        try:
            yield
        except OSError as error:
            if is_full(error):
                raise StorageFull(f"there is no room for {path}; free some space") from error
            raise Unavailable(f"{path} cannot be written or read: {error.strerror}; put that right") from error


def _linked(path: Path, content: Path, sha256: str) -> bool:
    """A copy that gets its name by a link, which never takes one that is taken."""
    copy = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        if copy_durably(content, copy)[1] != sha256:
            raise changed(content)
        os.link(copy, path)
    except FileExistsError:
        return sha256_of(path) == sha256
    finally:
        copy.unlink(missing_ok=True)
    sync(path.parent)
    return True
