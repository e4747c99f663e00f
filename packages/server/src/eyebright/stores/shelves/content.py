"""The file that is put on a shelf, which somebody may edit or remove meanwhile."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from eyebright.errors import Conflict, NotFound


@contextmanager
def present(content: bytes | Path) -> Generator[None]:
    """In which a file is read. Raises NotFound when it is not there, or not any more."""
    try:
        yield
    except FileNotFoundError as error:
        if error.filename != str(content):
            raise
        raise NotFound(f"{content} was to be put, and is not there any more; try again once it is back") from error


def changed(content: Path) -> Conflict:
    return Conflict(f"{content} is not the file that was to be put: it was changed since; try again")
