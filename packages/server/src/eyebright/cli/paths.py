"""Many files named in few words."""

from collections.abc import Sequence

#: Paths shown of each kind; `--json` has more of them.
SHOWN = 5


def some_of(paths: Sequence[str], count: int) -> str:
    """`cat/a.jpg, cat/b.jpg and 12 more`: the first of `count`."""
    shown = paths[:SHOWN]
    rest = count - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
