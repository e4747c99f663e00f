"""A version is its content: equal content has one identity, and the manifest names every byte of it."""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from eyebright_kit.archive import ArchiveLimits, ArchiveRejected, Refusal
from eyebright_kit.data.annotations import Instance, Skeleton
from eyebright_kit.data.conformance import write_class_folders, write_image
from eyebright_kit.data.inspect import Rules
from eyebright_kit.data.manifest import Header, Manifest, Sample, line_of, write_manifest
from eyebright_kit.data.version import PreparedVersion, prepare
from eyebright_wire.datasets import Split


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_class_folders(tmp_path / "source", {"train": {"cats": 4, "dogs": 3}, "val": {"cats": 1, "dogs": 1}})


def zip_of(folder: Path, archive: Path, *, reverse: bool = False) -> Path:
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(folder.rglob("*"), reverse=reverse):
            target.write(path, path.relative_to(folder.parent))
    return archive


@pytest.fixture
def version(source: Path, tmp_path: Path) -> PreparedVersion:
    return prepare(source, work=tmp_path / "work")


def samples_of(version: PreparedVersion) -> list[Sample]:
    return list(version.manifest.samples())


def test_the_identity_is_the_hash_of_the_manifest(version: PreparedVersion) -> None:
    assert version.sha256 == hashlib.sha256(version.manifest_path.read_bytes()).hexdigest()


def test_the_identity_of_a_known_manifest_never_changes(tmp_path: Path) -> None:
    """Changing this renames every version that anybody has. A field that does not say anything is left out."""
    full = Sample(
        sha256="0" * 64,
        extension="png",
        size_bytes=1,
        width=2,
        height=3,
        split=Split.VAL,
        label=0,
        source="val/ü/1.png",
        instances=(Instance(label=1, box=(0.5, 1.0, 1.0, 1.25), attributes={"z": True, "a": 1}),),
        caption="two",
    )
    bare = Sample(sha256="1" * 64, extension="jpg", size_bytes=1, width=2, height=3, split=Split.TEST)
    header = Header(format="coco", classes=("ü", "b"), skeletons={1: Skeleton(keypoints=("nose",))})
    sha256 = write_manifest(tmp_path / "manifest", header, map(line_of, (full, bare)))
    assert (tmp_path / "manifest").read_text().splitlines() == [
        '{"format":"coco","classes":["ü","b"],"skeletons":{"1":{"keypoints":["nose"]}}}',
        f'{{"sha256":"{"0" * 64}","extension":"png","size_bytes":1,"width":2,"height":3,"split":"val","label":0,'
        '"source":"val/ü/1.png","instances":[{"label":1,"box":[0.5,1.0,1.0,1.25],"attributes":{"a":1,"z":true}}],'
        '"caption":"two"}',
        f'{{"sha256":"{"1" * 64}","extension":"jpg","size_bytes":1,"width":2,"height":3,"split":"test"}}',
    ]
    assert sha256 == hashlib.sha256((tmp_path / "manifest").read_bytes()).hexdigest()
    assert list(Manifest(tmp_path / "manifest").samples()) == [full, bare]
    assert Manifest(tmp_path / "manifest").header == header


def test_a_recorded_manifest_of_the_first_kind_is_still_read() -> None:
    """Recordings are only ever added."""
    recorded = Path(__file__).parent / "recorded" / "manifest.v1.json"
    expected = json.loads(recorded.read_text())
    found = Manifest(recorded)
    assert list(found.header.classes) == expected["classes"]
    assert [sample.sha256 for sample in found.samples()] == [sample["sha256"] for sample in expected["samples"]]


def test_the_manifest_describes_every_image(version: PreparedVersion, source: Path) -> None:
    samples = samples_of(version)
    assert [sample.source for sample in samples] == sorted(
        p.relative_to(source).as_posix() for p in source.rglob("*.png")
    )
    for sample in samples:
        data = (source / sample.source).read_bytes()
        assert sample.sha256 == hashlib.sha256(data).hexdigest()
        assert (sample.size_bytes, sample.width, sample.height, sample.extension) == (len(data), 16, 16, "png")
        assert sample.source.startswith(f"{sample.split}/{version.manifest.header.classes[sample.label or 0]}/")


def test_samples_are_ordered_by_split_class_and_name(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "source", {"test": {"2": 1}, "Train": {"10": 1, "2": 2}, "valid": {"10": 1, "2": 1}})
    samples = samples_of(prepare(tmp_path / "source", work=tmp_path))
    assert [sample.source for sample in samples] == [
        "Train/2/0.png",
        "Train/2/1.png",
        "Train/10/0.png",
        "valid/2/0.png",
        "valid/10/0.png",
        "test/2/0.png",
    ]


