"""Read a folder of COCO files: what each says of an image, put together."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.categories import Classes, classes_of
from eyebright_kit.data.format import Annotations, Candidate, Reading, Remark
from eyebright_kit.data.formats.coco_document import Document
from eyebright_kit.data.formats.coco_files import Look, look, open_documents
from eyebright_kit.data.formats.coco_objects import Broken, Objects, Thing
from eyebright_kit.data.gathering import Gathering, Place, other_size, split_names
from eyebright_kit.data.tree import Tree
from eyebright_kit.data.walk import walk
from eyebright_wire.datasets import Split


def read_folder(tree: Tree) -> Reading:
    """Raises Unreadable for a COCO file that cannot be understood as a whole."""
    found = list(walk(tree, tree.root))
    files = (each for each in found if isinstance(each, Path))
    looks = [(path, seen) for path in files if (seen := look(path, tree)) != Look.OTHER]
    documents, others = open_documents(looks, tree.root)
    classes = classes_of(documents)
    gathering = Gathering(tree.root, found, documents, known={path for path, _ in looks})
    source = _Source(documents, classes, gathering, others)
    return Reading(
        classes=classes.names,
        found=source.found,
        splits=split_names(documents),
        class_noun="category",
        skeletons=classes.skeletons,
    )


class _Source:
    """All that a reading hands out."""

    def __init__(
        self, documents: Sequence[Document], classes: Classes, gathering: Gathering, others: Sequence[Remark]
    ) -> None:
        points = {label: len(skeleton.keypoints) for label, skeleton in classes.skeletons.items()}
        self._documents = documents
        self._objects = [Objects(labels, points) for labels in classes.labels]
        self._gathering = gathering
        self._others = others
        self._remarks = classes.remarks

    def found(self) -> Iterator[Candidate | Remark]:
        """The images as the files list them, then whatever else lies there."""
        for document in self._documents:
            yield from document.remarks
            yield from document.strays()
        yield from self._remarks
        yield from self._gathering.remarks
        yield from self._others
        for split in (*Split, None):
            for file, places in self._gathering.places.get(split, {}).items():
                yield self._candidate(file, split, places)
        yield from self._gathering.rest

    def _candidate(self, file: str, split: Split | None, places: Sequence[Place]) -> Candidate:
        path = self._gathering.path(file)
        return Candidate(path, self._gathering.source(file), split, annotate=partial(self._annotations, path, places))

    def _annotations(self, path: Path, places: Sequence[Place], width: int, height: int) -> Annotations:
        image = _Image(path, self._documents[places[0][0]], several=len(places) > 1)
        for number, place in places:
            document = self._documents[number]
            image.remarks += other_size(path, document.images[place], width, height)
            for entry, raw in document.of(place):
                try:
                    image.add(self._objects[number].read(entry, raw, width, height), document)
                except Broken as broken:
                    image.remarks.append(Remark(document.path, broken.code, broken.detail, broken.mark))
        return image.annotations()


class _Image:
    """What is known of one image while it is put together."""

    def __init__(self, path: Path, first: Document, *, several: bool) -> None:
        self._path = path
        self._first = first
        self._several = several  # places tell of it
        self._instances: list[Instance] = []
        self._marks: list[str] = []
        self._captions: list[str] = []
        self.remarks: list[Remark] = []
        self._known: dict[tuple[object, ...], tuple[int, Document]] = {}

    def add(self, thing: Thing, document: Document) -> None:
        if thing.instance is None:
            self._captions.append(thing.caption or "")
        elif self._several:
            self._join(thing, thing.instance, document)
        else:
            self._instances.append(thing.instance)
            self._marks.append(thing.mark)
        for name in thing.lost:
            detail = f"attribute {name!r} is neither text, number nor truth"
            self.remarks.append(Remark(document.path, "unsupported_annotations", detail, thing.mark))

    def annotations(self) -> Annotations:
        if len(self._captions) > 1:
            self.remarks.append(Remark(self._path, "more_captions", f"{len(self._captions)}"))
        return Annotations(
            instances=self._instances,
            file=self._first.path,
            marks=self._marks,
            caption=next(iter(self._captions), None),
            remarks=self.remarks,
        )

    def _join(self, thing: Thing, instance: Instance, document: Document) -> None:
        """The files of one release tell of the same object under the same id: one its outline, another its keypoints."""
        key = (thing.mark, instance.label, instance.box)
        place, other = self._known.setdefault(key, (len(self._instances), document))
        if place < len(self._instances) and other is not document:
            self._instances[place] = _joined(self._instances[place], instance)
            return
        self._instances.append(instance)
        self._marks.append(thing.mark if document is self._first else f"{thing.mark} of {document.shown}")


def _joined(one: Instance, other: Instance) -> Instance:
    return Instance(
        label=one.label,
        box=one.box,
        polygons=one.polygons or other.polygons,
        rle=one.rle or other.rle,
        keypoints=one.keypoints or other.keypoints,
        crowd=one.crowd or other.crowd,
        attributes={**other.attributes, **one.attributes},
    )
