"""An object store in a dict."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from eyebright.errors import InvalidRequest, NotFound
from eyebright.ports.objects import Lying, ObjectInfo, Signing
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef, Grant

_ROOT = Path("/memory")


class MemoryObjects:
    def __init__(self) -> None:
        self.bytes: dict[str, bytes] = {}

    async def put(self, files: Sequence[tuple[str, Path]], *, owned: bool = False) -> int:
        new = [(key, path) for key, path in files if key not in self.bytes]
        self.bytes.update([(key, self._read(path)) for key, path in new])
        return len(new)

    async def pour(self, key: str, blocks: AsyncIterator[bytes]) -> int:
        self.bytes[key] = b"".join([block async for block in blocks])
        return len(self.bytes[key])

    async def absent(self, keys: Sequence[str]) -> list[str]:
        return [key for key in keys if key not in self.bytes]

    async def sizes(self, keys: Sequence[str]) -> Mapping[str, int]:
        return {key: len(self.bytes[key]) for key in keys if key in self.bytes}

    async def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.bytes if key.startswith(prefix))

    async def listed(self, prefix: str) -> Mapping[str, Lying]:
        return {key: Lying(len(self.bytes[key]), since_ms=0) for key in await self.keys(prefix)}

    async def remove(self, keys: Sequence[str]) -> None:
        gone = [
            known for known in self.bytes for key in keys if known == key or (key[-1] == "/" and known.startswith(key))
        ]
        for key in gone:
            self.bytes.pop(key, None)

    async def stat(self, key: str) -> ObjectInfo:
        found = self._get(key)
        return ObjectInfo(key, len(found), hashlib.sha256(found).hexdigest())

    async def open(self, key: str, offset: int = 0) -> AsyncIterator[bytes]:
        yield self._get(key)[offset:]

    async def local(self, key: str) -> Path:
        if not any(known.startswith(key) for known in self.bytes):
            raise NotFound(f"no object {key}")
        return _ROOT / key

    def grant(self, prefix: str) -> Grant:
        return Grant(uri=f"file:///memory/{prefix}")

    async def signed(self, wanted: Sequence[Signing]) -> Sequence[str]:
        raise InvalidRequest(f"{len(wanted)} URLs of what is in memory")

    def workplace(self, prefix: str) -> Grant:
        return self.grant(prefix)

    async def leave(self, prefix: str) -> None:
        """What is in memory is the store itself."""

    def _read(self, path: Path) -> bytes:
        """A file, or what `local` gave."""
        return self._get(path.relative_to(_ROOT).as_posix()) if path.is_relative_to(_ROOT) else path.read_bytes()

    def _get(self, key: str) -> bytes:
        if key not in self.bytes:
            raise NotFound(f"no object {key}")
        return self.bytes[key]


def artifact(path: str, content: bytes, kind: ArtifactKind = ArtifactKind.MODEL) -> ArtifactRef:
    return ArtifactRef(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), kind=kind)
