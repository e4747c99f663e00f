"""Images with captions, as for LoRA training: what an image shows is said beside it, in a list, or by its folder.

    1.jpg  1.txt            a text of the same name; or 1.caption, 1.jpg.txt or 1.jpg.caption, which 1.txt goes before
    10_sks dog/1.jpg        kohya's folders: "sks dog" where no text lies beside it, to be shown ten times in an epoch
    captions.jsonl          a line for each image: {"file_name": "1.jpg", "text": "a dog"}
    meta_cap.json           kohya's metadata: {"1": {"caption": "a dog", "tags": "dog, grass"}}; or a list as above

A text of several lines is one caption, joined by blanks. (kohya trains on the first line alone, others on all: nothing is lost.)
An image that nothing is said of has an empty caption. Images without any of this, and not in class folders, are such a set too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eyebright_kit.data.caption import caption_of
from eyebright_kit.data.documents import read_text
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Reading, Remark, shown_path
from eyebright_kit.data.formats.captions_glimpse import (
    CONCEPT,
    REGULARISATION,
    TEXTS,
    glimpse_of,
    has_ending,
    is_labels,
)
from eyebright_kit.data.formats.captions_list import LISTS, Entry, Listed, first_lists, is_list, listed
from eyebright_kit.data.pairs import IMAGE_ROLES, Gathered, gather, split_within, top_of
from eyebright_kit.data.tree import Tree, printable
from eyebright_kit.data.writing import Target, write_file
from eyebright_wire.datasets import Split

_UNREAD = (".csv", ".tsv", ".xlsx", ".parquet", ".tfrecord", ".mat", ".xml")
_ABOUT = re.compile(r"(?:readme|licen[cs]e|notes?|classes|changelog)(?:[ ._-].*)?", re.IGNORECASE)
_MASK = re.compile(r"-(?:masklabel|condlabel)$")
_MAX_TEXT_BYTES = 1_000_000


class Captions:
    """The registered format."""

    name = "captions"
    tasks = ("text_to_image",)
    layout = "1.jpg beside 1.txt, folders such as 10_sks dog/, or a captions.jsonl"

    def matches(self, root: Path) -> Certainty:
        """LIKELY where captions are found. Images alone may be meant as such a set, unless they lie in class folders."""
        tree = Tree(root)
        glimpse = glimpse_of(tree)
        if glimpse.has_captions() or any(is_list(path, tree) for path in first_lists(tree)):
            return Certainty.LIKELY if glimpse.images else Certainty.NO
        if glimpse.labels:
            return Certainty.NO
        return Certainty.POSSIBLE if glimpse.is_of_concepts() or glimpse.is_images_alone() else Certainty.NO

    def read(self, root: Path) -> Reading:
        tree = Tree(root)
        files = gather(tree, lambda path: path.suffix.lower() in TEXTS + LISTS)
        indexes = tuple(path for path in files.documents if has_ending(path, LISTS) and is_list(path, tree))
        source = _Source(tree, files, indexes, listed(tree, files.images, indexes))
        return Reading(classes=(), found=partial(_found, source), splits=source.splits())

    def carries(self, present: Features) -> Features:
        return present & {Feature.CAPTION, Feature.REPEATS}

    def write(self, target: Target) -> None:
        """`train/1.jpg` beside `train/1.txt`; where an image is repeated, `train/img/10_images/1.jpg` as kohya has it."""
        repeated = target.has(Feature.REPEATS)
        for sample in target.samples():
            inner = ("img", f"{sample.repeats}_images") if repeated else ()
            image = target.place_image(sample, target.folder(sample.split, *inner))
            if sample.caption is not None:
                write_file(image.with_suffix(TEXTS[0]), f"{sample.caption or ''}\n")


# Going through it


@dataclass(frozen=True, slots=True)
class _Source:
    """All that there is, in the order in which it was found."""

    tree: Tree
    files: Gathered
    lists: tuple[Path, ...]
    listed: Listed

    def splits(self) -> dict[Split, str]:
        folders = dict.fromkeys(path.parent for path in self.files.images)
        found = [split_within(folder.relative_to(self.tree.root).as_posix()) for folder in folders]
        return {split: f"{name}/" for split, name in reversed([pair for pair in found if pair])}


def _found(source: _Source) -> Iterator[Candidate | Remark]:
    root, texts = source.tree.root, _texts(source.files.documents)
    top = _top(source.files.images, root)
    folders: dict[Path, _Folder] = {}
    masks = _masks(source.files.images)
    used = set(source.lists)
    for image in source.files.images:
        where = image.parent
        if where not in folders:
            folders[where] = _folder(where, root)
            yield from _told_of(folders[where], folders.values())
        if folders[where].regularisation:
            continue
        if image in masks:
            yield Remark(image, "unsupported_annotations", "masks of OneTrainer's are not read")
            continue
        names = ((where, name, ending) for name in (image.stem, image.name) for ending in TEXTS)
        beside = [texts[place] for place in names if place in texts]
        used.update(beside)
        yield from (Remark(text, "unsupported_annotations", f"{beside[0].name} is read") for text in beside[1:])
        entry = source.listed.entries.get(image)
        annotate = partial(_annotate, root, beside[0] if beside else None, entry, folders[where])
        yield Candidate(image, shown_path(image, top), folders[where].split, annotate=annotate)
    yield from _rest(source, used, folders)


def _masks(images: Sequence[Path]) -> frozenset[Path]:
    """What OneTrainer keeps beside an image: where to look, or what to go by."""
    tailed = {path: (path.parent, _MASK.sub("", path.stem)) for path in images if _MASK.search(path.stem)}
    wanted = frozenset(tailed.values())
    known = {place for path in images if wanted and (place := (path.parent, path.stem)) in wanted}
    return frozenset(path for path, place in tailed.items() if place in known)


def _top(images: Sequence[Path], root: Path) -> Path:
    """Where names begin: so that they tell the folder of kohya's that an image lies in."""
    top = top_of(images, root, IMAGE_ROLES)
    return top_of([top], root, IMAGE_ROLES) if top != root and CONCEPT.fullmatch(top.name) else top


