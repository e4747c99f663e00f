"""Which files of a data set are COCO, and what the other ones are that look like it."""

import re
from collections.abc import Iterable
from enum import Enum, auto
from pathlib import Path

from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.format import Remark
from eyebright_kit.data.formats.coco_document import Document, Unsupported, open_document
from eyebright_kit.data.jsonstart import JsonStart
from eyebright_kit.data.tree import Tree
from eyebright_wire.datasets import Split

_OF_RESULTS = ({b"image_id", b"category_id"}, {b"image_id", b"caption"})
_RESULTS = "it is a list of what a model found; expected an object with images, annotations and categories"
_NOTHING = "it has no annotations; expected an object with images, annotations and categories"
_STUFF = "its regions (stuff) are no objects"
#: What COCO and Roboflow call their files, and nobody else calls any.
_NAME = re.compile(
    r"(?:.*/)?_annotations\.coco\.json|(?:.*/)?annotations/(?:instances|person_keypoints|captions)_[^/]*\.json"
)


class Look(Enum):
    """What a file looks like by its beginning; or, where that tells nothing, by its name."""

    OTHER = auto()
    COCO = auto()
    RESULTS = auto()
    NAMED = auto()


def look(path: Path, tree: Tree) -> Look:
    if path.suffix.lower() != ".json":
        return Look.OTHER
    start = JsonStart.of(path, tree)
    if start.bracket == b"{" and {b"images", b"annotations"} & start.keys(1):
        return Look.COCO
    if start.bracket == b"[" and any(of_results <= start.keys(2) for of_results in _OF_RESULTS):
        return Look.RESULTS
    return Look.NAMED if _NAME.fullmatch(path.relative_to(tree.root).as_posix().casefold()) else Look.OTHER


def open_documents(looks: Iterable[tuple[Path, Look]], root: Path) -> tuple[tuple[Document, ...], tuple[Remark, ...]]:
    """Those that say what images show, and a remark on each of the others.

    Raises Unreadable when there are none, and for one that cannot be understood.
    """
    documents: list[Document] = []
    others: list[Remark] = []
    for path, seen in looks:
        try:
            documents.append(_opened(path, seen, root))
        except Unsupported as error:
            others.append(Remark(path, "unsupported_annotations", str(error)))
    if not documents and not others:
        raise Unreadable(root, "it has no COCO file")
    if not documents:
        raise Unreadable(others[0].path, others[0].detail, code=others[0].code)
    return tuple(sorted(documents, key=_order)), tuple(others)


def _opened(path: Path, seen: Look, root: Path) -> Document:
    if seen == Look.RESULTS:
        raise Unsupported(_RESULTS)
    if path.name.startswith("stuff_"):
        raise Unsupported(_STUFF)
    try:
        return open_document(path, root)
    except Unsupported:
        if seen == Look.NAMED:
            raise Unreadable(path, _NOTHING) from None
        raise


def _order(document: Document) -> tuple[int, bool, bool, str]:
    """By split, and within one the objects before the keypoints and these before the captions."""
    name = document.path.name.lower()
    split = list(Split).index(document.split) if document.split else len(Split)
    return split, "caption" in name, "keypoint" in name, document.shown
