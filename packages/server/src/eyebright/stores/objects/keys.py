"""What may be the name of an object, in any store: `checked("jobs/j/a1/model.onnx")`."""

import re

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*/?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None


def checked(key: str) -> str:
    """Raises ValueError for anything that is not a plain relative path."""
    if not is_key(key):
        raise ValueError(f"{key!r} is no object key: expected letters, digits, . _ - and single slashes")
    return key


def checked_prefix(prefix: str) -> str:
    if not prefix.endswith("/"):
        raise ValueError(f"a grant opens a folder: {prefix!r} must end with a slash")
    return checked(prefix)


def content_of(key: str) -> str | None:
    """The sha256 of a blob, which is named by its content; None for what is named otherwise."""
    name = key.rpartition("/")[2]
    return name if _SHA256.fullmatch(name) else None
