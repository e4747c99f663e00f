"""Datumaro JSON, as `datum` and CVAT export it: one file per subset lists items, annotations and categories.

annotations/train.json      images/train/1.jpg; subsets that are called otherwise, such as default, are no splits
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.categories import Classes, classes_of
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Reading, Remark
from eyebright_kit.data.formats.datumaro_document import Document, open_document
from eyebright_kit.data.formats.datumaro_objects import ItemReader
from eyebright_kit.data.formats.datumaro_writing import write_folder
from eyebright_kit.data.gathering import Gathering, Id, Place, other_size, split_names
from eyebright_kit.data.jsonstart import JsonStart
from eyebright_kit.data.pairs import glimpsed
from eyebright_kit.data.tree import Tree
from eyebright_kit.data.walk import walk
from eyebright_kit.data.writing import Target
from eyebright_wire.datasets import Split

_CARRIED = frozenset(
    {
        Feature.LABEL,
        Feature.BOX,
        Feature.LOOSE_BOX,
        Feature.POLYGON,
        Feature.PARTS,
        Feature.RLE,
        Feature.SEVERAL_SHAPES,
        Feature.KEYPOINTS,
        Feature.SKELETON,
        Feature.CROWD,
        Feature.ATTRIBUTES,
        Feature.CAPTION,
        Feature.CLASS_ORDER,
        Feature.CLASS_NAMES,
    }
)


class Datumaro:
    """The registered format."""

    name = "datumaro"
    tasks = ("classification", "detection", "instance_segmentation", "keypoint_detection")
    layout = "annotations/train.json with images/train/1.jpg"

    def matches(self, root: Path) -> Certainty:
        """By what the JSON files nearest to the root begin with."""
        tree = Tree(root)
        return Certainty.SURE if any(_is_ours(path, tree) for path in glimpsed(tree, ".json")) else Certainty.NO

    def read(self, root: Path) -> Reading:
        """Labels are joined by their names over all subsets."""
        tree = Tree(root)
        found = list(walk(tree, root))
        documents = [open_document(path, root) for path in found if isinstance(path, Path) and _is_ours(path, tree)]
        if not documents:
            raise Unreadable(root, "it has no file of Datumaro's JSON")
        classes = classes_of(documents)
        gathering = Gathering(root, found, documents, known={document.path for document in documents})
        source = _Source(documents, classes, gathering)
        return Reading(
            classes=classes.names,
            found=source.found,
            splits=split_names(documents),
            class_noun="label",
            skeletons=classes.skeletons,
        )

    def carries(self, present: Features) -> Features:
        return present & _CARRIED

    def write(self, target: Target) -> None:
        """`annotations/train.json` and `images/train/1.jpg`."""
        write_folder(target)


def _is_ours(path: Path, tree: Tree) -> bool:
    if path.suffix.lower() != ".json":
        return False
    start = JsonStart.of(path, tree)
    keys = start.keys(1)
    return start.bracket == b"{" and ({b"items", b"categories"} <= keys or b"dm_format_version" in keys)


class _Source:
    """All that a reading hands out."""

    def __init__(self, documents: Sequence[Document], classes: Classes, gathering: Gathering) -> None:
        points = {label: len(skeleton.keypoints) for label, skeleton in classes.skeletons.items()}
        self._documents = documents
        self._classes = classes
        self._readers = [
            ItemReader(document, labels, points) for document, labels in zip(documents, classes.labels, strict=True)
        ]
        self._gathering = gathering

    def found(self) -> Iterator[Candidate | Remark]:
        """The images as the files list them, then whatever else lies there."""
        for document in self._documents:
            yield from document.remarks
        yield from self._classes.remarks
        yield from self._gathering.remarks
        for split in (*Split, None):
            for file, places in self._gathering.places.get(split, {}).items():
                path, source = self._gathering.path(file), self._gathering.source(file)
                annotate = partial(self._annotations, path, places)
                yield Candidate(path, source, split, self._label(places), annotate)
        yield from self._gathering.rest

    def _label(self, places: Sequence[Place]) -> int | None:
        """The class of the whole image, if exactly one is named."""
        known = {
            self._classes.labels[number].get(each) for number, place in places for each in self._named(number, place)
        }
        return known.pop() if len(known) == 1 else None

    def _named(self, number: int, place: int) -> tuple[Id, ...]:
        return self._documents[number].labels[place]

    def _annotations(self, path: Path, places: Sequence[Place], width: int, height: int) -> Annotations:
        found: list[tuple[Instance, str]] = []
        captions: list[str] = []
        remarks: list[Remark] = []
        for number, place in places:
            remarks += other_size(path, self._documents[number].images[place], width, height)
            item = self._readers[number].read(place, width, height)
            found += item.instances()
            captions += item.captions
            remarks += item.remarks
        return Annotations(
            instances=[instance for instance, _ in found],
            file=self._documents[places[0][0]].path,
            marks=[mark for _, mark in found],
            caption=next(iter(captions), None),
            remarks=[*remarks, *self._of_the_whole(path, places, captions)],
        )

    def _of_the_whole(self, path: Path, places: Sequence[Place], captions: Sequence[str]) -> Iterator[Remark]:
        labels = {each for number, place in places for each in self._named(number, place)}
        if len(labels) > 1:
            yield Remark(
                path, "unsupported_annotations", f"it has {len(labels)} labels; an image is of one class or none"
            )
        if len(captions) > 1:
            yield Remark(path, "more_captions", f"{len(captions)}")
