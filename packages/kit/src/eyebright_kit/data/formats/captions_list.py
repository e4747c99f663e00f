"""Lists that say of many images what they show, in JSON lines or JSON: how they are known, and what they say of which image."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, cast

from eyebright_kit.data.caption import caption_of
from eyebright_kit.data.documents import MAX_INDEX_BYTES, Unreadable, decode_json, read_json, read_utf_8
from eyebright_kit.data.format import Remark
from eyebright_kit.data.pairs import beginning, glimpsed
from eyebright_kit.data.tree import Tree
from eyebright_kit.data.walk import named_like_image

LISTS = (".jsonl", ".json")
_LIST_NAMES = frozenset({"caption", "captions", "prompt", "prompts"})
_FILE_FIELDS = ("file_name", "filename", "file", "image", "image_path", "path")
_TEXT_FIELDS = ("caption", "text", "prompt")
_TAGS = "tags"
_TEXT_KEYS = frozenset({*_TEXT_FIELDS, _TAGS})
_BEGINNING = 65_536
_FEW = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """What a list says of an image, and where it says so."""

    caption: str
    file: Path
    mark: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What all lists say, by image."""

    entries: Mapping[Path, Entry] = field(default_factory=dict[Path, Entry])
    remarks: tuple[Remark, ...] = ()


def first_lists(tree: Tree) -> Iterator[Path]:
    for ending in LISTS:
        yield from islice(glimpsed(tree, ending), _FEW)


def is_list(path: Path, tree: Tree) -> bool:
    """A list of captions, by its name or by the first entry."""
    if path.stem.casefold() in _LIST_NAMES:
        return True
    text = beginning(path, tree, _BEGINNING).decode("utf-8-sig", "ignore").strip()
    try:
        if path.suffix.lower() == ".jsonl":
            return _is_row(_first(text))
        return _is_row(_first(text[1:])) if text.startswith("[") else _is_first_pair(text)
    except (ValueError, RecursionError):
        return False


def _first(text: str) -> object:
    """The first JSON value of a text that may be cut off after it."""
    return json.JSONDecoder().raw_decode(text.lstrip())[0]


def _is_first_pair(text: str) -> bool:
    """`{"1": {"caption": …` or `{"1.jpg": "…`."""
    pair = text.removeprefix("{").lstrip()
    name, end = json.JSONDecoder().raw_decode(pair)
    value = _first(pair[end:].lstrip().removeprefix(":"))
    if isinstance(value, str):
        return named_like_image(Path(str(name)))
    return isinstance(value, dict) and not _TEXT_KEYS.isdisjoint(cast("dict[str, Any]", value))


def _is_row(value: object) -> bool:
    """Names an image, and says something of it."""
    if not isinstance(value, dict):
        return False
    fields = cast("dict[str, Any]", value)
    return _name_in(fields) is not None and not _TEXT_KEYS.isdisjoint(fields)


_Row: TypeAlias = tuple[str, "str | None", object]  # where it stands, the image if that is the key, what is said of it


def listed(tree: Tree, images: Sequence[Path], indexes: Sequence[Path]) -> Listed:
    """Raises Unreadable for a list that is none."""
    entries: dict[Path, Entry] = {}
    remarks: list[Remark] = []
    for index in indexes:
        names = _Names(index.parent, tree.root, images)
        unread: dict[str, None] = {}
        for mark, key, value in _rows(index, tree.root):
            made = _entry(index, mark, key, value, unread)
            image = names.find(made[0]) if not isinstance(made, Remark) else None
            if isinstance(made, Remark):
                remarks.append(made)
            elif image is None:
                remarks.append(Remark(index, "missing_image", caption_of(made[0])[:200], mark))
            elif image in entries:
                detail = (
                    f"the image is described in {entries[image].file.name}, {entries[image].mark or 'before'}, already"
                )
                remarks.append(Remark(index, "unsupported_annotations", detail, mark))
            else:
                entries[image] = made[1]
        remarks += [Remark(index, "unsupported_annotations", what) for what in unread]
    return Listed(entries, tuple(remarks))


