"""A version becomes local files whose names are numbers, verified on the way."""

import errno
import fcntl
import os
import pickle
import shutil
import tracemalloc
from pathlib import Path
from typing import BinaryIO

import pytest
from msgspec.structs import replace
from PIL import Image, ImageOps

from eyebright_kit.data import blobs
from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.blobs import blob_path, linked
from eyebright_kit.data.conformance import store, write_class_folders
from eyebright_kit.data.local import dump, load
from eyebright_kit.data.manifest import Manifest, line_of, write_manifest
from eyebright_kit.data.materialise import materialise
from eyebright_kit.data.version import prepare
from eyebright_kit.disk import sha256_of
from eyebright_kit.errors import StorageUnavailable
from eyebright_wire.datasets import Split


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Two classes with unpleasant names, whose blobs lie below `tmp_path / "blobs"`."""
    names = {"train": {"cats & dogs; rm -rf": 3, "ü": 2}, "val": {"cats & dogs; rm -rf": 1, "ü": 1}}
    source = write_class_folders(tmp_path / "source", names)
    version = prepare(source, work=tmp_path)
    for sha256, path in version.blobs:
        blob = blob_path(tmp_path / "blobs", sha256)
        blob.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, blob)
    return version.manifest


def tree(root: Path) -> list[str]:
    """Of what a trainer opens."""
    files = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return sorted(file for file in files if not file.startswith("samples/"))


def test_files_are_named_by_numbers(manifest: Manifest, tmp_path: Path) -> None:
    materialise(manifest, tmp_path / "blobs", tmp_path / "local")
    assert tree(tmp_path / "local") == [
        "train/0000/000000.png",
        "train/0000/000001.png",
        "train/0000/000002.png",
        "train/0001/000003.png",
        "train/0001/000004.png",
        "val/0000/000000.png",
        "val/0001/000001.png",
    ]


def test_the_data_set_tells_what_lies_where(manifest: Manifest, tmp_path: Path) -> None:
    local = materialise(manifest, tmp_path / "blobs", tmp_path / "local")
    assert local.classes == manifest.header.classes
    assert local.root == tmp_path / "local"
    for split in Split:
        wanted = [sample for sample in manifest.samples() if sample.split == split]
        assert [s.source for s in local.samples(split)] == [s.source for s in wanted]
        assert [s.label for s in local.samples(split)] == [s.label for s in wanted]
        for sample, origin in zip(local.samples(split), wanted, strict=True):
            assert sample.path.read_bytes() == blob_path(tmp_path / "blobs", origin.sha256).read_bytes()
            assert (sample.width, sample.height) == (16, 16)


def test_files_for_readers_are_hard_links_where_that_is_possible(manifest: Manifest, tmp_path: Path) -> None:
    local = materialise(manifest, tmp_path / "blobs", tmp_path / "local", linked)
    for sample in local.samples(Split.TRAIN):
        assert sample.path.stat().st_nlink == 2


@pytest.mark.parametrize("reason", [errno.EXDEV, errno.EMLINK, errno.EPERM])
def test_files_are_copies_where_links_are_not_possible(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    monkeypatch.setattr(os, "link", refusing(reason))
    local = materialise(manifest, tmp_path / "blobs", tmp_path / "local", linked)
    assert all(sample.path.stat().st_nlink == 1 for sample in local.samples(Split.TRAIN))
    assert len(tree(tmp_path / "local")) == 7


def refusing(reason: int) -> object:
    def link(*_paths: object) -> None:
        raise OSError(reason, os.strerror(reason))

    return link


def test_who_writes_into_its_files_changes_no_stored_image(manifest: Manifest, tmp_path: Path) -> None:
    local = materialise(manifest, tmp_path / "blobs", tmp_path / "local")
    for sample in local.samples(Split.TRAIN):
        sample.path.write_bytes(b"repaired")  # in place, as some frameworks do; root may, whatever the mode says
    for sample in manifest.samples():
        assert sha256_of(blob_path(tmp_path / "blobs", sample.sha256)) == sample.sha256


def test_where_the_file_system_shares_blocks_nothing_is_copied(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def clone(target: BinaryIO, request: int, source: int) -> int:
        """What FICLONE comes to, on a file system that has it; tests run on others too."""
        asked.append((target.name, request))
        return target.write(os.pread(source, 1 << 20, 0))

    monkeypatch.setattr(fcntl, "ioctl", clone)
    monkeypatch.setattr(blobs, "_copy", None)
    local = materialise(manifest, tmp_path / "blobs", tmp_path / "local")
    paths = [sample.path for split in Split for sample in local.samples(split)]
    assert asked == [(str(path), 0x40049409) for path in paths]
    assert [sha256_of(path) for path in paths] == [sample.sha256 for sample in manifest.samples()]


def test_a_full_disk_is_not_mistaken_for_a_missing_link(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refusing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left") as caught:
        materialise(manifest, tmp_path / "blobs", tmp_path / "local", linked)
    assert caught.value.errno == errno.ENOSPC


def test_a_missing_blob_is_named(manifest: Manifest, tmp_path: Path) -> None:
    blob_path(tmp_path / "blobs", list(manifest.samples())[2].sha256).unlink()
    with pytest.raises(
        StorageUnavailable, match=r"train/cats & dogs; rm -rf/2.png is missing .* import the data set again"
    ):
        materialise(manifest, tmp_path / "blobs", tmp_path / "local")


def test_a_blob_of_another_size_is_named(manifest: Manifest, tmp_path: Path) -> None:
    with blob_path(tmp_path / "blobs", next(manifest.samples()).sha256).open("ab") as blob:
        blob.write(b"!")
    with pytest.raises(StorageUnavailable, match="bytes where the version says"):
        materialise(manifest, tmp_path / "blobs", tmp_path / "local")


def test_a_damaged_blob_is_found_while_copying(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = blob_path(tmp_path / "blobs", next(manifest.samples()).sha256)
    blob.write_bytes(bytes([blob.read_bytes()[0] ^ 1]) + blob.read_bytes()[1:])
    monkeypatch.setattr(os, "link", refusing(errno.EXDEV))
    with pytest.raises(StorageUnavailable, match="is damaged: its sha256 is"):
        materialise(manifest, tmp_path / "blobs", tmp_path / "local", linked)
    assert tree(tmp_path / "local") == []


def test_a_second_call_replaces_what_the_first_left(manifest: Manifest, tmp_path: Path) -> None:
    materialise(manifest, tmp_path / "blobs", tmp_path / "local")
    (tmp_path / "local" / "train" / "0000" / "stale.png").write_bytes(b"stale")
    (tmp_path / "local" / "mine.txt").write_text("not a split")
    materialise(manifest, tmp_path / "blobs", tmp_path / "local")
    assert len(tree(tmp_path / "local")) == 8
    assert (tmp_path / "local" / "mine.txt").read_text() == "not a split"


def test_replacing_never_touches_the_blobs(manifest: Manifest, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (tmp_path / "blobs").rglob("*") if path.is_file()}
    for _ in range(2):
        materialise(manifest, tmp_path / "blobs", tmp_path / "local")
    assert {path: path.read_bytes() for path in (tmp_path / "blobs").rglob("*") if path.is_file()} == before


def test_a_trainer_is_told_how_often_to_show_an_image(manifest: Manifest, tmp_path: Path) -> None:
    shown = [replace(sample, repeats=number) for number, sample in enumerate(manifest.samples(), 1)]
    write_manifest(tmp_path / "repeated", manifest.header, map(line_of, shown))
    local = materialise(Manifest(tmp_path / "repeated"), tmp_path / "blobs", tmp_path / "local")
    told = load(dump(local))
    assert {s.source: s.repeats for split in Split for s in told.samples(split)} == {s.source: s.repeats for s in shown}


def test_samples_are_read_from_anywhere_by_anybody(manifest: Manifest, tmp_path: Path) -> None:
    local = materialise(manifest, tmp_path / "blobs", tmp_path / "local")
    train = local.samples(Split.TRAIN)
    everything = list(train)
    assert len(train) == len(everything) == 5
    assert [train[place] for place in (0, 4, -1, -5)] == [everything[place] for place in (0, 4, -1, -5)]
    assert train[1:-1] == tuple(everything[1:-1])
    for place in (5, -6):
        with pytest.raises(IndexError):
            train[place]
    assert list(local.samples(Split.TEST)) == []
    told = load(dump(local))
    assert (told.root, told.classes, list(told.samples(Split.TRAIN))) == (local.root, local.classes, everything)
    assert list(pickle.loads(pickle.dumps(train))) == everything


def test_a_second_call_takes_nothing_from_who_still_reads_the_first(manifest: Manifest, tmp_path: Path) -> None:
    first = materialise(manifest, tmp_path / "blobs", tmp_path / "local").samples(Split.TRAIN)
    everything = list(first)
    write_manifest(tmp_path / "shorter", manifest.header, [line_of(next(manifest.samples()))])
    materialise(Manifest(tmp_path / "shorter"), tmp_path / "blobs", tmp_path / "local")
    assert list(first) == everything


def test_memory_does_not_grow_with_the_objects_of_a_set(manifest: Manifest, tmp_path: Path) -> None:
    objects = tuple(Instance(label=0, box=(n % 9, 1, 2.5, 3.5), polygons=((1.5, 2.5) * 4,)) for n in range(1000))
    crowded = replace(next(manifest.samples()), instances=objects)
    write_manifest(tmp_path / "crowded", manifest.header, [line_of(crowded)] * 40)
    tracemalloc.start()
    local = materialise(Manifest(tmp_path / "crowded"), tmp_path / "blobs", tmp_path / "local")
    count = sum(len(sample.instances) for sample in local.samples(Split.TRAIN))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert most < 3_000_000  # of all at once it were ten million


def test_images_without_a_class_have_a_folder_of_their_own(manifest: Manifest, tmp_path: Path) -> None:
    bare = replace(next(manifest.samples()), label=None)
    write_manifest(tmp_path / "bare", manifest.header, [line_of(bare)])
    local = materialise(Manifest(tmp_path / "bare"), tmp_path / "blobs", tmp_path / "local")
    assert tree(tmp_path / "local") == ["train/unlabelled/000000.png"]
    assert local.samples(Split.TRAIN)[0].label is None


def test_boxes_lie_where_they_were_drawn_once_an_image_is_held_as_exif_says(tmp_path: Path) -> None:
    """YOLO's numbers are of the image as it was shown to who drew the box."""
    exif = Image.Exif()
    exif[0x0112] = 6
    shown = Image.new("RGB", (32, 64), "gray")
    shown.paste("red", (0, 48, 16, 64))  # below on the left
    for split in ("train", "val"):
        folder, labels = tmp_path / "source" / "images" / split, tmp_path / "source" / "labels" / split
        folder.mkdir(parents=True)
        labels.mkdir(parents=True)
        shown.transpose(Image.Transpose.ROTATE_90).save(folder / "1.png", exif=exif)
        (labels / "1.txt").write_text("0 0.25 0.875 0.5 0.25\n")
    version = prepare(tmp_path / "source", work=tmp_path / "work")
    local = materialise(version.manifest, store(version, tmp_path / "blobs"), tmp_path / "local")
    (sample,) = local.samples(Split.VAL)
    assert (sample.width, sample.height) == (32, 64)
    left, top, wide, high = (round(number) for number in sample.instances[0].box)
    with Image.open(sample.path) as image:
        assert image.size == (64, 32)
        held = ImageOps.exif_transpose(image)
    assert held.crop((left, top, left + wide, top + high)).getcolors() == [(256, (255, 0, 0))]
    assert held.getcolors() == [(256, (255, 0, 0)), (1792, (128, 128, 128))]
