"""Text of strangers inside Markdown that we write: `plain(name)` shows the name and nothing else."""

import re

#: What can begin emphasis, code, a link, HTML, an entity, a formula, or another cell of a table.
_MARKUP = re.compile(r"[\\`*_\[\]<>|~&$]")


def plain(text: str) -> str:
    """One line, inside a paragraph, a heading or a cell of a table; white space becomes single blanks."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def code(text: str) -> str:
    """The same in the letters of code, where a backslash means nothing but before what divides the cells of a table."""
    words = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{words}`"
