"""Semantic masks: for each image a picture as large whose values or colours are classes.

    images/train/1.jpg, masks/train/1.png        also train/images and train/masks; labels, annotations, gt, ann_dir for masks
    train/1.jpg, train/1_mask.png                Roboflow's, with train/_classes.csv
    train/1.png, train_labels/1_L.png            CamVid's, with class_dict.csv; also train_images and train_masks
    JPEGImages/1.jpg, SegmentationClass/1.png    CVAT's, with labelmap.txt and ImageSets/Segmentation/train.txt

What the values or colours mean stands in a list beside them; without one, what occurs in the masks is a class (see palette.py).
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eyebright_kit.data.classlist import on_one_line
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Annotations, Candidate, Certainty, MaskFile, Reading, Remark, shown_path
from eyebright_kit.data.imagesets import read_image_sets, split_names
from eyebright_kit.data.pairs import IMAGE_ROLES, Gathered, Places, gather, top_of
from eyebright_kit.data.palette import Palette, is_class_list, read_palette
from eyebright_kit.data.tree import Tree
from eyebright_kit.data.walk import named_like_image
from eyebright_kit.data.writing import Target, write_file

_IMAGE_ROLES = IMAGE_ROLES | {"leftimg8bit"}
_MASK_ROLES = frozenset(
    {
        *("mask", "masks", "label", "labels", "annotation", "annotations", "ann_dir", "ann", "anns", "gt", "gtfine"),
        *("groundtruth", "ground_truth", "seg", "segmentation", "segmentations", "semantic", "labelids"),
        *("segmentationclass", "segmentationclassaug", "segmentationclasspng", "segmentationclassraw"),
        *("masks_machine", "trimaps"),
    }
)
_OTHER_PICTURES = frozenset({"segmentationobject", "segmentationclassvisualization", "visualization", "masks_human"})
_OTHER_TAIL = re.compile(r"_gt(?:Fine|Coarse)_(?:color|instance(?:Train)?Ids)$")
_TAIL = r"[_-](?:masks?|labels?|gt|ground_?truth|seg|segmentation|annotations?|L|gt(?:Fine|Coarse)_label(?:Train)?Ids)$"
_MASK_TAIL = re.compile(rf"{_TAIL}|\.(?:jpe?g|png|bmp|tiff?|webp)$", re.IGNORECASE)  # 1.jpg.png belongs to 1.jpg
_MASK_FOLDER = re.compile(rf"{_TAIL}|(?:(?<=^train)|(?<=^val)|(?<=^test))annot$", re.IGNORECASE)
_CLEAR_TAIL = re.compile(r"[_-](?:masks?|labels?|gt|seg|segmentation)$", re.IGNORECASE)  # beside images, too
_IMAGE_TAIL = re.compile(r"_(?:leftImg8bit|sat)$")
_IMAGE_FOLDER = re.compile(r"[_-](?:images?|imgs?|input)$", re.IGNORECASE)
_FOLDERS_LOOKED_AT = 64
_FILES_LOOKED_AT = 2000  # an image whose mask exists must be among them


class Masks:
    """The registered format."""

    name = "masks"
    tasks = ("semantic_segmentation",)
    layout = "images/1.jpg with masks/1.png"

    def matches(self, root: Path) -> Certainty:
        """By names: an image and a mask that belong together. A list of colours or values makes sure of it."""
        tree = Tree(root)
        files = list(_a_few(tree))
        masks = frozenset(path for path in files if _is_mask(path, root))
        images = [path for path in files if path not in masks and named_like_image(path)]
        if not _Pairs(root, tuple(sorted(masks))).used_by(images):
            return Certainty.NO
        return Certainty.SURE if any(is_class_list(path, plain=False) for path in files) else Certainty.LIKELY

    def read(self, root: Path) -> Reading:
        """Without a list of classes, every mask is decoded once more: 120,000 of them take minutes."""
        tree = Tree(root)
        gathered = _gathered(tree)
        masks = _Pairs(root, _masks_of(gathered, root)).used_by(gathered.images)
        palette = read_palette(gathered.others, masks, root)
        splits = split_names(gathered.others, "Segmentation", gathered.images, root)
        return Reading(palette.classes, partial(_found, tree, palette), splits=splits)

    def carries(self, present: Features) -> Features:
        return present & {Feature.MASK, Feature.CLASS_ORDER, Feature.CLASS_NAMES}

    def write(self, target: Target) -> None:
        """`images/train/1.jpg` with `masks/train/1.png`, and what each value means in `_classes.csv`."""
        for sample in target.samples():
            image = target.place_image(sample, target.folder("images", sample.split))
            if sample.mask is not None:
                target.place_mask(sample, target.folder("masks", sample.split) / f"{image.stem}.png")
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("Pixel Value", "Class"))
        rows.writerows((value, on_one_line(name)) for value, name in enumerate(target.header.classes))
        write_file(target.into / "_classes.csv", table.getvalue())


# What is a mask


def _is_mask(path: Path, root: Path) -> bool:
    """The innermost folder that says what lies in it decides; where none does, the name."""
    if not named_like_image(path):
        return False
    for part in reversed(path.relative_to(root).parts[:-1]):
        if part.casefold() in _IMAGE_ROLES or _IMAGE_FOLDER.search(part):
            return False
        if part.casefold() in _MASK_ROLES or _MASK_FOLDER.search(part):
            return True
    return bool(_CLEAR_TAIL.search(path.stem))


def _is_other_picture(path: Path, root: Path) -> bool:
    """Of single objects, or made for people."""
    if _OTHER_TAIL.search(path.stem):
        return _is_mask(path, root)
    return any(part.casefold() in _OTHER_PICTURES for part in path.relative_to(root).parts[:-1])


def _gathered(tree: Tree) -> Gathered:
    """Documents are the masks, and pictures that are neither masks nor images."""
    root = tree.root
    return gather(tree, lambda path: _is_mask(path, root) or (named_like_image(path) and _is_other_picture(path, root)))


def _masks_of(gathered: Gathered, root: Path) -> tuple[Path, ...]:
    return tuple(path for path in gathered.documents if not _is_other_picture(path, root))


def _a_few(tree: Tree) -> Iterator[Path]:
    waiting = [tree.root]
    for _ in range(_FOLDERS_LOOKED_AT):
        if not waiting:
            return
        listing = tree.list(waiting.pop(0))
        yield from listing.files[:_FILES_LOOKED_AT]
        waiting += listing.folders


class _Pairs:
    """Which mask belongs to an image: one that is called the same, or the same with an end such as `_mask`."""

    def __init__(self, root: Path, masks: tuple[Path, ...]) -> None:
        roles = _IMAGE_ROLES | _MASK_ROLES
        self._images = Places(root, roles, _IMAGE_TAIL, _IMAGE_FOLDER)
        exact = Places(root, roles, folder_tails=_MASK_FOLDER)
        self._tailed = Places(root, roles, _MASK_TAIL, _MASK_FOLDER)
        self._masks = {self._tailed.of(path): path for path in reversed(masks)}
        self._masks |= {exact.of(path): path for path in reversed(masks)}

    @property
    def places(self) -> Places:
        return self._images

    def of(self, place: str) -> Path | None:
        return self._masks.get(place)

    def used_by(self, images: Iterable[Path]) -> tuple[Path, ...]:
        """In the order of the images, each once."""
        found = (self._masks.get(self._images.of(image)) for image in images)
        return tuple(dict.fromkeys(mask for mask in found if mask))

    def is_another(self, path: Path, used: Set[Path]) -> bool:
        """The image that it belongs to has a mask in use."""
        return self._masks.get(self._tailed.of(path)) in used


# Walking


@dataclass(frozen=True, slots=True)
class _Annotate:
    """What `mask` says about an image; made as often as there are images, so it holds as little as can be."""

    mask: Path
    palette: Palette

    def __call__(self, width: int, height: int) -> Annotations:
        return Annotations(file=self.mask, mask=MaskFile(self.mask, self.palette.values, self.palette.colours))


def _found(tree: Tree, palette: Palette) -> Iterator[Candidate | Remark]:
    root, gathered = tree.root, _gathered(tree)
    yield from gathered.remarks
    yield from palette.remarks
    pairs = _Pairs(root, _masks_of(gathered, root))
    images = {path: pairs.places.of(path) for path in gathered.images}
    known = frozenset(images.values())
    lists = read_image_sets(gathered.others, "Segmentation", root, pairs.places, known)
    top = top_of(gathered.images, root, _IMAGE_ROLES | _MASK_ROLES)
    used: set[Path] = set()
    for path, place in images.items():
        mask = pairs.of(place)
        used |= {mask} if mask else set()
        if lists.leaves_out(place):
            yield Remark(path, "unlisted_image", "there are lists in ImageSets/Segmentation, and it is in none of them")
        else:
            annotate = _Annotate(mask, palette) if mask else partial(_without, path)
            yield Candidate(path, shown_path(path, top), lists.split_of(place, path, root), annotate=annotate)
    yield from lists.missing(known)
    yield from (_unused(path, root, pairs.is_another(path, used)) for path in gathered.documents if path not in used)
    in_use = lists.files | palette.files
    yield from (Remark(path, "other_file") for path in gathered.others if path not in in_use)


def _without(path: Path, width: int, height: int) -> Annotations:
    return Annotations(remarks=(Remark(path, "missing_mask"),))


def _unused(path: Path, root: Path, is_another: bool) -> Remark:
    if _is_other_picture(path, root):
        return Remark(path, "unsupported_annotations", "pictures of single objects, or for people, are not read")
    if is_another:
        return Remark(path, "unsupported_annotations", "another mask of the same image is read")
    return Remark(path, "orphan_annotations")
