"""The list of all that a version leaves out or alters against its source: nothing is dropped that is not on it."""

import hashlib
from collections import Counter
from pathlib import Path

import msgspec
from msgspec import Struct

from eyebright_wire.datasets import Changes


class Change(Struct, frozen=True, omit_defaults=True):
    """One thing: the code of a finding or of a wish, where it was, what was special about it."""

    code: str
    source: str
    detail: str = ""


class ChangeLog:
    """Writes the list while a set is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._digest = hashlib.sha256()
        self._by_code: Counter[str] = Counter()

    def close(self) -> None:
        self._file.close()

    def add(self, code: str, source: str, detail: str = "") -> None:
        line = msgspec.json.encode(Change(code, source, detail)) + b"\n"
        self._file.write(line)
        self._digest.update(line)
        self._by_code[code] += 1

    def summary(self) -> Changes | None:
        """None when nothing was changed. The file is complete afterwards."""
        self._file.flush()
        if not self._by_code:
            return None
        by_code = dict(sorted(self._by_code.items()))
        return Changes(count=self._by_code.total(), by_code=by_code, sha256=self._digest.hexdigest())
