"""Bring the images of a data set and the COCO files that list them together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.format import Annotations, Candidate, Reading, Remark
from eyebright_kit.data.formats.coco_classes import Classes, classes_of
from eyebright_kit.data.formats.coco_document import Document, ListedImage, shown_id
from eyebright_kit.data.formats.coco_files import Look, look, open_documents
from eyebright_kit.data.formats.coco_objects import Broken, Objects, Thing
from eyebright_kit.data.lookup import Lookup, NotFound, split_of_folder
from eyebright_kit.data.pairs import top_of
from eyebright_kit.data.tree import Tree, printable
from eyebright_kit.data.walk import named_like_image, walk
from eyebright_wire.datasets import Split

_ROLES = frozenset({"images", "image", "annotations", "imgs", "img", "data"})
_Place = tuple[int, int]  # a file, and an image in it


def read_folder(tree: Tree) -> Reading:
    """Raises Unreadable for a COCO file that cannot be understood as a whole."""
    paths = [found for found in walk(tree, tree.root) if isinstance(found, Path)]
    looks = [(path, seen) for path in paths if (seen := look(path, tree)) != Look.OTHER]
    documents, others = open_documents(looks, tree.root)
    classes = classes_of(documents)
    gathering = _Gathering(tree, paths, documents)
    source = _Source(tree, documents, classes, gathering, others)
    return Reading(
        classes=classes.names,
        found=source.found,
        splits=_split_names(documents),
        class_noun="category",
        skeletons=classes.skeletons,
    )


def _split_names(documents: Iterable[Document]) -> dict[Split, str]:
    names: dict[Split, str] = {}
    for document in documents:
        if document.split:
            names.setdefault(document.split, document.shown)
    return names


class _Gathering:
    """Where each listed image lies: by split and file, the places that list it."""

    def __init__(self, tree: Tree, paths: Sequence[Path], documents: Sequence[Document]) -> None:
        self.places: dict[Split | None, dict[str, tuple[_Place, ...]]] = defaultdict(dict)
        self.remarks: list[Remark] = []
        self._root = tree.root
        self._documents = documents
        self._top = self.file(top_of([*paths, *(document.path for document in documents)], tree.root, _ROLES))
        lookup = Lookup(map(self.file, paths))
        for number, document in enumerate(documents):
            self._gather(number, document, lookup)
        self._spread()

    def listed(self) -> frozenset[str]:
        return frozenset(file for files in self.places.values() for file in files)

    def path(self, file: str) -> Path:
        return self._root / file

    def source(self, file: str) -> str:
        """Its name as it is shown, without the folders that only wrap the data set."""
        return printable(file.removeprefix(f"{self._top}/"))

    def file(self, path: Path) -> str:
        """Its path below the root, with forward slashes."""
        return "" if path == self._root else str(path)[len(str(self._root)) :].lstrip("/")

    def _gather(self, number: int, document: Document, lookup: Lookup) -> None:
        near = self.file(document.path.parent)
        for place, image in enumerate(document.images):
            if place in document.contested:
                self._remark("broken_annotations", document.contested[place], document, image)
                continue
            try:
                file = lookup.find(image.file_name, near, document.split)
            except NotFound as error:
                self._remark("missing_image", f"{printable(image.file_name)}: {error}", document, image)
                continue
            split = document.split or split_of_folder(self.source(file).rpartition("/")[0])
            known = self.places[split].get(file, ())
            if any(other == number for other, _ in known):
                self._remark("listed_twice", self.source(file), document, image)
            self.places[split][file] = (*known, (number, place))

    def _remark(self, code: str, detail: str, document: Document, image: ListedImage) -> None:
        self.remarks.append(Remark(document.path, code, detail, f"image {shown_id(image.id)}"))

    def _spread(self) -> None:
        """What a file without a split says of an image that others put into one is said of it there."""
        unsplit = self.places.pop(None, {})
        for file in [file for file in unsplit if any(file in files for files in self.places.values())]:
            places = unsplit.pop(file)
            for files in self.places.values():
                if file in files:
                    files[file] += places
        if unsplit:
            self.places[None] = unsplit


class _Source:
    """All that a reading hands out."""

    def __init__(
        self,
        tree: Tree,
        documents: Sequence[Document],
        classes: Classes,
        gathering: _Gathering,
        others: Sequence[Remark],
    ) -> None:
        points = {label: len(skeleton.keypoints) for label, skeleton in classes.skeletons.items()}
        self._tree = tree
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
        yield from self._rest()

    def _candidate(self, file: str, split: Split | None, places: tuple[_Place, ...]) -> Candidate:
        path = self._gathering.path(file)
        return Candidate(path, self._gathering.source(file), split, annotate=partial(self._annotations, path, places))

    def _rest(self) -> Iterator[Remark]:
        known = {document.path for document in self._documents} | {remark.path for remark in self._others}
        listed = self._gathering.listed()
        for found in walk(self._tree, self._tree.root):
            if isinstance(found, Remark):
                yield found
            elif self._gathering.file(found) not in listed and found not in known:
                yield Remark(found, "unlisted_image" if named_like_image(found) else "other_file")

    def _annotations(self, path: Path, places: tuple[_Place, ...], width: int, height: int) -> Annotations:
        image = _Image(path, self._documents[places[0][0]], several=len(places) > 1)
        for number, place in places:
            document = self._documents[number]
            image.compare(document.images[place], width, height)
            for entry, raw in document.of(place):
                try:
                    image.add(self._objects[number].read(entry, raw, width, height), document)
                except Broken as broken:
                    image.remark(Remark(document.path, broken.code, broken.detail, broken.mark))
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
        self._remarks: list[Remark] = []
        self._known: dict[tuple[object, ...], tuple[int, Document]] = {}

    def compare(self, image: ListedImage, width: int, height: int) -> None:
        """The size that the file says with the one that the image has."""
        said = (image.width, image.height)
        if None in said or 0 in said or said == (width, height):
            return
        turned = ", turned" if said == (height, width) else ""
        detail = f"{image.width:g}×{image.height:g} where it is listed, {width}×{height} in fact{turned}"
        self.remark(Remark(self._path, "size_mismatch", detail))

    def add(self, thing: Thing, document: Document) -> None:
        if thing.caption is not None:
            self._captions.append(thing.caption)
        for name in thing.lost:
            detail = f"attribute {name!r} is neither text, number nor truth"
            self.remark(Remark(document.path, "unsupported_annotations", detail, thing.mark))
        if thing.instance is not None:
            self._place(thing, thing.instance, document)

    def remark(self, remark: Remark) -> None:
        self._remarks.append(remark)

    def annotations(self) -> Annotations:
        if len(self._captions) > 1:
            self.remark(Remark(self._path, "more_captions", f"{len(self._captions)}"))
        return Annotations(
            instances=self._instances,
            file=self._first.path,
            marks=self._marks,
            caption=next(iter(self._captions), None),
            remarks=self._remarks,
        )

    def _place(self, thing: Thing, instance: Instance, document: Document) -> None:
        """The files of one release tell of the same object under the same id: one its outline, another its keypoints."""
        if not self._several:
            self._instances.append(instance)
            self._marks.append(thing.mark)
            return
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
