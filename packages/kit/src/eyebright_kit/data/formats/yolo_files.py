"""What lies below the root of a YOLO set, and which text describes which image.

An image belongs to the text that is called alike and lies in its folder or, with `labels` for `images` in the path, beside it.
"""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from eyebright_kit.data.formats.yolo_names import is_list_of_names
from eyebright_kit.data.lookup import Lookup
from eyebright_kit.data.pairs import IMAGE_ROLES, Gathered, Places, gather, top_of
from eyebright_kit.data.tree import Tree

LABEL_ROLES = frozenset({"labels", "label"})
_ROLES = IMAGE_ROLES | LABEL_ROLES


class Files:
    """All files below a root. Paths are kept as text: there are hundreds of thousands."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.root = tree.root
        gathered = gather(tree, _is_text)
        self.images = tuple(map(str, gathered.images))
        self.texts = tuple(map(str, gathered.documents))
        self.others = gathered.others
        self.remarks = gathered.remarks
        self.label_of = self._paired(gathered)
        described = (*self.label_of, *self.label_of.values()) or self.images
        one_of_each = {folder_of(file): file for file in described}
        self.top = top_of(map(Path, one_of_each.values()), self.root, _ROLES)

    def _paired(self, gathered: Gathered) -> dict[str, str]:
        """The label of each image that has one; what lies in a folder for labels goes before what lies beside the image."""
        places = Places(self.root, _ROLES)
        inner = {folder for folder in set(map(folder_of, self.texts)) if self.is_for_labels(Path(folder))}
        last_come_those_for_labels = sorted(gathered.documents, key=lambda text: folder_of(str(text)) in inner)
        labels = {places.of(text): str(text) for text in last_come_those_for_labels}
        pairs = ((str(image), labels.get(places.of(image))) for image in gathered.images)
        return {image: label for image, label in pairs if label is not None}

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset(self.label_of.values())

    @cached_property
    def lookup(self) -> Lookup:
        """Of the images, by their paths from the root."""
        return Lookup(map(self.inside, self.images))

    def at_the_top(self, files: Iterable[Path]) -> list[Path]:
        """Those of the files that lie where the set begins or in a folder that wraps it, the outermost first."""
        folders = [folder for folder in (*reversed(self.top.parents), self.top) if folder.is_relative_to(self.root)]
        return sorted((file for file in files if file.parent in folders), key=lambda file: (len(file.parts), file))

    def lists_of_names(self) -> list[Path]:
        """Everywhere: labelImg writes one beside the labels, Roboflow one into each split. None of them is a label."""
        files = (*map(Path, self.texts), *self.others)
        return [file for file in files if is_list_of_names(file) and str(file) not in self.labels]

    def is_for_labels(self, folder: Path) -> bool:
        return any(part.casefold() in LABEL_ROLES for part in folder.relative_to(self.root).parts)

    def inside(self, path: str) -> str:
        """The path from the root, with forward slashes; empty for the root itself."""
        return path[len(str(self.root)) :].lstrip("/")


def folder_of(path: str) -> str:
    """What Path.parent says, in a tenth of the time."""
    return path.rpartition("/")[0]


def _is_text(path: Path) -> bool:
    return path.name[-4:].lower() == ".txt"
