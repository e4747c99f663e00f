"""Which uploads lie among the objects, and whose they are."""

from collections.abc import Set
from typing import Protocol

from eyebright.core.kept_upload import KeptUpload


class KeptUploadStore(Protocol):
    async def add(self, upload: KeptUpload) -> None: ...

    async def find(self, upload_id: str) -> KeptUpload | None: ...

    async def ids(self) -> Set[str]:
        """Of all that there are, in whichever project: who asks is about to remove the files of others."""
        ...
