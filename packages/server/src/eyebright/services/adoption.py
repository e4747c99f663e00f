"""Take in the result that a foreign trainer has left at an address: it becomes a file of its attempt, summed and never opened."""

import re

from eyebright.core.job import Attempt
from eyebright.ports.fetcher import Fetcher
from eyebright.ports.objects import ObjectStore, attempt_prefix, folder_of
from eyebright_kit.importing.handover import WORK
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef

#: What an address may end in to tell others what lies there; of its name nothing else is kept.
_SUFFIXES = ("safetensors", "onnx", "pt", "pth", "ckpt", "bin", "h5", "zip")
_SUFFIX = re.compile(rf"\.({'|'.join(_SUFFIXES)})(?:[?#].*)?", re.IGNORECASE | re.DOTALL)


class Adoption:
    def __init__(self, objects: ObjectStore, fetcher: Fetcher) -> None:
        self._objects = objects
        self._fetcher = fetcher

    async def adopted(self, attempt: Attempt, address: str) -> ArtifactRef:
        """What lies at the address, put below the attempt's own prefix. Once it is there nobody is asked for it again.

        Raises what a Fetcher does.
        """
        prefix, path = attempt_prefix(attempt.job_id, attempt.number), f"checkpoint{_suffix(address)}"
        if await self._objects.absent([prefix + path]):
            await self._bring(address, prefix, prefix + path)
        found = await self._objects.stat(prefix + path)
        return ArtifactRef(path=path, size_bytes=found.size_bytes, sha256=found.sha256, kind=ArtifactKind.CHECKPOINT)

    async def _bring(self, address: str, prefix: str, key: str) -> None:
        work = f"{prefix}{WORK}/"
        await self._objects.remove([work])  # what an earlier try has left
        file = await self._fetcher.fetch(address, folder_of(self._objects.workplace(work)))
        await self._objects.put([(key, file)], owned=True)
        await self._objects.remove([work])


def _suffix(address: str) -> str:
    found = _SUFFIX.search(address)
    return f".{found[1].lower()}" if found and found.end() == len(address) else ""
