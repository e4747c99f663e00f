"""CVAT for images 1.1: one XML file for the whole set.

    annotations.xml, images/train/1.jpg, images/1.jpg or 1.jpg

The labels that it declares are the classes, in their order; `subset` is the split. Outlines of one label and group are the
parts of one object; a box in the group of a skeleton is the skeleton's. A tag is the class of the whole image.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Candidate, Certainty, Reading, Remark, shown_path
from eyebright_kit.data.formats.cvat_document import Label, Part, labels_of, numbered_points, parts_of
from eyebright_kit.data.formats.cvat_shapes import ShapeReader
from eyebright_kit.data.formats.cvat_writing import write_folder
from eyebright_kit.data.imagesets import split_names
from eyebright_kit.data.lookup import Lookup, NotFound, split_of_folder
from eyebright_kit.data.pairs import IMAGE_ROLES, beginning, gather, glimpsed, top_of
from eyebright_kit.data.tree import Tree, printable
from eyebright_kit.data.walk import named_like_image, split_of
from eyebright_kit.data.writing import Target
from eyebright_wire.datasets import Split

_CARRIED = frozenset(
    {
        Feature.LABEL,
        Feature.BOX,
        Feature.POLYGON,
        Feature.PARTS,
        Feature.RLE,
        Feature.CORNERS,
        Feature.KEYPOINTS,
        Feature.SKELETON,
        Feature.ATTRIBUTES,
        Feature.CLASS_ORDER,
        Feature.CLASS_NAMES,
    }
)


class Cvat:
    """The registered format."""

    name = "cvat"
    tasks = ("classification", "detection", "instance_segmentation", "keypoint_detection", "oriented_detection")
    layout = "annotations.xml with images/1.jpg"

    def matches(self, root: Path) -> Certainty:
        tree = Tree(root)
        return Certainty.SURE if any(_is_ours(path, tree) for path in glimpsed(tree, ".xml")) else Certainty.NO

    def read(self, root: Path) -> Reading:
        tree = Tree(root)
        gathered = gather(tree, _is_xml)
        labels: dict[str, Label] = {}
        for path in gathered.documents:
            for label in labels_of(path, root) if _is_ours(path, tree) else ():
                labels.setdefault(label.name, label)
        skeletons = {number: label.skeleton for number, label in enumerate(labels.values()) if label.skeleton}
        return Reading(
            tuple(labels),
            partial(_found, tree, tuple(labels.values())),
            splits=split_names((), "", gathered.images, root),
            skeletons={n: known for n, known in skeletons.items() if known != numbered_points(len(known.keypoints))},
        )

    def carries(self, present: Features) -> Features:
        return present & _CARRIED

    def write(self, target: Target) -> None:
        """`annotations.xml` with `images/train/1.jpg`."""
        write_folder(target)


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == ".xml"


def _is_ours(path: Path, tree: Tree) -> bool:
    return bool(re.search(rb"<annotations[\s>]", beginning(path, tree)))


# Walking


def _found(tree: Tree, labels: Sequence[Label]) -> Iterator[Candidate | Remark]:
    gathered = gather(tree, _is_xml)
    yield from gathered.remarks
    finder = _Finder(tree.root, gathered.images)
    reader = ShapeReader(labels)
    for path in gathered.documents:
        if _is_ours(path, tree):
            yield from _of_document(path, tree.root, finder, reader)
        else:
            yield Remark(path, "orphan_annotations", "it is no file of CVAT's")
    yield from (Remark(path, "unlisted_image") for path in gathered.images if path not in finder.listed)
    yield from (Remark(path, "other_file") for path in gathered.others)


def _of_document(path: Path, root: Path, finder: "_Finder", reader: ShapeReader) -> Iterator[Candidate | Remark]:
    for part in parts_of(path, root):
        if part.element.tag == "track":
            detail = "a track goes over the frames of a video; export the task as “CVAT for images” to have it read"
            yield Remark(path, "unsupported_annotations", detail, str(part.line))
        elif part.element.tag == "image":
            yield from _of_image(path, part, finder, reader)


def _of_image(path: Path, part: Part, finder: "_Finder", reader: ShapeReader) -> Iterator[Candidate | Remark]:
    name, subset = part.element.get("name", ""), part.element.get("subset", "")
    try:
        image = finder.find(name, path, split_of(subset))
    except NotFound as error:
        yield Remark(path, "missing_image", f"{printable(name)[:120]}: {error}", str(part.line))
        return
    if image in finder.listed:
        yield Remark(path, "unsupported_annotations", f"{printable(name)[:120]} is listed again", str(part.line))
        return
    finder.listed.add(image)
    split = split_of(subset) or split_of_folder(finder.folder_of(image))
    annotate = partial(reader.annotations, path, part)
    yield Candidate(image, shown_path(image, finder.top), split, reader.label(part), annotate)


class _Finder:
    """The images that are there, by the names that CVAT gives them. Only what the walk has found is ever meant."""

    def __init__(self, root: Path, images: Sequence[Path]) -> None:
        self._root = root
        self.top = top_of(images, root, IMAGE_ROLES)
        self.listed: set[Path] = set()
        self._files = {image.relative_to(root).as_posix(): image for image in images}
        self._lookup = Lookup(self._files)
        self._frames = {
            file.rpartition(".")[0]: file for file in self._files
        }  # frames of a video are named without ending
        self._frame_lookup = Lookup(self._frames)

    def find(self, name: str, document: Path, split: Split | None) -> Path:
        """Raises NotFound."""
        near = self.folder_of(document)
        if named_like_image(Path(name)):
            return self._files[self._lookup.find(name, near, split)]
        return self._files[self._frames[self._frame_lookup.find(name, near, split)]]

    def folder_of(self, path: Path) -> str:
        folder = path.parent.relative_to(self._root).as_posix()
        return "" if folder == "." else folder
