"""The socket of data set formats: what one must do, and how the installed ones are found.

A format is a class without constructor arguments, registered as an entry point of the group `eyebright.formats`. It only reads
names and annotations; whether an image is one is decided elsewhere, so that every format treats bad files alike.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from eyebright_kit.data.annotations import Instance, Skeleton
from eyebright_kit.data.tree import listed_once, printable
from eyebright_wire.datasets import Split

if TYPE_CHECKING:
    from eyebright_kit.data.features import Features
    from eyebright_kit.data.writing import Target

GROUP = "eyebright.formats"


class Certainty(IntEnum):
    """How sure a format is that a folder is written in it."""

    NO = 0
    POSSIBLE = 1  # the shape fits
    LIKELY = 2  # the shape fits, and so does what one or two of the files say
    SURE = 3  # a file that only this format has


@dataclass(frozen=True, slots=True)
class Remark:
    """A path that is no sample, or a part of it that is no annotation, and why: `code` is one of findings.CATALOGUE, `detail`
    what is special about this one, `mark` where in the file ("12" for a line, "annotation 7")."""

    path: Path
    code: str
    detail: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A picture whose pixels say what the image shows. A value or colour that is not mapped is a finding.

    `values` maps the pixels of a picture with one channel or a palette, `colours` those of one in RGB; to class indices, or
    to IGNORED.
    """

    path: Path
    values: Mapping[int, int] = field(default_factory=dict[int, int])
    colours: Mapping[tuple[int, int, int], int] = field(default_factory=dict[tuple[int, int, int], int])


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a format knows about one image. `marks` says for each instance where it stands in `file`: the line or "annotation 7".

    `remarks` are about what stands there and could not be understood. Boxes are given as they were found: whether they lie in
    the image is judged elsewhere.
    """

    instances: Sequence[Instance] = ()
    file: Path | None = None
    marks: Sequence[int | str] = ()
    mask: MaskFile | None = None
    caption: str | None = None
    repeats: int = 1  # how often an epoch is meant to show the image
    remarks: Sequence[Remark] = ()


#: Read the annotations of an image, given its width and height in pixels.
Annotate = Callable[[int, int], Annotations]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that should be an image of the data set. `split=None`: the source does not say. `annotate` is called at most
    once, after the file was found to be an image."""

    path: Path
    source: str  # its name inside the data set, with forward slashes
    split: Split | None
    label: int | None = None
    annotate: Annotate | None = field(default=None, compare=False)
    shown: str = ""  # what findings call it; by default its path below the root


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format makes of a folder. `found` walks it afresh at each call, in a stable order, without holding it in memory.

    Together the candidates, their annotation files and the remarks cover every file: what training would not use is remarked
    upon, never passed over. `places` names the folder of each (split, class) that the source provides for, even an empty one.
    """

    classes: tuple[str, ...]
    found: Callable[[], Iterator[Candidate | Remark]]
    splits: Mapping[Split, str] = field(
        default_factory=dict[Split, str]
    )  # as the source calls them: "train/", "valid/"
    places: Mapping[tuple[Split | None, int], str] = field(default_factory=dict[tuple[Split | None, int], str])
    class_noun: str = "class"
    skeletons: Mapping[int, Skeleton] = field(default_factory=dict[int, Skeleton])  # by class


class Format(Protocol):
    """One way to lay a data set out on disk."""

    @property
    def name(self) -> str: ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """What its annotations can teach."""
        ...

    @property
    def layout(self) -> str:
        """The shape in a few words, for whoever wonders why their folder was not recognised."""
        ...

    def matches(self, root: Path) -> Certainty:
        """Look at names, and at the beginning of a few files."""
        ...

    def read(self, root: Path) -> Reading:
        """Called only after `matches` said at least POSSIBLE. Opens annotations, never images; changes nothing.

        Raises DatasetUnreadable when what holds for all images (a list of classes, an index) cannot be read.
        """
        ...

    def carries(self, present: "Features") -> "Features":
        """What of a data set with these features would survive being written and read again."""
        ...

    def write(self, target: "Target") -> None:
        """Lay a version out so that `read` finds the same images and annotations, as far as `carries` promises."""
        ...


@cache
def formats() -> tuple[Format, ...]:
    """Every installed format, by name. Looked up once: the look-up costs 11 ms, and what is installed does not change."""
    return tuple(_load(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name))


def detect(root: Path) -> Format | None:
    """The format that is surest of the folder; between equals the first by name. None when no format knows it."""
    with listed_once():  # within another one it changes nothing
        sure = [(form.matches(root), form) for form in formats()]
    certainty, best = max(sure, key=lambda pair: pair[0], default=(Certainty.NO, None))
    return best if certainty else None


def shown_path(path: Path, root: Path) -> str:
    """A path below `root` as `printable` text: this is how names come into reports, manifests and tables."""
    return printable(path.relative_to(root).as_posix())


def _load(point: EntryPoint) -> Format:
    try:
        return point.load()()
    except Exception as error:
        raise ImportError(
            f"the data set format {point.name!r} ({point.value}) cannot be loaded: {error}; repair or uninstall it"
        ) from error
