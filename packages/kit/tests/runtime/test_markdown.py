from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from eyebright_kit.runtime.markdown import plain
from eyebright_kit.testing.hostile import CLASSES

MARKDOWN = MarkdownIt("commonmark").enable("table")


def shown(text: str) -> str:
    """What a reader sees of a name in a cell of a table and behind a colon; AssertionError where it does more."""
    rendered = MARKDOWN.parse(f"| name |\n| --- |\n| x {plain(text)} x |\n\nClasses: {plain(text)}.\n")
    cell, line = (token for token in rendered if token.type == "inline" and token.content != "name")
    for token in (*(cell.children or ()), *(line.children or ())):
        assert token.type in ("text", "text_special"), token
    words = ["".join(token.content for token in inline.children or ()) for inline in (cell, line)]
    assert words[0].removeprefix("x ").removesuffix(" x") == words[1].removeprefix("Classes: ").removesuffix(".")
    return words[1].removeprefix("Classes: ").removesuffix(".")


def test_what_attacks_is_shown_as_it_is():
    for name in CLASSES:
        assert shown(name) == " ".join(name.split())


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1).filter(str.strip))
def test_any_name_is_shown_as_it_is(name: str):
    assert shown(f"a{name}") == " ".join(f"a{name}".split())
