"""Where a format writes a version to: `Target` hands out its samples and safe places for their images."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from eyebright_kit.data.blobs import Find, copied
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.manifest import Header, Manifest, Sample

_FORBIDDEN = frozenset('\\/:*?"<>|')  # by one system or another
_LONGEST_BYTES = 200  # leaves room for an extension
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


class NameGiver:
    """Names for files and folders: what a person called them where that is harmless everywhere and still free, else a number."""

    def __init__(self) -> None:
        self._taken: dict[Path, set[str]] = defaultdict(set)
        self._numbers: dict[Path, int] = defaultdict(int)

    def name(self, folder: Path, wish: str) -> str:
        """A name without extension that no other call has got for this folder, in whatever case."""
        taken = self._taken[folder]
        name = wish if is_plain(wish) else self._number(folder)
        while name.casefold() in taken:
            name = self._number(folder)
        taken.add(name.casefold())
        return name

    def _number(self, folder: Path) -> str:
        self._numbers[folder] += 1
        return f"{self._numbers[folder]:06d}"


def is_plain(name: str) -> bool:
    """A name that every system takes as it is, and no terminal stumbles over."""
    return (
        0 < len(os.fsencode(name)) <= _LONGEST_BYTES
        and name == unicodedata.normalize("NFC", name)
        and name.isprintable()
        and not _FORBIDDEN.intersection(name)
        and not name.startswith((".", " ", "-"))
        and not name.endswith((".", " "))
        and not _DEVICE.fullmatch(name)
    )


@dataclass(slots=True)
class Renamed:
    """How many images could not keep their names, and of the first of them the old and the new one."""

    count: int = 0
    first: tuple[str, str] = ("", "")

    def add(self, old: str, new: str) -> None:
        self.count += 1
        self.first = self.first if self.count > 1 else (old, new)


@dataclass(frozen=True)
class Target:
    """A version, where its bytes lie, and the empty folder that it is to be written into."""

    manifest: Manifest
    find: Find
    into: Path
    features: Features  # that occur in the version: what to write can depend on them
    renamed: Renamed = field(default_factory=Renamed)
    _names: NameGiver = field(default_factory=NameGiver)

    @property
    def header(self) -> Header:
        return self.manifest.header

    def has(self, feature: Feature) -> bool:
        return feature in self.features

    def samples(self) -> Iterator[Sample]:
        return self.manifest.samples()

    def folder(self, *names: str) -> Path:
        """A folder below `into`, made if need be. The names are the format's own words, or from `name`."""
        folder = self.into.joinpath(*names)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def name(self, folder: Path, wish: str) -> str:
        """A safe and free name without extension; see NameGiver."""
        return self._names.name(folder, wish)

    def place_image(self, sample: Sample, folder: Path) -> Path:
        """The image as a file in the folder, called as it was where it came from if that is safe and free."""
        wish = PurePosixPath(sample.source).stem
        name = self.name(folder, wish)
        target = folder / f"{name}.{sample.extension}"
        if name != wish:
            self.renamed.add(sample.source, target.relative_to(self.into).as_posix())
        return copied(
            self.find(sample.sha256), sample.sha256, sample.size_bytes, target, sample.source or sample.sha256
        )

    def place_mask(self, sample: Sample, path: Path) -> Path:
        """The mask of the image, whose pixels are class indices, as the file `path`."""
        assert sample.mask is not None
        mask = sample.mask
        return copied(self.find(mask.sha256), mask.sha256, mask.size_bytes, path, f"{sample.source}'s mask")


def write_file(path: Path, content: str | bytes) -> None:
    """Never over a file that is there: two images would share their annotations."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
