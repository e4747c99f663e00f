"""Put every file of a YOLO set in its place: an image of a split, its label, or a remark."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from eyebright_kit.data.format import Remark
from eyebright_kit.data.formats.yolo_files import LABEL_ROLES, Files, folder_of
from eyebright_kit.data.formats.yolo_lines import begins_like_labels
from eyebright_kit.data.formats.yolo_splits import Splits
from eyebright_kit.data.lookup import split_of_folder
from eyebright_kit.data.pairs import IMAGE_ROLES, beginning
from eyebright_wire.datasets import Split


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of the set, and the file that describes it, if there is one."""

    image: str
    label: str | None
    split: Split | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The images of the set, and what became of every other file."""

    top: Path
    pictures: tuple[Picture, ...]
    remarks: tuple[Remark, ...]
    splits: Mapping[Split, str]


def lay_out(files: Files, described: Splits, in_use: Iterable[Path]) -> Layout:
    """`in_use` are the files that describe the set as a whole."""
    places = _Membership(files, described)
    pictures = tuple(picture for image in files.images if (picture := places.picture(image)))
    members = {picture.image for picture in pictures}
    used = {*filter(None, (picture.label for picture in pictures)), *map(str, in_use), *map(str, described.lists)}
    remarks = (
        *described.remarks,
        *(Remark(Path(image), "unlisted_image") for image in files.images if image not in members),
        *(_of_text(text, files) for text in files.texts if text not in used),
        *(Remark(file, "other_file") for file in files.others if str(file) not in used),
        *files.remarks,
    )
    return Layout(files.top, pictures, remarks, places.names)


class _Membership:
    """Decides folder by folder, as there are few of them."""

    def __init__(self, files: Files, described: Splits) -> None:
        self._files = files
        self._described = described
        self._top = files.inside(str(files.top))
        self._labelled = set(map(folder_of, files.label_of))
        self._folders: dict[str, tuple[Split | None, bool]] = {}
        self.names: dict[Split, str] = {}

    def picture(self, image: str) -> Picture | None:
        """None when the image lies where none is looked for."""
        folder = folder_of(image)
        if folder not in self._folders:
            self._folders[folder] = self._judged(self._files.inside(folder), folder in self._labelled)
        split, belongs = self._folders[folder]
        split = self._described.listed.get(image, split)
        if not belongs and image not in self._described.listed:
            return None
        if split and split not in self.names:
            self.names[split] = f"{self._files.inside(folder)}/"
        return Picture(image, self._files.label_of.get(image), split)

    def _judged(self, folder: str, labelled: bool) -> tuple[Split | None, bool]:
        """The split of a folder, and whether all its images belong to the set."""
        described = self._described.of_folder(folder)
        if self._described.listed:  # then what is in no list is not meant
            return described, described is not None
        split = described or split_of_folder(f"{folder}/".removeprefix(f"{self._top}/").strip("/"))
        parts = {part.casefold() for part in folder.split("/")}
        belongs = bool(split or parts & IMAGE_ROLES or labelled) and not parts & LABEL_ROLES
        return split, belongs


def _of_text(text: str, files: Files) -> Remark:
    """A text that describes no image: was it meant to?"""
    path = Path(text)
    meant = begins_like_labels(beginning(path, files.tree))
    if meant is None:
        meant = files.is_for_labels(path.parent)
    return Remark(path, "orphan_annotations" if meant else "other_file")
