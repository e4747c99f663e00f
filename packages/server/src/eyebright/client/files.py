"""Bytes to and from the server: folders made into archives, uploads with progress, downloads that are whole or absent."""

import hashlib
import logging
import os
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx

from eyebright.errors import EyebrightError, InvalidRequest, NotFound
from eyebright_kit.data.tree import leads_out, printable, target

#: Called with (bytes so far, bytes in all); the total is None when the other side did not say.
Told = Callable[[int, int | None], None]
#: Called with each link that is not sent, and where it leads.
LeftOut = Callable[[Path, str], None]
CHUNK_BYTES = 1 << 20
_log = logging.getLogger(__name__)


def untold(done: int, total: int | None) -> None:
    """Nobody wants to know."""


def log_left_out(path: Path, to: str) -> None:
    _log.warning("not sent: %s is a link to %s", printable(str(path)), to)


@contextmanager
def archive_of(path: Path, left_out: LeftOut | None = None) -> Iterator[Path]:
    """A zip of the folder for as long as the context lasts; a zip is itself. Raises NotFound, or InvalidRequest.

    With `left_out` links that lead out of the folder or to nothing are no reason to refuse it.
    """
    if path.is_file():
        yield path
    elif path.is_dir():
        with tempfile.NamedTemporaryFile(prefix="eyebright-", suffix=".zip") as file:
            _pack(path, file, left_out)
            yield Path(file.name)
    else:
        raise NotFound(f"no file or folder {path}")


def save(response: httpx.Response, target: Path, *, sha256: str | None = None, told: Told = untold) -> Path:
    """Write the body to `target`, which appears only when whole. Raises EyebrightError when the bytes are not those promised."""
    if file := next(filter(Path.is_file, target.parents), None):
        raise InvalidRequest(f"{file} is a file; name a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("xb") as file:
            found = _drain(response, file, told)
        if sha256 is not None and found != sha256:
            raise EyebrightError(
                f"{target.name} arrived with sha256 {found[:12]}…, {sha256[:12]}… was promised; try again"
            )
        return part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _pack(folder: Path, file: IO[bytes], left_out: LeftOut | None) -> None:
    with zipfile.ZipFile(
        file, "w", zipfile.ZIP_STORED, strict_timestamps=False
    ) as archive:  # images are compressed already
        for path in sorted(below(folder)):
            if left_out and _is_broken_link(path, folder):
                left_out(path, target(path))
                continue
            _refuse_loose_link(path, folder)
            _refuse_nameless(path)
            _refuse_special(path)
            if path.is_file() or all(
                _is_broken_link(inner, folder) for inner in path.iterdir()
            ):  # a class can be empty
                archive.write(path, path.relative_to(folder))
    file.flush()


def below(folder: Path) -> Iterator[Path]:
    """Everything in the folder. Not by `rglob`, which passes over what it may not read as if it were empty."""

    def refuse(error: OSError) -> None:
        raise error

    for where, folders, files in os.walk(folder, onerror=refuse):
        yield from (Path(where, name) for name in (*folders, *files))


def _is_broken_link(path: Path, folder: Path) -> bool:
    """One that an import in place could not use either."""
    return path.is_symlink() and (leads_out(path, folder) or not path.exists())


def _refuse_loose_link(path: Path, folder: Path) -> None:
    """A link to a folder or to nothing would be dropped in silence, and one that leads out would send what nobody meant to."""
    if path.is_symlink() and (not path.is_file() or leads_out(path, folder)):
        raise InvalidRequest(
            f"{path} is a link to {target(path)}, which cannot be sent along; send a copy without links, as cp -RL makes it"
        )


def _refuse_special(path: Path) -> None:
    if not (path.is_file() or path.is_dir()):
        raise InvalidRequest(f"{path} is a pipe, a socket or a device, which cannot be sent; remove it")


def _refuse_nameless(path: Path) -> None:
    """A zip holds names as UTF-8, and a server would refuse anything else."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        name = os.fsencode(path).decode(errors="backslashreplace")
        raise InvalidRequest(f"the name of {name} is not valid UTF-8, so it cannot be sent; rename it") from None


def _drain(response: httpx.Response, file: IO[bytes], told: Told) -> str:
    length = response.headers.get("content-length")
    total = int(length) if length else None
    digest, done = hashlib.sha256(), 0
    for chunk in response.iter_bytes(CHUNK_BYTES):
        file.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        told(done, total)
    return digest.hexdigest()
