"""Images with captions, as for LoRA training: what an image shows is said beside it, in a list, or by its folder.

    1.jpg  1.txt            a text of the same name; or 1.caption, which 1.txt goes before
    10_sks dog/1.jpg        kohya's folders: each image ten times, called "sks dog" where no text lies beside it
    captions.jsonl          a line for each image: {"file_name": "1.jpg", "text": "a dog"}
    meta_cap.json           kohya's metadata: {"1": {"caption": "a dog", "tags": "dog, grass"}}; or a list as above

A text of several lines is one caption, joined by blanks. (kohya trains on the first line alone, others on all: nothing is lost.)
An image that nothing is said of has an empty caption. Images without any of this, and not in class folders, are such a set too.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, cast

from eyebright_kit.data.caption import caption_of
from eyebright_kit.data.documents import MAX_INDEX_BYTES, Unreadable, decode_json, read_bytes, read_json, read_text
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Reading, Remark, shown_path
from eyebright_kit.data.pairs import (
    IMAGE_ROLES,
    TEXT_ROLES,
    Gathered,
    beginning,
    gather,
    glimpsed,
    split_within,
    top_of,
)
from eyebright_kit.data.tree import Listing, Tree, printable
from eyebright_kit.data.walk import named_like_image, split_of
from eyebright_kit.data.writing import Target, write_file
from eyebright_wire.datasets import Split

_TEXTS = (".txt", ".caption")  # the first goes before
_INDEXES = (".jsonl", ".json")
_UNREAD = (".csv", ".tsv", ".xlsx", ".parquet", ".tfrecord", ".mat", ".xml")
_INDEX_NAMES = frozenset({"caption", "captions", "prompt", "prompts"})
_FILE_FIELDS = ("file_name", "filename", "file", "image", "image_path", "path")
_TEXT_FIELDS = ("caption", "text", "prompt")
_TAGS = "tags"
_TEXT_KEYS = frozenset({*_TEXT_FIELDS, _TAGS})
_REGULARISATION = re.compile(r"reg(?:ulari[sz]ation)?(?:[ _-]?(?:images?|imgs?))?", re.IGNORECASE)
_CONCEPT = re.compile(r"([1-9][0-9]{0,2})_(.*)", re.DOTALL)  # 2024_holiday is no folder of kohya's
_ABOUT = re.compile(r"(?:readme|licen[cs]e|notes?|classes|changelog)(?:[ ._-].*)?", re.IGNORECASE)
_MAX_TEXT_BYTES = 1_000_000
_BEGINNING = 65_536
_FOLDERS_SEEN = 64
_TEXTS_SEEN = 8
_LEAST_NUMBERS = 5  # of a line in a label file: YOLO's has as many at least


class Captions:
    """The registered format."""

    name = "captions"
    tasks = ("text_to_image",)
    layout = "1.jpg beside 1.txt, folders such as 10_sks dog/, or a captions.jsonl"

    def matches(self, root: Path) -> Certainty:
        """LIKELY where captions are found. Images alone may be meant as such a set, unless they lie in class folders."""
        tree = Tree(root)
        glimpse = _glimpse(tree)
        if glimpse.has_captions() or any(_is_index(path, tree) for path in _first_indexes(tree)):
            return Certainty.LIKELY if glimpse.images else Certainty.NO
        if glimpse.labels:
            return Certainty.NO
        return Certainty.POSSIBLE if glimpse.is_of_concepts() or glimpse.is_images_alone() else Certainty.NO

    def read(self, root: Path) -> Reading:
        tree = Tree(root)
        files = gather(tree, lambda path: path.suffix.lower() in _TEXTS + _INDEXES)
        indexes = tuple(path for path in files.documents if _has_ending(path, _INDEXES) and _is_index(path, tree))
        source = _Source(tree, files, indexes, _listed(tree, files.images, indexes))
        return Reading(classes=(), found=partial(_found, source), splits=source.splits())

    def carries(self, present: Features) -> Features:
        return present & {Feature.CAPTION}

    def write(self, target: Target) -> None:
        """`train/1.jpg` beside `train/1.txt`."""
        for sample in target.samples():
            image = target.place_image(sample, target.folder(sample.split))
            if sample.caption is not None:
                write_file(image.with_suffix(_TEXTS[0]), f"{sample.caption}\n")


# Telling such a set from others


@dataclass(slots=True)
class _Glimpse:
    """What the folders nearest to the root hold: which have images, and what the texts beside these look like."""

    folders: list[tuple[str, ...]] = field(
        default_factory=list[tuple[str, ...]]
    )  # with images, as parts below the root
    names: set[str] = field(default_factory=set[str])  # of all folders
    images: int = 0
    paired: int = 0  # images with a text beside them
    captions: int = 0  # texts that were looked into
    labels: int = 0

    def has_captions(self) -> bool:
        """One note in a class folder makes no captions, but one caption for two images does."""
        meant = 2 * self.paired >= self.images or self.is_images_alone() or bool(self._repeats())
        return meant and self.captions > self.labels

    def is_of_concepts(self) -> bool:
        """kohya's folders. What is numbered one after the other without a gap may be classes, unless what lies around says."""
        repeats = self._repeats()
        above = {part for parts in self.folders for part in parts[:-1]}
        told = "img" in above or any(map(_REGULARISATION.fullmatch, above))
        a_run = len(repeats) > 1 and sorted(repeats) == [*range(min(repeats), min(repeats) + len(repeats))]
        return bool(repeats) and (told or not a_run)

    def _repeats(self) -> list[int]:
        """The number of each folder if all of them are such as kohya's, else nothing."""
        numbers = [_CONCEPT.fullmatch(parts[-1]) if parts else None for parts in self.folders]
        return [int(number[1]) for number in numbers if number] if all(numbers) else []

    def is_images_alone(self) -> bool:
        """In the root itself, in folders called after splits, or in one that is called `images` or the like."""
        bases: set[tuple[str, ...]] = set()
        for folder in self.folders:
            parts = [part.casefold() for part in folder if not split_of(part)]
            if parts and parts[-1] not in IMAGE_ROLES:
                return False
            bases.add(tuple(part for part in parts if part not in IMAGE_ROLES))
        return len(bases) == 1 and not self.names & TEXT_ROLES


