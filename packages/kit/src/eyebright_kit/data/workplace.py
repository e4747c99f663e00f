"""The files that reading a data set writes: samples, masks, changes."""

from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self

from eyebright_kit.data.changes import ChangeLog
from eyebright_kit.data.spool import Spool


class Workplace:
    """Below a folder of the caller's, who removes it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._masks = folder / "masks"
        self._masks.mkdir(exist_ok=True)
        self._files = ExitStack()
        self.spool = self._files.enter_context(closing(Spool(folder / "samples.jsonl")))
        self.changes = self._files.enter_context(closing(ChangeLog(folder / "changes.jsonl")))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def mask(self, sha256: str) -> Path:
        """Where the mask with these bytes lies."""
        return self._masks / sha256
