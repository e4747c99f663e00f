"""The socket of data set formats: what one must do, and how the installed ones are found.

A format is a class without constructor arguments, registered as an entry point of the group `eyebright.formats`. It only reads
names and annotations; whether an image is one is decided elsewhere, so that every format treats bad files alike.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol

from eyebright_kit.data.local import LocalDataset
from eyebright_kit.data.tree import printable
from eyebright_wire.datasets import Split, VersionManifest

GROUP = "eyebright.formats"


class Certainty(IntEnum):
    """How sure a format is that a folder is written in it."""

    NO = 0
    POSSIBLE = 1  # the shape fits
    SURE = 2  # a file that only this format has


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that should be an image of the data set. `split=None`: the source does not say."""

    path: Path
    source: str  # its name inside the data set, with forward slashes
    split: Split | None
    label: int | None


@dataclass(frozen=True, slots=True)
class Remark:
    """A path that is no sample, and why: `code` is one of findings.CATALOGUE, `detail` what is special about this one."""

    path: Path
    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format makes of a folder. `found` walks it afresh at each call, in a stable order, without holding it in memory.

    Together the candidates and remarks cover every file: what training would not use is remarked upon, never passed over.
    `places` names the folder of each (split, class) that the source provides for, even an empty one.
    """

    classes: tuple[str, ...]
    found: Callable[[], Iterator[Candidate | Remark]]
    splits: Mapping[Split, str] = field(
        default_factory=dict[Split, str]
    )  # as the source calls them: "train/", "valid/"
    places: Mapping[tuple[Split | None, int], str] = field(default_factory=dict[tuple[Split | None, int], str])
    class_noun: str = "class"


class Format(Protocol):
    """One way to lay a data set out on disk."""

    name: str
    tasks: tuple[str, ...]  # what its annotations can teach
    layout: str  # the shape in a few words, for whoever wonders why their folder was not recognised

    def matches(self, root: Path) -> Certainty:
        """Look at names only, and at few of them."""
        ...

    def read(self, root: Path) -> Reading:
        """Called only after `matches` said at least POSSIBLE. Opens annotations, never images; changes nothing."""
        ...

    def write(self, manifest: VersionManifest, blobs: Path, into: Path) -> LocalDataset:
        """Lay a version out below `into` so that `read` finds the same images under the same class numbers."""
        ...


@cache
def formats() -> tuple[Format, ...]:
    """Every installed format, by name. Looked up once: the look-up costs 11 ms, and what is installed does not change."""
    return tuple(_load(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name))


def detect(root: Path) -> Format | None:
    """The format that is surest of the folder; between equals the first by name. None when no format knows it."""
    best = max(formats(), key=lambda form: form.matches(root), default=None)
    return best if best and best.matches(root) else None


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
