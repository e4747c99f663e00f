"""A version in another format: what is lost is told, and not everything is."""

from pathlib import Path

import pytest
from yolo_sets import BOXES, NAMES, lay

from eyebright_kit.data.convert import NoLabelLeft, convert
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import formats
from eyebright_kit.data.version import PreparedVersion, prepare


@pytest.fixture
def version(tmp_path: Path) -> PreparedVersion:
    files = {"data.yaml": NAMES, "images/1.jpg": "", "labels/1.txt": BOXES}
    return prepare(lay(tmp_path / "set", files), work=tmp_path / "work")


def written(version: PreparedVersion, name: str, into: Path, *, lossy: bool = False) -> dict[Feature, int]:
    form = next(form for form in formats() if form.name == name)
    return convert(version.manifest, dict(version.blobs).__getitem__, form, into, lossy=lossy).lost


@pytest.mark.parametrize("name", ["imagefolder", "masks", "captions"])
def test_a_format_that_can_carry_none_of_the_labels_is_refused(
    version: PreparedVersion, name: str, tmp_path: Path
) -> None:
    with pytest.raises(NoLabelLeft, match="cannot carry boxes, so no label would be left") as refused:
        written(version, name, tmp_path / "out")
    assert refused.value.carriers == ("coco", "cvat", "datumaro", "labelme", "metadata", "voc", "yolo")
    assert not (tmp_path / "out").exists()


def test_the_images_alone_are_written_where_that_is_wanted(version: PreparedVersion, tmp_path: Path) -> None:
    assert written(version, "masks", tmp_path / "out", lossy=True)[Feature.BOX] == 2


def test_a_format_that_can_carry_some_of_the_labels_is_written_with_what_it_lost(tmp_path: Path) -> None:
    files = {"data.yaml": NAMES, "images/1.jpg": "", "labels/1.txt": "0 .1 .1 .9 .1 .5 .9\n"}
    outlined = prepare(lay(tmp_path / "set", files), work=tmp_path / "work")
    assert written(outlined, "metadata", tmp_path / "out") == {Feature.POLYGON: 1}
