"""What every data set format must keep: `FormatConformance`; and small real images to test with.

class TestImageFolder(FormatConformance):
    form = ImageFolder()
    flavours = (frozenset({Feature.LABEL}),)

    def example(self, root: Path) -> Example:
        write_class_folders(root, {"train": {"cats": 3, "dogs": 3}, "val": {"cats": 1, "dogs": 1}})
        return Example(("cats", "dogs"), {Split.TRAIN: 6, Split.VAL: 2})
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image, ImageDraw

from eyebright_kit.data.blobs import blob_path, stored_at
from eyebright_kit.data.convert import convert
from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Format, Reading, Remark, detect, formats
from eyebright_kit.data.generate import generate
from eyebright_kit.data.inspect import inspect
from eyebright_kit.data.manifest import Manifest, Sample
from eyebright_kit.data.version import PreparedVersion, prepare
from eyebright_wire.datasets import Severity, Split


def write_image(path: Path, seed: int, size: int = 16) -> Path:
    """A small picture that differs for each seed, of the type that the name says: a shape on a coloured ground."""
    random = Random(seed)  # noqa: S311 - pictures, not secrets
    image = Image.new("RGB", (size, size), _colour(random))
    corner = random.randrange(size // 2), random.randrange(size // 2)
    opposite = corner[0] + random.randrange(2, size // 2 + 1), corner[1] + random.randrange(2, size // 2 + 1)
    ImageDraw.Draw(image).ellipse((corner, opposite), fill=_colour(random))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def write_class_folders(
    root: Path, splits: Mapping[str, Mapping[str, int]], extension: str = "png", size: int = 16
) -> Path:
    """`{"train": {"cats": 3}}` makes three distinct images below `root/train/cats`; a split called "" makes `root/cats`."""
    seed = 0
    for split, classes in splits.items():
        for name, count in classes.items():
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                write_image(folder / f"{number}.{extension}", seed, size)
                seed += 1
    return root


def _colour(random: Random) -> tuple[int, int, int]:
    return random.randrange(256), random.randrange(256), random.randrange(256)


@dataclass(frozen=True, slots=True)
class Example:
    """What a format should read from the example that it was given."""

    classes: tuple[str, ...]
    images: Mapping[Split, int]
    tasks: tuple[str, ...] = ()  # that it is ready for; all that the format serves, if empty
    annotations: frozenset[str] = frozenset()  # files, relative to the root, that describe images and are none


class FormatConformance:
    """Derive from it, set `form`, write an `example`."""

    form: Format
    #: The kinds of set that it can carry; a class for a further layout of the same format may leave them out.
    flavours: tuple[Features, ...] = ()

    def example(self, root: Path) -> Example:
        """Write a small, sound data set with a train and a val split below the empty folder `root`."""
        raise NotImplementedError

    def test_it_is_registered_under_its_name(self) -> None:
        assert type(self.form) in {type(form) for form in formats()}
        assert [form.name for form in formats()].count(self.form.name) == 1

    def test_it_recognises_its_own_example(self, tmp_path: Path) -> None:
        self.example(tmp_path)
        assert self.form.matches(tmp_path) > Certainty.NO
        found = detect(tmp_path)
        assert found
        assert found.name == self.form.name

    def test_it_does_not_recognise_an_empty_folder(self, tmp_path: Path) -> None:
        assert self.form.matches(tmp_path) == Certainty.NO

    def test_it_reads_what_its_example_holds(self, tmp_path: Path) -> None:
        expected = self.example(tmp_path)
        reading = self.form.read(tmp_path)
        assert reading.classes == expected.classes
        assert _splits_of(reading) == expected.images

    def test_its_example_is_ready_for_what_it_teaches(self, tmp_path: Path) -> None:
        expected = self.example(tmp_path)
        verdicts = inspect(tmp_path).readiness
        missing = {verdict.task: verdict.missing for verdict in verdicts}
        assert {task: missing[task] for task in expected.tasks or self.form.tasks} == dict.fromkeys(
            expected.tasks or self.form.tasks, ()
        )

    def test_reading_twice_gives_the_same(self, tmp_path: Path) -> None:
        self.example(tmp_path)
        reading = self.form.read(tmp_path)
        assert list(reading.found()) == list(reading.found()) == list(self.form.read(tmp_path).found())
        again = self.form.read(tmp_path)
        assert [_annotations(candidate) for candidate in _candidates(reading)] == [
            _annotations(candidate) for candidate in _candidates(again)
        ]

    def test_no_file_is_passed_over(self, tmp_path: Path) -> None:
        """Whatever lies anywhere is a candidate, an annotation, or remarked upon."""
        expected = self.example(tmp_path)
        folders = [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]
        for folder in folders:
            (folder / "stray.txt").write_text("I belong to nobody.")
            (folder / ".hidden").write_text("")
        named = {found.path for found in self.form.read(tmp_path).found()}
        passed_over = {path for path in tmp_path.rglob("*") if path.is_file() and not _covered(path, named)}
        assert {path.relative_to(tmp_path).as_posix() for path in passed_over} <= expected.annotations

    def test_what_systems_leave_behind_changes_no_sample(self, tmp_path: Path) -> None:
        self.example(tmp_path)
        reading = self.form.read(tmp_path)
        before, codes = _candidates(reading), _codes(reading)
        folders = [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]
        for folder in folders:
            (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
            (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
        shutil.copytree(folders[-1], tmp_path / "__MACOSX" / folders[-1].name)
        reading = self.form.read(tmp_path)
        assert _candidates(reading) == before
        assert _codes(reading) - codes == {"system_file"}

    def test_reading_changes_nothing(self, tmp_path: Path) -> None:
        self.example(tmp_path)
        before = _snapshot(tmp_path)
        list(self.form.read(tmp_path).found())
        assert _snapshot(tmp_path) == before

    def test_what_it_writes_of_its_example_it_reads_back(self, tmp_path: Path) -> None:
        """The same images in the same splits with the same annotations, as far as it promises to carry them."""
        self.example(tmp_path / "source")
        version = prepare(tmp_path / "source", work=tmp_path / "work")
        blobs = store(version, tmp_path / "blobs")
        assert convert(version.manifest, stored_at(blobs), self.form, tmp_path / "written").lost == {}
        assert_same(version.manifest, read_again(self.form, tmp_path / "written", tmp_path / "again"))

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(seed=st.integers(0, 2**32))
    def test_whatever_it_can_carry_survives_writing_and_reading(self, seed: int) -> None:
        for flavour in self.flavours:
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                manifest = generate(place / "blobs", flavour, Random(seed))  # noqa: S311 - no secrets
                assert convert(manifest, stored_at(place / "blobs"), self.form, place / "written").lost == {}
                assert_same(manifest, read_again(self.form, place / "written", place / "again"))


def store(version: PreparedVersion, blobs: Path) -> Path:
    """Keep the files of a version as a server does; the folder of blobs."""
    for sha256, path in version.blobs:
        blob = blob_path(blobs, sha256)
        blob.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, blob)
    return blobs


def read_again(form: Format, folder: Path, work: Path) -> Manifest:
    """What an import makes of a folder in which everything must be understood."""
    found = detect(folder)
    assert found
    assert found.name == form.name
    version = prepare(folder, work=work)
    assert not [finding.message for finding in version.report.findings if finding.severity == Severity.ERROR]
    return version.manifest


def assert_same(one: Manifest, other: Manifest) -> None:
    """The same but for where the images came from."""
    assert one.header.classes == other.header.classes
    assert dict(one.header.skeletons) == dict(other.header.skeletons)
    assert _by_content(one) == _by_content(other)


def _by_content(manifest: Manifest) -> dict[tuple[str, Split], Sample]:
    return {(sample.sha256, sample.split): replace(sample, source="") for sample in manifest.samples()}


def _candidates(reading: Reading) -> list[Candidate]:
    return [found for found in reading.found() if isinstance(found, Candidate)]


def _codes(reading: Reading) -> set[str]:
    return {found.code for found in reading.found() if isinstance(found, Remark)}


def _annotations(candidate: Candidate) -> Annotations | None:
    return candidate.annotate(16, 16) if candidate.annotate else None


def _splits_of(reading: Reading) -> dict[Split, int]:
    return dict(Counter(candidate.split for candidate in _candidates(reading) if candidate.split))


def _covered(path: Path, named: set[Path]) -> bool:
    """Named itself, or inside a folder that is."""
    return path in named or any(folder in named for folder in path.parents)


def _snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {path.as_posix(): (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*")}