def _rows(index: Path, root: Path) -> Iterator[_Row]:
    if index.suffix.lower() == ".jsonl":
        content = read_utf_8(index, root, MAX_INDEX_BYTES)
        for number, line in enumerate(content.split(b"\n"), 1):
            if line.strip():
                yield str(number), None, line
        return
    content: object = read_json(index, root, object, MAX_INDEX_BYTES)
    if isinstance(content, dict):
        pairs = cast("dict[str, object]", content).items()
    elif isinstance(content, list):
        pairs = ((None, value) for value in cast("list[object]", content))
    else:
        raise Unreadable(
            index, f"it is {type(content).__name__}; expected a list, or an object with an entry for each image"
        )
    yield from ((f"entry {number}", key, value) for number, (key, value) in enumerate(pairs, 1))


def _entry(
    index: Path, mark: str, key: str | None, value: object, unread: dict[str, None]
) -> tuple[str, Entry] | Remark:
    """The image's name and what is said of it, or why that cannot be told. `unread` gains what is passed over."""
    try:
        fields = _fields(index, mark, value)
    except Unreadable as error:
        return Remark(index, error.code, error.detail, mark)
    name = key or _name_in(fields)
    if name is None:
        return Remark(
            index, "broken_annotations", f"it names no image; expected one of {', '.join(_FILE_FIELDS)}", mark
        )
    parts = [_text_in(fields, unread), _tags_in(fields)]
    if None in parts:
        return Remark(index, "broken_annotations", "what it says of the image is no text", mark)
    others = sorted(fields.keys() - _TEXT_KEYS - set(_FILE_FIELDS))
    unread.update(dict.fromkeys(f"the field '{caption_of(other)[:60]}' is not read" for other in others))
    return name, Entry(caption_of(", ".join(part for part in parts if part)), index, mark)


def _fields(index: Path, mark: str, value: object) -> dict[str, Any]:
    if isinstance(value, bytes):
        return decode_json(value, dict[str, Any], index, int(mark))
    if isinstance(value, str):
        return {_TEXT_FIELDS[0]: value}
    if not isinstance(value, dict):
        raise Unreadable(index, f"it is {type(value).__name__}; expected an object")
    return cast("dict[str, Any]", value)


def _name_in(fields: Mapping[str, Any]) -> str | None:
    return next((fields[name] for name in _FILE_FIELDS if name in fields and isinstance(fields[name], str)), None)


def _text_in(fields: Mapping[str, Any], unread: dict[str, None]) -> str | None:
    """The first text there is; empty when there is none, None when it is something else."""
    found = [name for name in _TEXT_FIELDS if fields.get(name) is not None]
    unread.update(dict.fromkeys(f"the field {name!r} is not read beside {found[0]!r}" for name in found[1:]))
    text: object = fields[found[0]] if found else ""
    if isinstance(text, list) and text:
        first, *others = cast("list[Any]", text)
        unread.update(dict.fromkeys(["of several captions for an image the first is read"] if others else []))
        text = first
    return text if isinstance(text, str) else None


def _tags_in(fields: Mapping[str, Any]) -> str | None:
    tags: object = fields.get(_TAGS) or ""
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in cast("list[Any]", tags)):
        return ", ".join(cast("list[str]", tags))
    return tags if isinstance(tags, str) else None


class _Names:
    """Which image a name in a list means. Only looked up, never opened: a name may say anything."""

    def __init__(self, folder: Path, root: Path, images: Sequence[Path]) -> None:
        self._whole: dict[str, Path] = {}
        self._last: dict[str, Path | None] = {}  # None: of several images
        for start in (f"{folder}/", f"{root}/"):
            for image in images:
                if str(image).startswith(start):
                    self._learn_whole(str(image)[len(start) :], image)
        for image in images:
            self._learn_last(image.name, image)
            self._learn_last(image.stem, image)

    def _learn_whole(self, name: str, image: Path) -> None:
        self._whole.setdefault(name, image)
        self._whole.setdefault(name.removesuffix(image.suffix), image)

    def _learn_last(self, name: str, image: Path) -> None:
        self._last[name] = image if self._last.get(name, image) == image else None

    def find(self, name: str) -> Path | None:
        """By the whole name, from the folder of the list or the root; of an absolute one (kohya's full_path) the longest end
        that is known. The last part alone must be unique."""
        parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
        absolute = len(parts) > 1 and (not parts[0] or parts[0].endswith(":"))
        ends = ["/".join(parts[start:]) for start in range(len(parts) if absolute else 1)]
        return next((self._whole[end] for end in ends if end in self._whole), self._last.get(ends[-1]))
