"""Checkpoints that are whole or absent: hidden while written, listed with sha256 last, verified byte by byte before use.

A checkpoint is the folder `checkpoints/step-<n>/` below the attempt's output; its `manifest.json` is written last. It is written
where it stays, under a hidden name, so nothing is copied twice.
"""

import logging
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from eyebright_kit.disk import free_bytes, is_full, sha256_of, sync, sync_folders
from eyebright_kit.errors import DiskFull, StorageUnavailable, TrainerFailure
from eyebright_kit.runtime.context import Restored
from eyebright_kit.runtime.place import Opening, Wanted, local_place
from eyebright_kit.runtime.reporter import finite
from eyebright_wire.artifacts import CHECKPOINTS, ArtifactKind, ArtifactRef
from eyebright_wire.events import CheckpointSaved
from eyebright_wire.jobs import ResumePoint

MANIFEST = "manifest.json"
KEEP = 2
_WRITERS = 4  # files that are hashed or synced at a time

_log = logging.getLogger("eyebright.checkpoints")


class CheckpointFile(BaseModel):
    path: str
    size_bytes: int
    sha256: str


class CheckpointManifest(BaseModel):
    """The content of `manifest.json`: its presence means that the checkpoint is whole."""

    epoch: int
    step: int
    saved: int = Field(description="The how many-eth checkpoint of this attempt; orders checkpoints of the same step")
    best: bool = False
    metrics: dict[str, float] = Field(default_factory=dict)
    files: tuple[CheckpointFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class _Kept:
    folder: Path
    manifest: CheckpointManifest


class Checkpoints:
    """The checkpoints of one attempt, below its output folder. One thread saves; another may retire meanwhile."""

    def __init__(self, output: Path, keep: int = KEEP) -> None:
        self._output = output
        self._folder = output / CHECKPOINTS
        self._keep = max(1, keep)
        self._kept = _kept_in(self._folder)
        self._lock = threading.Lock()

    @property
    def last_step(self) -> int | None:
        return self._kept[-1].manifest.step if self._kept else None

    @property
    def largest_bytes(self) -> int | None:
        """Of those that are kept."""
        return max((kept.manifest.size_bytes for kept in self._kept), default=None)

    def newest_first(self) -> tuple[Path, ...]:
        return tuple(kept.folder for kept in reversed(self._kept))

    def remove_leftovers(self) -> None:
        """Clears away what a killed process was just writing or removing."""
        for hidden in self._folder.glob(".*"):
            shutil.rmtree(hidden, ignore_errors=True)

    def save(
        self, write: Callable[[Path], None], *, epoch: int, step: int, metrics: Mapping[str, float], best: bool
    ) -> CheckpointSaved:
        """Writes one durably. A failure leaves the earlier ones whole. Once it was told, `retire` makes room."""
        hidden = self._folder / f".writing-{uuid.uuid4().hex[:8]}"
        try:
            hidden.mkdir(parents=True)
            write(hidden)
            saved = self._kept[-1].manifest.saved + 1 if self._kept else 1
            manifest = CheckpointManifest(
                epoch=epoch, step=step, saved=saved, best=best, metrics=finite(metrics), files=_settled(hidden)
            )
            final = self._publish(hidden, manifest)
        except Exception as error:
            if is_full(error, self._output):
                raise self._disk_full(step) from error
            raise
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        with self._lock:
            self._kept.append(_Kept(final, manifest))
        return CheckpointSaved(
            manifest=self._ref(final / MANIFEST), epoch=epoch, step=step, metrics=manifest.metrics, best=best
        )

    def contents(self, saved: CheckpointSaved) -> "Contents":
        """The files of one, beside its manifest."""
        return Contents(self._output, saved.manifest.path)

    def retire(self) -> tuple[str, ...]:
        """Removes all but the best and the newest few. The paths of their files, the list of each before what it lists.

        Only after the newest was told: a process killed in between would leave the control plane with none that still exists.
        """
        gone = self._superseded()
        for kept in gone:
            _discard(kept.folder)
        return tuple(path for kept in gone for path in self._paths(kept))

    def _paths(self, kept: _Kept) -> Iterator[str]:
        folder = kept.folder.relative_to(self._output).as_posix()
        return (f"{folder}/{name}" for name in (MANIFEST, *(file.path for file in kept.manifest.files)))

    def _superseded(self) -> list[_Kept]:
        """No longer counted among them."""
        with self._lock:
            best = max((kept.manifest.saved for kept in self._kept if kept.manifest.best), default=None)
            stay = [*self._kept[-self._keep :], *(kept for kept in self._kept if kept.manifest.saved == best)]
            gone = [kept for kept in self._kept if kept not in stay]
            self._kept = [kept for kept in self._kept if kept in stay]
        return gone

    def _publish(self, hidden: Path, manifest: CheckpointManifest) -> Path:
        """The order is the promise: contents, then their list, then the name."""
        sync_folders(hidden)
        (hidden / MANIFEST).write_text(manifest.model_dump_json(indent=2))
        sync(hidden / MANIFEST)
        sync(hidden)
        final = hidden.rename(self._free_name(manifest.step))
        sync(self._folder)
        return final

    def _free_name(self, step: int) -> Path:
        """A step that is saved twice gets a second folder: the first was promised by its sha256."""
        names = (f"step-{step}" if turn == 1 else f"step-{step}.{turn}" for turn in count(1))
        return next(self._folder / name for name in names if not (self._folder / name).exists())

    def _ref(self, path: Path) -> ArtifactRef:
        return ArtifactRef(
            path=path.relative_to(self._output).as_posix(),
            size_bytes=path.stat().st_size,
            sha256=sha256_of(path),
            kind=ArtifactKind.CHECKPOINT,
            media_type="application/json",
        )

    def _disk_full(self, step: int) -> DiskFull:
        safe = "none was saved before" if self.last_step is None else f"the one of step {self.last_step} is still whole"
        return DiskFull(
            f"no room left in {self._output} ({free_bytes(self._output) >> 20} MiB free) for the checkpoint of step {step}; "
            f"{safe}. Free space there, or lower keep_checkpoints (now {self._keep}), and retry the job"
        )


@dataclass(frozen=True, slots=True)
class Contents:
    """The files that the checkpoint's manifest lists, with paths from the same root as the manifest's."""

    root: Path
    manifest: str

    def __iter__(self) -> Iterator[Wanted]:
        folder = self.manifest.rpartition("/")[0]
        listed = CheckpointManifest.model_validate_json((self.root / self.manifest).read_bytes())
        return (Wanted(f"{folder}/{file.path}", file.sha256, file.size_bytes) for file in listed.files)


def restore(own: Checkpoints, points: Iterable[ResumePoint], opening: Opening = local_place) -> Restored | None:
    """The newest whole checkpoint: this attempt's own if it was started before, else of an earlier attempt.

    Raises StorageUnavailable when a place does not answer: to begin afresh for that would throw training away.
    """
    for folder in own.newest_first():
        if restored := _tried(folder, None):
            return restored
    for point in points:
        if restored := _tried_point(point, opening):
            return restored
    return None


def verified(folder: Path, manifest_sha256: str | None = None) -> CheckpointManifest:
    """Reads every byte of a checkpoint. Raises ValueError or OSError when one differs from what was written."""
    if manifest_sha256 is not None and sha256_of(folder / MANIFEST) != manifest_sha256:
        raise ValueError(f"{folder / MANIFEST} is not the one that was reported")
    manifest = CheckpointManifest.model_validate_json((folder / MANIFEST).read_bytes())
    for file in manifest.files:
        path = folder / file.path
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{file.path!r} lies outside the checkpoint")
        if (found := sha256_of(path)) != file.sha256:
            raise ValueError(f"{path} is damaged: its sha256 is {found}, expected {file.sha256}")
    return manifest


def _tried_point(point: ResumePoint, opening: Opening) -> Restored | None:
    try:
        folder = _brought(point, opening)
    except (TrainerFailure, OSError, ValueError) as error:
        if isinstance(error, StorageUnavailable) and error.retryable:
            raise
        _log.warning("cannot reach the checkpoint of step %d: %s", point.step, error)
        return None
    return _tried(folder, point.manifest.sha256)


def _brought(point: ResumePoint, opening: Opening) -> Path:
    place = opening(point.source)
    place.bring([point.manifest])
    place.bring(Contents(place.folder, point.manifest.path))
    return (place.folder / point.manifest.path).parent


def _tried(folder: Path, manifest_sha256: str | None) -> Restored | None:
    try:
        manifest = verified(folder, manifest_sha256)
    except (OSError, ValueError) as error:  # pydantic's ValidationError is a ValueError
        _log.warning("checkpoint %s is not usable, trying an older one: %s", folder, error)
        return None
    return Restored(folder, manifest.epoch, manifest.step, manifest.metrics)


def _kept_in(folder: Path) -> list[_Kept]:
    found = [
        _Kept(path.parent, manifest) for path in folder.glob(f"step-*/{MANIFEST}") if (manifest := _readable(path))
    ]
    return sorted(found, key=lambda kept: kept.manifest.saved)


def _readable(path: Path) -> CheckpointManifest | None:
    try:
        return CheckpointManifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        _log.warning("ignoring the unreadable %s: %s", path, error)
        return None


def _settled(folder: Path) -> tuple[CheckpointFile, ...]:
    """Every file with its sha256, and on the disk. Training waits for this, so while one file is synced the next is hashed:
    that takes half as long as one after the other."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    _refuse_strangers(folder, files)
    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="settle") as pool:
        return tuple(pool.map(partial(_settle, folder), files))


def _refuse_strangers(folder: Path, files: Iterable[Path]) -> None:
    """What could be saved but never be verified: better said now than when somebody wants to go on from it."""
    for path in files:
        if path == folder / MANIFEST:
            raise ValueError(
                f"a checkpoint's {MANIFEST} is written by the kit; give the trainer's own file another name"
            )
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"{path.relative_to(folder)} is no plain file; a checkpoint holds the files themselves")


def _settle(folder: Path, file: Path) -> CheckpointFile:
    sha256 = sha256_of(file)
    sync(file)
    return CheckpointFile(path=file.relative_to(folder).as_posix(), size_bytes=file.stat().st_size, sha256=sha256)


def _discard(folder: Path) -> None:
    """Hides it before removing it, so that a crash in between leaves no half checkpoint under a good name."""
    hidden = folder.with_name(f".removing-{folder.name}")
    folder.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)
