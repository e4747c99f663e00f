import errno
from pathlib import Path

import pytest

from eyebright_kit.disk import sha256_of
from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, DiskFull, StorageUnavailable
from eyebright_kit.runtime import transfer
from eyebright_kit.runtime.place import LocalPlace, local_folder
from eyebright_kit.runtime.tinyset import IMAGES_PER_CLASS, tiny_set
from eyebright_kit.runtime.transfer import fetch, push
from eyebright_wire.artifacts import ArtifactKind, Grant
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import DatasetGrant

TINY = tiny_set("classification")


def _granted(blobs: Path, sha256: str | None = None) -> DatasetGrant:
    stored = sha256 or TINY.store(blobs)
    return DatasetGrant(version_id="v", name="n", manifest_sha256=stored, blobs=Grant(uri=blobs.as_uri() + "/"))


def test_a_data_set_is_laid_out_from_its_blobs(tmp_path: Path):
    data = fetch(_granted(tmp_path / "blobs"), tmp_path / "data", reads_only=True)
    assert data.classes == TINY.classes
    assert len(data.samples(Split.TRAIN)) == len(TINY.classes) * IMAGES_PER_CLASS[Split.TRAIN]
    assert all(sample.path.is_relative_to(tmp_path / "data") for sample in data.samples(Split.VAL))


@pytest.mark.parametrize("reads_only", [True, False])
def test_only_who_reads_only_is_given_the_stored_files_themselves(tmp_path: Path, reads_only: bool):
    data = fetch(_granted(tmp_path / "blobs"), tmp_path / "data", reads_only=reads_only)
    stored = {path.stat().st_ino for path in (tmp_path / "blobs").rglob("*")}
    assert all((sample.path.stat().st_ino in stored) is reads_only for sample in data.samples(Split.TRAIN))


def test_a_path_with_spaces_and_signs_survives_its_uri(tmp_path: Path):
    place = tmp_path / "my data % ü #1"
    assert local_folder(Grant(uri=place.as_uri() + "/")) == place


@pytest.mark.parametrize("uri", ["s3://bucket/x/", "https://example.org/", "/no/scheme", "file://otherhost/x/"])
def test_a_place_out_of_reach_is_named(uri: str):
    with pytest.raises(ConfigInvalid, match=f"(?s){uri}.*file:///"):
        local_folder(Grant(uri=uri))


def test_a_missing_manifest_can_be_tried_again(tmp_path: Path):
    with pytest.raises(StorageUnavailable, match="cannot read the manifest") as caught:
        fetch(_granted(tmp_path, "0" * 64), tmp_path / "data", reads_only=True)
    assert caught.value.retryable


def test_a_damaged_manifest_is_found(tmp_path: Path):
    grant = _granted(tmp_path)
    blob = tmp_path / grant.manifest_sha256[:2] / grant.manifest_sha256
    blob.write_bytes(blob.read_bytes().replace(b"bright", b"Bright"))
    with pytest.raises(StorageUnavailable, match="damaged") as caught:
        fetch(grant, tmp_path / "data", reads_only=True)
    assert not caught.value.retryable


def test_a_blob_that_is_no_manifest_is_refused(tmp_path: Path):
    sha256 = transfer.sha256_of(_blob(tmp_path, b"{}"))
    with pytest.raises(DatasetInvalid):
        fetch(_granted(tmp_path, sha256), tmp_path / "data", reads_only=True)


def _blob(root: Path, content: bytes) -> Path:
    temporary = root / "blob"
    temporary.write_bytes(content)
    sha256 = sha256_of(temporary)
    (root / sha256[:2]).mkdir()
    return temporary.rename(root / sha256[:2] / sha256)


def test_an_artifact_is_what_was_told_even_when_the_trainer_writes_on(tmp_path: Path):
    staging, output = tmp_path / "staging", tmp_path / "output"
    (staging / "plots").mkdir(parents=True)
    (staging / "plots" / "loss.png").write_bytes(b"first")
    ref = push(staging, LocalPlace(output), "plots/loss.png", ArtifactKind.PICTURE, "image/png")
    with (staging / "plots" / "loss.png").open("r+b") as file:
        file.write(b"SECOND")
    pushed = output / "plots" / "loss.png"
    assert (pushed.read_bytes(), ref.size_bytes, ref.sha256) == (b"first", 5, sha256_of(pushed))
    assert [path.name for path in output.rglob("*") if path.is_file()] == ["loss.png"]


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a//b", ".hidden", "a/../b", "", "a b", "ü.json"])
def test_a_path_that_could_leave_the_output_is_refused(tmp_path: Path, path: str):
    with pytest.raises(ValueError, match="cannot be an artifact's path"):
        push(tmp_path, LocalPlace(tmp_path / "output"), path, ArtifactKind.MODEL, "text/plain")


def test_a_file_that_was_never_made_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no file .*model\.bin to push"):
        push(tmp_path, LocalPlace(tmp_path / "output"), "model.bin", ArtifactKind.MODEL, "text/plain")


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, StorageUnavailable)]
)
def test_an_output_that_cannot_take_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
):
    def failing(_source: Path, _target: Path) -> tuple[int, str]:
        raise OSError(number, "no")

    monkeypatch.setattr(transfer, "copy_durably", failing)
    with pytest.raises(kind, match="output"):
        push(tmp_path, LocalPlace(tmp_path / "output"), "model.bin", ArtifactKind.MODEL, "text/plain")