def test_a_folder_and_its_zip_are_the_same_version(version: PreparedVersion, source: Path, tmp_path: Path) -> None:
    archive = zip_of(source, tmp_path / "a.zip", reverse=True)
    assert prepare(archive, work=tmp_path / "zip-work").sha256 == version.sha256


def test_dates_and_the_order_of_writing_do_not_matter(version: PreparedVersion, source: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(source.rglob("*.png"), reverse=True)):
        target = tmp_path / "again" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        os.utime(target, (number, number))
    assert prepare(tmp_path / "again", work=tmp_path).sha256 == version.sha256


@pytest.mark.parametrize("litter", [".DS_Store", "train/cats/Thumbs.db", "notes.txt", "train/cats/broken.jpg"])
def test_what_is_not_used_does_not_matter(version: PreparedVersion, source: Path, tmp_path: Path, litter: str) -> None:
    (source / litter).write_text("litter")
    assert prepare(source, work=tmp_path).sha256 == version.sha256


def test_another_picture_another_name_and_another_class_do_matter(
    version: PreparedVersion, source: Path, tmp_path: Path
) -> None:
    seen = {version.sha256}
    write_image(source / "train" / "cats" / "0.png", 999)
    seen.add(prepare(source, work=tmp_path).sha256)
    (source / "train" / "cats" / "0.png").rename(source / "train" / "cats" / "00.png")
    seen.add(prepare(source, work=tmp_path).sha256)
    (source / "train" / "cats" / "00.png").rename(source / "train" / "dogs" / "00.png")
    seen.add(prepare(source, work=tmp_path).sha256)
    assert len(seen) == 4


def test_blobs_are_the_distinct_images(source: Path, tmp_path: Path) -> None:
    shutil.copy(source / "train" / "cats" / "0.png", source / "train" / "cats" / "copy.png")
    version = prepare(source, work=tmp_path)
    assert len(version.blobs) == 9
    assert len(samples_of(version)) == 10
    assert {sha256 for sha256, _ in version.blobs} == {sample.sha256 for sample in samples_of(version)}
    for sha256, path in version.blobs:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def test_each_file_is_read_once(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real_open = os.open

    def counting(path: str | Path, flags: int, *args: int, **options: int) -> int:
        opened.append(str(path))
        return real_open(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", counting)
    prepare(source, work=tmp_path)
    assert sorted(path for path in opened if path.endswith(".png")) == sorted(
        path.as_posix() for path in source.rglob("*.png")
    )


def test_an_extension_follows_the_content(source: Path, tmp_path: Path) -> None:
    (source / "train" / "cats" / "0.png").rename(source / "train" / "cats" / "0.JPEG")
    sample = next(s for s in samples_of(prepare(source, work=tmp_path)) if s.source.endswith(".JPEG"))
    assert sample.extension == "png"


def test_a_data_set_that_is_not_ready_is_prepared_with_its_reasons(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "source", {"": {"cats": 3}})
    version = prepare(tmp_path / "source", work=tmp_path)
    assert not version.report.ready_for("classification").ready
    assert len(samples_of(version)) == 3


def test_the_rules_decide_whether_broken_files_block_and_not_what_the_version_is(source: Path, tmp_path: Path) -> None:
    (source / "train" / "cats" / "x.jpg").write_text("text")
    strict = prepare(source, work=tmp_path)
    lenient = prepare(source, work=tmp_path, rules=Rules(leave_out_broken=True))
    assert strict.sha256 == lenient.sha256
    assert not strict.report.ready_for("classification").ready
    assert lenient.report.ready_for("classification").ready


def test_a_data_set_without_images_is_an_empty_version(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    version = prepare(tmp_path / "source", work=tmp_path)
    assert samples_of(version) == []
    assert version.blobs == ()
    assert not version.report.ready_for("classification").ready


def test_a_zip_is_unpacked_below_work_and_told_of(source: Path, tmp_path: Path) -> None:
    archive = zip_of(source, tmp_path / "a.zip")
    seen: list[str] = []
    version = prepare(archive, work=tmp_path / "work", progress=lambda stage, _done, _total: seen.append(stage))
    assert all(path.is_relative_to(tmp_path / "work") for _, path in version.blobs)
    assert list(dict.fromkeys(seen)) == ["unpacking", "reading"]


def test_a_hostile_zip_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../evil.png", b"x")
    with pytest.raises(ArchiveRejected) as caught:
        prepare(tmp_path / "a.zip", work=tmp_path / "work")
    assert caught.value.code == Refusal.UNSAFE_PATH
    assert list((tmp_path / "work").iterdir()) == []


def test_limits_reach_the_archive(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveRejected):
        prepare(zip_of(source, tmp_path / "a.zip"), work=tmp_path / "work", archive_limits=ArchiveLimits(max_entries=3))


def test_a_source_that_does_not_exist_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        prepare(tmp_path / "gone", work=tmp_path / "work")
