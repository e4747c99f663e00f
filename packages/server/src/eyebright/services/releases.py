"""A project's releases: zips below `projects/<Project>/releases/`, unpacked to `projects/<Project>/training_data/<slug>/`.

Every path comes from a caller, relative to the root: its parts are checked one by one, and none may lead out of the root.
"""

import asyncio
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from eyebright.errors import Conflict, InvalidRequest, NotFound
from eyebright_kit.archive import ArchiveRejected, extract
from eyebright_kit.data.documents import Unreadable, read_yaml
from eyebright_kit.disk import replace_durably
from eyebright_kit.names import NameRefused, safe_parts

PROJECTS, RELEASES, TRAINING_DATA = "projects", "releases", "training_data"
_CLASS_LISTS = ("data.yaml", "data.yml", "dataset.yaml")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Release:
    """A zip and where it is unpacked to; both as callers name them."""

    zip_path: str
    target_dir: str
    extracted: bool
    classes: tuple[str, ...] = ()  # as its data.yaml has them


@dataclass(frozen=True, slots=True)
class _Place:
    zip: Path
    target: Path
    note: Path  # beside the target: of which zip it was made


class Releases:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._changing = asyncio.Lock()  # two calls for one release would remove what the other has just unpacked

    async def look(self, zip_path: str) -> Release:
        """Whether the zip is unpacked as it is now. Raises InvalidRequest, or NotFound when there is no such zip."""
        return await asyncio.to_thread(self._look, zip_path)

    async def extract(self, zip_path: str) -> Release:
        """Unpack it, all or nothing; what an older state of the zip left is replaced. Once unpacked, this is free.

        Raises InvalidRequest for an archive that is refused, NotFound, or Conflict when another zip has the place.
        """
        async with self._changing:
            return await asyncio.to_thread(self._extract, zip_path)

    async def discard(self, zip_path: str) -> None:
        """Remove the zip and what was unpacked of it, never what was trained on it. What is gone already is no error."""
        async with self._changing:
            await asyncio.to_thread(self._discard, zip_path)

    async def folder(self, dataset_path: str) -> Path:
        """The folder `projects/<Project>/training_data/<slug>`. Raises InvalidRequest or NotFound."""
        return await asyncio.to_thread(self._folder, dataset_path)

    def _look(self, zip_path: str) -> Release:
        place = self._place(zip_path)
        if not place.zip.is_file():
            raise NotFound(f"there is no release {zip_path}; expected a zip below {PROJECTS}/<Project>/{RELEASES}/")
        done = place.target.is_dir() and _note(place) == _facts(place.zip)
        target = place.target.relative_to(self._root).as_posix()
        return Release(zip_path, target, done, _classes(place.target) if done else ())

    def _extract(self, zip_path: str) -> Release:
        if (release := self._look(zip_path)).extracted:
            return release
        place = self._place(zip_path)
        _require_own(place, release)
        _remove(place)
        _unpack(place, zip_path)
        return self._look(zip_path)

    def _discard(self, zip_path: str) -> None:
        place = self._place(zip_path)
        if (note := _note(place)) and note["zip"] == place.zip.name:
            _remove(place)
        place.zip.unlink(missing_ok=True)

    def _folder(self, dataset_path: str) -> Path:
        folder = self._inside(dataset_path, TRAINING_DATA)
        if not folder.is_dir():
            raise NotFound(f"there is no folder {dataset_path}; unpack its release first (extract-release)")
        return folder

    def _place(self, zip_path: str) -> _Place:
        path = self._inside(zip_path, RELEASES)
        if path.suffix.lower() != ".zip":
            raise InvalidRequest(f"{zip_path} is not named like a zip; expected {_shape(RELEASES)}.zip")
        slug = _UNFIT.sub("-", path.stem).strip("-.").lower() or "release"
        data = path.parent.parent / TRAINING_DATA
        return _Place(path, data / slug, data / f".{slug}.json")

    def _inside(self, path: str, kind: str) -> Path:
        """`projects/<Project>/<kind>/<name>`, followed nowhere else."""
        try:
            parts = safe_parts(path, "release" if kind == RELEASES else "data set")
        except NameRefused as refused:
            raise InvalidRequest(refused.message) from None
        if len(parts) != 4 or (parts[0], parts[2]) != (PROJECTS, kind) or parts[3].startswith("."):
            raise InvalidRequest(f"{path!r} is no such path; expected {_shape(kind)}")
        found = self._root.joinpath(*parts)
        if not found.resolve().is_relative_to(self._root.resolve()):
            raise InvalidRequest(f"{path!r} leads out of the projects' folder")
        return found


def _shape(kind: str) -> str:
    return f"{PROJECTS}/<Project>/{kind}/<name>"


def _facts(path: Path) -> dict[str, Any]:
    """By which a zip is known again."""
    status = path.stat()
    return {"zip": path.name, "size_bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def _note(place: _Place) -> dict[str, Any] | None:
    try:
        return json.loads(place.note.read_bytes())
    except FileNotFoundError:
        return None


def _require_own(place: _Place, release: Release) -> None:
    """What another zip, or somebody's hand, put there is not ours to replace."""
    note = _note(place)
    if place.target.exists() and (note is None or note["zip"] != place.zip.name):
        owner = note["zip"] if note else "something else"
        raise Conflict(f"{release.target_dir} holds {owner}; rename {release.zip_path}, or remove the folder")


def _unpack(place: _Place, zip_path: str) -> None:
    """The note first: a crash leaves no folder that is nobody's, and a zip that changes meanwhile is seen to have changed."""
    place.note.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(place.note, json.dumps(_facts(place.zip)).encode())
    try:
        extract(place.zip, place.target)
    except ArchiveRejected as refused:
        place.note.unlink()
        raise InvalidRequest(f"{zip_path} is refused: {refused}") from None


def _remove(place: _Place) -> None:
    """The note last: without it the folder would be nobody's."""
    if place.target.exists():
        shutil.rmtree(place.target)
    place.note.unlink(missing_ok=True)


def _classes(folder: Path) -> tuple[str, ...]:
    """The names in its data.yaml, for people to look at; nothing depends on them."""
    for name in _CLASS_LISTS:
        try:
            content: Any = read_yaml(folder / name, folder)
        except (FileNotFoundError, Unreadable):
            continue
        names: Any = cast(dict[str, Any], content).get("names") if isinstance(content, dict) else None
        return tuple(map(str, _values(names)))
    return ()


def _values(names: Any) -> list[Any]:
    """Ultralytics takes a list, or a map from the class id."""
    if isinstance(names, dict):
        return list(cast(dict[Any, Any], names).values())
    return cast(list[Any], names) if isinstance(names, list) else []