def _told_of(folder: "_Folder", known: Iterable["_Folder"]) -> Iterator[Remark]:
    """What its name asks for."""
    if folder.regularisation is None and folder.repeats > 1:
        yield Remark(folder.path, "repeated_images", f"{folder.repeats} times")
    elif folder.regularisation and [other.regularisation for other in known].count(folder.regularisation) == 1:
        yield Remark(folder.regularisation, "regularisation_images")


def _texts(documents: Sequence[Path]) -> dict[tuple[Path, str, str], Path]:
    return {(path.parent, path.stem, path.suffix.lower()): path for path in documents if has_ending(path, TEXTS)}


def _rest(source: _Source, used: set[Path], folders: Mapping[Path, "_Folder"]) -> Iterator[Remark]:
    """What is neither an image nor says anything of one."""
    yield from source.files.remarks
    yield from source.listed.remarks
    yield from map(_other, source.files.others)
    for path in source.files.documents:
        if path in used or _is_in_regularisation(path, folders):
            continue
        orphan = has_ending(path, TEXTS) and not _ABOUT.fullmatch(path.stem)
        yield Remark(path, "orphan_annotations" if orphan else "other_file")


def _other(path: Path) -> Remark:
    """Images alone may be all that is understood of a set which says more, in a table for instance."""
    if has_ending(path, _UNREAD):
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
    concept = CONCEPT.fullmatch(path.name) if path != root else None
    if not concept:
        return _Folder(path, split)
    above = path.parent if path.parent != root and REGULARISATION.fullmatch(path.parent.name) else None
    return _Folder(path, split, caption_of(printable(concept[2])), int(concept[1]), above)


def _annotate(
    root: Path, text: Path | None, entry: Entry | None, folder: _Folder, _width: int, _height: int
) -> Annotations:
    """The nearest counts: the text beside the image, then a list, then its folder."""
    repeats = folder.repeats
    if text is None:
        caption = entry.caption if entry else folder.concept
        return Annotations(file=entry.file if entry else None, caption=caption, repeats=repeats)
    content = read_text(text, root, _MAX_TEXT_BYTES)
    if is_labels(content):
        detail = "it holds numbers, as labels do, and no caption"
        remarks = (Remark(text, "unsupported_annotations", detail),)
        return Annotations(file=text, caption="", remarks=remarks, repeats=repeats)
    caption, remarks = caption_of(content), ()
    if entry and entry.caption != caption:
        detail = f"{text.name} beside the image says something else and is read"
        remarks = (Remark(entry.file, "unsupported_annotations", detail, entry.mark),)
    return Annotations(file=text, caption=caption, remarks=remarks, repeats=repeats)
