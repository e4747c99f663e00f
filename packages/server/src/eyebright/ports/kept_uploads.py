"""Which uploads lie among the objects, and whose they are."""

from typing import Protocol

from eyebright.core.kept_upload import KeptUpload


class KeptUploadStore(Protocol):
    async def add(self, upload: KeptUpload) -> None: ...

    async def find(self, upload_id: str) -> KeptUpload | None: ...