def _glimpse(tree: Tree) -> _Glimpse:
    glimpse = _Glimpse()
    waiting = [tree.root]
    for folder in islice(waiting, _FOLDERS_SEEN):  # the list grows while it is gone through
        listing = tree.list(folder)
        waiting += listing.folders
        glimpse.names.update(inner.name.casefold() for inner in listing.folders)
        _look_into(listing, folder, tree, glimpse)
    return glimpse


def _look_into(listing: Listing, folder: Path, tree: Tree, glimpse: _Glimpse) -> None:
    stems = {path.stem for path in listing.files if named_like_image(path)}
    if not stems:
        return
    texts = [path for path in listing.files if _has_ending(path, _TEXTS) and path.stem in stems]
    glimpse.folders.append(folder.relative_to(tree.root).parts)
    glimpse.images += len(stems)
    glimpse.paired += len({path.stem for path in texts})
    for path in texts:
        if glimpse.captions + glimpse.labels >= _TEXTS_SEEN:
            break
        text = beginning(path, tree).decode("utf-8", "ignore")
        glimpse.labels += _is_labels(text)
        glimpse.captions += not _is_labels(text) and bool(text.strip())


def _is_labels(text: str) -> bool:
    """A line with numbers and hardly anything else, as in the labels of YOLO, DOTA or KITTI."""
    return any(_is_of_numbers(line.split()) for line in text.splitlines())


def _is_of_numbers(words: Sequence[str]) -> bool:
    numbers = sum(word.replace(".", "", 1).replace("-", "").replace("e", "").isdecimal() for word in words)
    return numbers >= _LEAST_NUMBERS and numbers >= 0.6 * len(words)


def _first_indexes(tree: Tree) -> Iterator[Path]:
    for ending in _INDEXES:
        yield from islice(glimpsed(tree, ending), _TEXTS_SEEN)


def _is_index(path: Path, tree: Tree) -> bool:
    """A list of captions, by its name or by the first entry."""
    if path.stem.casefold() in _INDEX_NAMES:
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


def _has_ending(path: Path, endings: tuple[str, ...]) -> bool:
    return path.suffix.lower() in endings


# Going through it


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a list says of an image, and where it says so."""

    caption: str
    file: Path
    mark: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """What all lists say, by image."""

    entries: Mapping[Path, _Entry] = field(default_factory=dict[Path, _Entry])
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """All that there is, in the order in which it was found."""

    tree: Tree
    files: Gathered
    indexes: tuple[Path, ...]
    listed: _Listed

    def splits(self) -> dict[Split, str]:
        folders = dict.fromkeys(path.parent for path in self.files.images)
        found = [split_within(folder.relative_to(self.tree.root).as_posix()) for folder in folders]
        return {split: f"{name}/" for split, name in reversed([pair for pair in found if pair])}


def _found(source: _Source) -> Iterator[Candidate | Remark]:
    root, texts = source.tree.root, _texts(source.files.documents)
    top = _top(source.files.images, root)
    folders: dict[Path, _Folder] = {}
    used: set[Path] = set()
    for image in source.files.images:
        where = image.parent
        if where not in folders:
            folders[where] = _folder(where, root)
            yield from _told_of(folders[where], folders.values())
        if folders[where].regularisation:
            continue
        beside = [texts[place] for ending in _TEXTS if (place := (where, image.stem, ending)) in texts]
        used.update(beside)
        yield from (Remark(text, "unsupported_annotations", f"{beside[0].name} is read") for text in beside[1:])
        entry, concept = source.listed.entries.get(image), folders[where].concept
        annotate = partial(_annotate, root, beside[0] if beside else None, entry, concept)
        yield Candidate(image, shown_path(image, top), folders[where].split, annotate=annotate)
    yield from _rest(source, used, folders)


def _top(images: Sequence[Path], root: Path) -> Path:
    """Where names begin: so that they tell the folder of kohya's that an image lies in."""
    top = top_of(images, root, IMAGE_ROLES)
    return top_of([top], root, IMAGE_ROLES) if top != root and _CONCEPT.fullmatch(top.name) else top


