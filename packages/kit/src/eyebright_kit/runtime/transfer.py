"""Bytes in and out of an attempt, through Grants only: the data set comes, artifacts go."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from pydantic import ValidationError

from eyebright_kit.data.blobs import blob_path, copied, linked
from eyebright_kit.data.local import LocalDataset
from eyebright_kit.data.manifest import Manifest, Sample
from eyebright_kit.data.materialise import materialise
from eyebright_kit.disk import copy_durably, is_full, sha256_of
from eyebright_kit.errors import DatasetInvalid, DiskFull, StorageUnavailable
from eyebright_kit.runtime.place import Opening, Place, Wanted, local_place
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef
from eyebright_wire.jobs import DatasetGrant, ModelGrant

#: sha256 and size of a file with nothing in it.
_NOTHING = ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0)


def fetch(grant: DatasetGrant, into: Path, *, reads_only: bool, opening: Opening = local_place) -> LocalDataset:
    """Lays the data set version out below `into`, after verifying that its manifest is the one that was granted.

    Whoever `reads_only` gets hard links where they can be made. Anybody else would change the stored version through them.
    """
    place = opening(grant.blobs)
    manifest = granted_manifest(grant, place)
    try:
        place.bring(_Blobs(manifest))
        return materialise(manifest, place.folder, into, linked if reads_only else copied)
    except msgspec.DecodeError as error:
        raise DatasetInvalid(
            f"the manifest of data set version {grant.version_id} is not understood: {error}"
        ) from error


@dataclass(frozen=True, slots=True)
class _Blobs:
    """Of a whole version, read from its manifest each time: a million names need not be in memory."""

    manifest: Manifest

    def __iter__(self) -> Iterator[Wanted]:
        return blobs_of(self.manifest.samples())


def blobs_of(samples: Iterable[Sample]) -> Iterator[Wanted]:
    """The files of these images below the blob root, masks too."""
    for sample in samples:
        yield _blob(sample.sha256, sample.size_bytes)
        if sample.mask is not None:
            yield _blob(sample.mask.sha256, sample.mask.size_bytes)


def _blob(sha256: str, size_bytes: int | None = None) -> Wanted:
    return Wanted(blob_path(Path(), sha256).as_posix(), sha256, size_bytes)


def fetch_model(grant: ModelGrant, into: Path, *, reads_only: bool, opening: Opening = local_place) -> None:
    """Lays the files of a registered model out below `into`, each verified by its sha256. Links for who `reads_only`."""
    opened, place = opening(grant.source), linked if reads_only else copied
    opened.bring(grant.files)
    source = opened.folder
    for file in grant.files:
        (into / file.path).parent.mkdir(parents=True, exist_ok=True)
        try:
            found = sha256_of(source / file.path)
        except OSError as error:
            raise StorageUnavailable(f"cannot read {file.path} of the model {grant.title}: {error}") from error
        if found != file.sha256:
            raise StorageUnavailable(
                f"{file.path} of the model {grant.title} is damaged: its sha256 is {found}, expected {file.sha256}",
                retryable=False,
            )
        place(source / file.path, file.sha256, file.size_bytes, into / file.path, f"{grant.title}: {file.path}")


def push(staging: Path, place: Place, path: str, kind: ArtifactKind, media_type: str) -> ArtifactRef:
    """Copies `staging / path` to the same path in `place`, durably.

    A copy, not a hard link: a trainer that writes its metrics.json again in place would change what was already promised by
    its sha256. It costs one more write of the model: 0.1 s for resnet18.
    """
    name, output = _checked(path, kind, media_type), place.folder
    try:
        size, sha256 = copy_durably(staging / name, output / name)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {staging / name} to push as an artifact") from error
    except OSError as error:
        if is_full(error):
            raise DiskFull(f"no room left in {output} for {name}; free space there and retry the job") from error
        raise StorageUnavailable(f"cannot write {output / name}: {error}") from error
    ref = ArtifactRef(path=name, size_bytes=size, sha256=sha256, kind=kind, media_type=media_type)
    place.send([ref])
    return ref


def nothing(path: str, kind: ArtifactKind, media_type: str) -> ArtifactRef:
    """A file with nothing in it."""
    sha256, size = _NOTHING
    return ArtifactRef(path=path, size_bytes=size, sha256=sha256, kind=kind, media_type=media_type)


def _checked(path: str, kind: ArtifactKind, media_type: str) -> str:
    """Refuses a path that would leave the output before anything is touched."""
    try:
        return nothing(path, kind, media_type).path
    except ValidationError as error:
        raise ValueError(
            f"{path!r} cannot be an artifact's path: expected letters, digits, . _ - and single slashes"
        ) from error


def granted_manifest(grant: DatasetGrant, place: Place) -> Manifest:
    """Raises StorageUnavailable when it cannot be read, or is not the one that was granted."""
    place.bring([_blob(grant.manifest_sha256)])
    blob = blob_path(place.folder, grant.manifest_sha256)
    try:
        found = sha256_of(blob)
    except OSError as error:
        raise StorageUnavailable(f"cannot read the manifest of data set version {grant.version_id}: {error}") from error
    if found != grant.manifest_sha256:
        raise StorageUnavailable(
            f"the manifest of data set version {grant.version_id} is damaged: its sha256 is {found}, "
            f"expected {grant.manifest_sha256} ({blob}); import the data set again",
            retryable=False,
        )
    return Manifest(blob)
