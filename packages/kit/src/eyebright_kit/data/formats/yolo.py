"""YOLO text labels: one `.txt` per image, one object per line, coordinates relative to the image.

    images/train/1.jpg, labels/train/1.txt       Ultralytics' own, CVAT's, Label Studio's (without train/)
    train/images/1.jpg, train/labels/1.txt       Roboflow's
    obj_train_data/1.jpg, obj_train_data/1.txt   darknet's, labelImg's, CVAT's "YOLO 1.1"

`data.yaml` or a list of names says what the classes are called; without either they go by their numbers.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from operator import attrgetter
from pathlib import Path

from eyebright_kit.data.documents import Unreadable, read_yaml
from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Candidate, Certainty, Reading, Remark
from eyebright_kit.data.formats.yolo_files import LABEL_ROLES, Files
from eyebright_kit.data.formats.yolo_layout import Layout, lay_out
from eyebright_kit.data.formats.yolo_lines import (
    Ask,
    Dialect,
    Kind,
    begins_like_labels,
    count_classes,
    have_turned_boxes,
    read_labels,
)
from eyebright_kit.data.formats.yolo_names import (
    Description,
    describe,
    describe_alike,
    is_data_yaml,
    is_description,
    is_list_of_names,
    is_yaml,
    listed_names,
    number_names,
    unnamed,
)
from eyebright_kit.data.formats.yolo_splits import splits
from eyebright_kit.data.formats.yolo_writing import carried, write
from eyebright_kit.data.pairs import beginning
from eyebright_kit.data.tree import Tree, printable
from eyebright_kit.data.walk import named_like_image
from eyebright_kit.data.writing import Target


class Yolo:
    """The registered format."""

    name = "yolo"
    tasks = ("detection", "instance_segmentation", "keypoint_detection", "oriented_detection")
    layout = "images/train/1.jpg with labels/train/1.txt, or train/images/ and train/labels/"

    def matches(self, root: Path) -> Certainty:
        seen = _Glimpse(Tree(root))
        if seen.labels and (seen.has_description or seen.has_names):
            return Certainty.SURE
        meant = seen.labels > seen.other_texts or (seen.images and (seen.has_description or seen.has_label_folder))
        return Certainty.LIKELY if meant else Certainty.NO

    def read(self, root: Path) -> Reading:
        files = Files(Tree(root))
        description = _described(files)
        layout = lay_out(files, splits(files, description), _describing(files, description))
        labels = [picture.label for picture in layout.pictures if picture.label]
        counted = number_names(count_classes(labels, root)) if description.names is None else ()
        remarks = (*description.remarks, *_unnamed(labels, counted))
        dialect = cache(partial(_dialect, description, labels, root))
        return Reading(
            classes=counted if description.names is None else description.names,
            found=partial(_found, layout, dialect, root, remarks),
            splits=layout.splits,
            skeletons=description.skeletons,
        )

    def carries(self, present: Features) -> Features:
        return carried(present)

    def write(self, target: Target) -> None:
        write(target)


# Detection


class _Glimpse:
    """What a few folders and the beginnings of a few files show."""

    _FOLDERS = 64
    _ENTRIES = 1000  # of a folder, which may have a million
    _FEW = 3

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.labels = 0
        self.other_texts = 0
        self.images = False
        self.has_description = False
        self.has_names = False
        self.has_label_folder = False
        for depth, folder in self._folders():
            self._look(folder, depth)

    def _folders(self) -> Iterator[tuple[int, Path]]:
        """Those nearest to the root first, but those for labels before all others."""
        waiting = [(0, self._tree.root)]
        for _ in range(self._FOLDERS):
            if not waiting:
                return
            depth, folder = waiting.pop(0)
            yield depth, folder
            inner = [(depth + 1, path) for path in self._tree.folders(folder)]
            waiting = [*filter(_holds_labels, inner), *waiting, *(pair for pair in inner if not _holds_labels(pair))]

    def _look(self, folder: Path, depth: int) -> None:
        files = _some_files(folder, self._ENTRIES)
        images = {file.stem for file in files if named_like_image(file)}
        self.images = self.images or bool(images)
        self.has_names = self.has_names or any(map(is_list_of_names, files))
        self.has_description = self.has_description or any(
            map(self._describes, islice(filter(is_yaml, files), self._FEW))
        )
        texts = [file for file in files if file.suffix.lower() == ".txt" and not is_list_of_names(file)]
        for_labels = _holds_labels((depth, folder))
        self.has_label_folder = self.has_label_folder or (for_labels and bool(texts))
        for file in islice((file for file in texts if for_labels or file.stem in images), self._FEW):
            meant = begins_like_labels(beginning(file, self._tree))
            self.labels += meant is True
            self.other_texts += meant is False

    def _describes(self, file: Path) -> bool:
        try:
            return is_description(read_yaml(file, self._tree.root))
        except Unreadable:
            return False


def _holds_labels(folder: tuple[int, Path]) -> bool:
    """Itself, or through one of the folders above it that are below the root."""
    depth, path = folder
    return any(part.casefold() in LABEL_ROLES for part in path.parts[len(path.parts) - depth :])


def _some_files(folder: Path, most: int) -> list[Path]:
    """In the order of their names, as far as they are among the first that the file system gives."""
    try:
        with os.scandir(folder) as entries:
            return [folder / entry.name for entry in sorted(islice(entries, most), key=attrgetter("name"))]
    except PermissionError:
        return []


# Reading


def _described(files: Files) -> Description:
    """What data.yaml says, wherever it lies; without names there, what the lists of names say. Raises Unreadable."""
    yamls = [*filter(is_yaml, files.others)]
    description = describe(files.at_the_top(yamls), files.root)
    if not description.file:
        inner = describe_alike(filter(is_data_yaml, yamls), files.root)
        description = replace(inner, remarks=(*description.remarks, *inner.remarks))
    if description.file:
        return description
    listed = listed_names(files.lists_of_names(), files.root)
    return replace(listed, remarks=(*description.remarks, *listed.remarks))


def _describing(files: Files, description: Description) -> Iterator[Path]:
    """The files that were read because they hold for all images, or should have been."""
    yield from (remark.path for remark in description.remarks)
    if description.file:
        yield from files.lists_of_names() if is_list_of_names(description.file) else (description.file,)


def _dialect(description: Description, labels: Sequence[str], root: Path) -> Dialect:
    if description.keypoints:
        return Dialect(Kind.KEYPOINTS, *description.keypoints)
    turned = description.task == "obb" if description.task else have_turned_boxes(labels, root)
    return Dialect(Kind.TURNED if turned else Kind.OUTLINES)


def _unnamed(labels: Sequence[str], names: Sequence[str]) -> Sequence[Remark]:
    """Classes that only the labels know of."""
    return unnamed(Path(labels[0]).parent, names) if labels else ()


def _found(layout: Layout, dialect: Ask, root: Path, remarks: Sequence[Remark]) -> Iterator[Candidate | Remark]:
    """Every file below `root`, as a candidate, as one's label, or with a remark."""
    yield from remarks
    for picture in layout.pictures:
        path = Path(picture.image)
        if picture.label is None:
            yield Remark(path, "missing_annotations")
        annotate = partial(read_labels, picture.label, root, dialect) if picture.label else None
        yield Candidate(path, printable(picture.image.removeprefix(f"{layout.top}/")), picture.split, annotate=annotate)
    yield from layout.remarks