def _told_of(folder: "_Folder", known: Iterable["_Folder"]) -> Iterator[Remark]:
    """What its name asks for and is not done."""
    if folder.regularisation is None and folder.repeats > 1:
        yield Remark(folder.path, "repeated_images", f"{folder.repeats} times")
    elif folder.regularisation and [other.regularisation for other in known].count(folder.regularisation) == 1:
        yield Remark(folder.regularisation, "regularisation_images")


def _texts(documents: Sequence[Path]) -> dict[tuple[Path, str, str], Path]:
    return {(path.parent, path.stem, path.suffix.lower()): path for path in documents if _has_ending(path, _TEXTS)}


def _rest(source: _Source, used: set[Path], folders: Mapping[Path, "_Folder"]) -> Iterator[Remark]:
    """What is neither an image nor says anything of one."""
    yield from source.files.remarks
    yield from source.listed.remarks
    yield from map(_other, source.files.others)
    for path in source.files.documents:
        if path in used or path in source.indexes or _is_in_regularisation(path, folders):
            continue
        orphan = _has_ending(path, _TEXTS) and not _ABOUT.fullmatch(path.stem)
        yield Remark(path, "orphan_annotations" if orphan else "other_file")


def _other(path: Path) -> Remark:
    """Images alone may be all that is understood of a set which says more, in a table for instance."""
    if _has_ending(path, _UNREAD):
        return Remark(
            path, "unsupported_annotations", "captions are read from texts beside the images or a captions.jsonl"
        )
    return Remark(path, "other_file")


def _is_in_regularisation(path: Path, folders: Mapping[Path, "_Folder"]) -> bool:
    folder = folders.get(path.parent)
    return bool(folder and folder.regularisation)


@dataclass(frozen=True, slots=True)
class _Folder:
    """What the folders above an image say about it."""

    path: Path
    split: Split | None
    concept: str = ""
    repeats: int = 1
    regularisation: Path | None = None  # the folder of all of them


def _folder(path: Path, root: Path) -> _Folder:
    found = split_within(path.relative_to(root).as_posix())
    split = found[0] if found else None
    concept = _CONCEPT.fullmatch(path.name) if path != root else None
    if not concept:
        return _Folder(path, split)
    above = path.parent if path.parent != root and _REGULARISATION.fullmatch(path.parent.name) else None
    return _Folder(path, split, caption_of(printable(concept[2])), int(concept[1]), above)


def _annotate(
    root: Path, text: Path | None, entry: _Entry | None, concept: str, _width: int, _height: int
) -> Annotations:
    """The nearest counts: the text beside the image, then a list, then its folder."""
    if text is None:
        return Annotations(file=entry.file if entry else None, caption=entry.caption if entry else concept)
    content = read_text(text, root, _MAX_TEXT_BYTES)
    if _is_labels(content):
        detail = "it holds numbers, as labels do, and no caption"
        return Annotations(file=text, caption="", remarks=(Remark(text, "unsupported_annotations", detail),))
    caption = caption_of(content)
    if entry is None or entry.caption == caption:
        return Annotations(file=text, caption=caption)
    detail = f"{text.name} beside the image says something else and is read"
    return Annotations(
        file=text, caption=caption, remarks=(Remark(entry.file, "unsupported_annotations", detail, entry.mark),)
    )


# Lists of captions

_Row: TypeAlias = tuple[str, "str | None", object]  # where it stands, the image if that is the key, what is said of it


def _listed(tree: Tree, images: Sequence[Path], indexes: Sequence[Path]) -> _Listed:
    """Raises Unreadable for a list that is none."""
    entries: dict[Path, _Entry] = {}
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
    return _Listed(entries, tuple(remarks))


def _rows(index: Path, root: Path) -> Iterator[_Row]:
    if index.suffix.lower() == ".jsonl":
        content = read_bytes(index, root, MAX_INDEX_BYTES).removeprefix(b"\xef\xbb\xbf")
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
) -> tuple[str, _Entry] | Remark:
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
    return name, _Entry(caption_of(", ".join(part for part in parts if part)), index, mark)


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
