"""Files that survive a power cut: replaced as a whole, and on the disk, name and content, before anybody is told."""

import os
import tempfile
from pathlib import Path


def replace_durably(path: Path, text: str) -> None:
    """Readers see the old content or the new one. Never readable by others, not even for a moment (mkstemp makes it 0600).

    Raises OSError; then the old content is still there, and nothing else.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """fsync of a file's content, or of the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
