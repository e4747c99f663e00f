"""Messages that were put aside because nobody can be told what is wrong with them."""

import hashlib
from dataclasses import dataclass

from eyebright.core.scope import DEFAULT_PROJECT
from eyebright_wire.queue import ParkedReason

#: A message is kept as it came up to here; of a larger one only its beginning, and it is never parsed.
WHOLE_BYTES = 2**20
HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """`id` follows from the bytes: the same message parked again is still one."""

    id: str
    reason: ParkedReason
    message: str
    body: bytes
    size_bytes: int
    parked_at_ms: int
    complete: bool  # else only its beginning is kept
    project: str = DEFAULT_PROJECT
    task_id: str | None = None  # where it says one that can be read


def kept_of(body: bytes) -> bytes:
    """What of a message is looked at, passed on and kept."""
    return body if len(body) <= WHOLE_BYTES else body[:HEAD_BYTES]


def parked_id(body: bytes, size_bytes: int, project: str = DEFAULT_PROJECT) -> str:
    """The same bytes in two projects are two messages."""
    digest = hashlib.sha256(body)
    if project != DEFAULT_PROJECT:
        digest.update(f"\0{project}".encode())
    if size_bytes != len(body):
        digest.update(f"… of {size_bytes}".encode())
    return f"msg_{digest.hexdigest()[:24]}"
