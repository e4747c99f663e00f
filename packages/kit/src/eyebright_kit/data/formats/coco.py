"""COCO: one JSON file for each split lists images, objects and categories.

    annotations/instances_train2017.json   images/train2017/1.jpg or train2017/1.jpg; person_keypoints_… and captions_… beside it
    train/_annotations.coco.json           train/1.jpg
    annotations.json                       images/1.jpg; the platform makes the splits

A file is known by its content, whatever it is called, and an image by its name, wherever it lies.
"""

from pathlib import Path

from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Certainty, Reading
from eyebright_kit.data.formats.coco_files import Look, look
from eyebright_kit.data.formats.coco_reading import read_folder
from eyebright_kit.data.formats.coco_writing import write_folder
from eyebright_kit.data.pairs import glimpsed
from eyebright_kit.data.tree import Tree
from eyebright_kit.data.writing import Target

_CARRIED = frozenset(
    {
        Feature.BOX,
        Feature.LOOSE_BOX,
        Feature.POLYGON,
        Feature.PARTS,
        Feature.RLE,
        Feature.KEYPOINTS,
        Feature.SKELETON,
        Feature.CROWD,
        Feature.ATTRIBUTES,
        Feature.CAPTION,
        Feature.CLASS_ORDER,
        Feature.CLASS_NAMES,
    }
)


class Coco:
    """The registered format."""

    name = "coco"
    tasks = ("detection", "instance_segmentation", "keypoint_detection")
    layout = "annotations/instances_train.json beside the images, or train/_annotations.coco.json"

    def matches(self, root: Path) -> Certainty:
        """By what the JSON files nearest to the root begin with. A list of results is COCO's too, if nothing that can be used,
        and so is what only its name tells: whoever wrote it must hear that it is broken."""
        tree = Tree(root)
        looks = {look(path, tree) for path in glimpsed(tree, ".json")}
        if not looks - {Look.OTHER}:
            return Certainty.NO
        if Look.COCO in looks:
            return Certainty.POSSIBLE if _has_labels_of_yolo(tree) else Certainty.SURE
        return Certainty.POSSIBLE if Look.NAMED in looks and _has_labels_of_yolo(tree) else Certainty.LIKELY

    def read(self, root: Path) -> Reading:
        """Every class is a category; what the categories of several files have in common is their names."""
        return read_folder(Tree(root))

    def carries(self, present: Features) -> Features:
        return present & _CARRIED

    def write(self, target: Target) -> None:
        """`annotations/instances_train.json` and `images/train/1.jpg`; captions in files of their own."""
        write_folder(target)


def _has_labels_of_yolo(tree: Tree) -> bool:
    """COCO as Ultralytics ships it: labels for all images, and a COCO file for the validation split alone."""
    tops = (tree.root, *tree.folders(tree.root))
    labels = [folder for top in tops for folder in tree.folders(top) if folder.name == "labels"]
    return any(next(glimpsed(Tree(folder), ".txt"), None) for folder in labels)
