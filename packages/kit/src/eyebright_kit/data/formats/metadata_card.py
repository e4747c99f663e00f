"""The names of classes of a Hugging Face data set: in the YAML that its README.md begins with, or in its dataset_infos.json."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import yaml

from eyebright_kit.data.documents import decode_yaml, read_json, read_text
from eyebright_kit.data.tree import printable

CARDS = frozenset({"readme.md", "dataset_infos.json"})
#: The names in the order of their numbers, by column.
Names: TypeAlias = Mapping[str, tuple[str, ...]]

_FENCE = "---"
_STRUCTURE = frozenset({"dtype", "list", "sequence", "struct", "feature", "features", "class_label"})
_DEEPEST = 16


def names_in(card: Path, root: Path) -> Names:
    """By column; empty when it has none. Raises Unreadable."""
    if card.suffix.lower() == ".json":
        content: object = read_json(card, root, object)
    else:
        content = decode_yaml(_front_matter(read_text(card, root)), card)
    found: dict[str, tuple[str, ...]] = {}
    for column, names in _class_labels(content, "", 0):
        found.setdefault(column, names)
    return found


def card_of(columns: Iterable[tuple[str, Any]]) -> str:
    """A README.md that tells these features, each a name and what it is."""
    features = [{"name": name, **kind} for name, kind in columns]
    matter = yaml.safe_dump({"dataset_info": {"features": features}}, sort_keys=False, allow_unicode=True)
    return f"{_FENCE}\n{matter}{_FENCE}\n"


def class_label(names: Iterable[str]) -> dict[str, Any]:
    return {"class_label": {"names": {str(number): name for number, name in enumerate(names)}}}


def _front_matter(text: str) -> str:
    first, *lines = text.splitlines() or [""]
    return "\n".join(lines[: lines.index(_FENCE)]) if first.strip() == _FENCE and _FENCE in lines else ""


def _class_labels(node: object, column: str, depth: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Wherever they are: the features of a list, of a sequence or of a struct are written in three ways."""
    if depth > _DEEPEST:
        return
    if isinstance(node, list):
        for inner in cast("list[object]", node):
            yield from _class_labels(inner, column, depth + 1)
    elif isinstance(node, dict):
        fields = cast("dict[object, object]", node)
        column = name if isinstance(name := fields.get("name"), str) else column
        if names := _names(fields.get("class_label") if "class_label" in fields else fields):
            yield column, names
        for key, inner in fields.items():
            yield from _class_labels(inner, column if key in _STRUCTURE else str(key), depth + 1)


def _names(node: object) -> tuple[str, ...]:
    """Of `{"names": …}`, which is a list, or a map from each number to its name."""
    names = cast("dict[object, object]", node).get("names") if isinstance(node, dict) else None
    if isinstance(names, dict):
        numbered = {str(number): name for number, name in cast("dict[object, object]", names).items()}
        names = [numbered.get(str(number)) for number in range(len(numbered))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in cast("list[object]", names)):
        return ()
    return tuple(class_name(name) for name in cast("list[str]", names))


def class_name(name: str) -> str:
    """As text that is safe to show; YAML can hold half a character, which is not."""
    return printable(name.encode("utf-8", "backslashreplace").decode())
