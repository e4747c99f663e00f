"""Tell what a JSON file is by its beginning, without reading all of it."""

import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from pathlib import Path

from eyebright_kit.data.pairs import beginning
from eyebright_kit.data.tree import Tree

_BYTES = 64 * 1024  # descriptions and licences can come first
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]')


@dataclass(frozen=True, slots=True)
class JsonStart:
    """The first bytes of a file. Of one that cannot be read there are none."""

    text: bytes

    @classmethod
    def of(cls, path: Path, tree: Tree) -> "JsonStart":
        return cls(beginning(path, tree, _BYTES).removeprefix(BOM_UTF8).lstrip())

    @property
    def bracket(self) -> bytes:
        return self.text[:1]

    def keys(self, wanted: int) -> set[bytes]:
        """Those at a depth: 1 for the keys of the outermost object."""
        keys: set[bytes] = set()
        depth = 0
        for token in _TOKEN.finditer(self.text):
            if token[0] in (b"{", b"["):
                depth += 1
            elif token[0] in (b"}", b"]"):
                depth -= 1
            elif token[2] and depth == wanted:
                keys.add(token[1])
        return keys
