"""Any image of a version is found without reading the others."""

from pathlib import Path

import pytest

from eyebright_kit.data.manifest import Header, Manifest, Sample, line_of, write_manifest
from eyebright_kit.data.pages import Pages
from eyebright_wire.datasets import Split


def sample(number: int) -> Sample:
    facts = {"sha256": f"{number:064d}", "extension": "png", "size_bytes": 1, "width": 1, "height": 1}
    return Sample(**facts, split=Split.VAL if number % 3 == 0 else Split.TRAIN, source="ü" * number)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    write_manifest(tmp_path / "m", Header(format="coco", classes=("a",)), (line_of(sample(n)) for n in range(10)))
    return Pages(Manifest(tmp_path / "m"))


def test_each_sample_is_found_by_its_number(pages: Pages) -> None:
    assert len(pages) == 10
    assert [pages.sample(number) for number in (7, 0, 9)] == [sample(7), sample(0), sample(9)]


@pytest.mark.parametrize("number", [-1, 10, 1000])
def test_a_number_that_no_image_has_is_an_error(pages: Pages, number: int) -> None:
    with pytest.raises(IndexError):
        pages.sample(number)


def test_there_is_nothing_behind_the_last(pages: Pages) -> None:
    assert pages.after(9, 5) == pages.after(1000, 5) == []


def test_pages_follow_each_other_without_a_gap(pages: Pages) -> None:
    seen: list[int] = []
    while page := pages.after(seen[-1] if seen else -1, 4):
        seen += [number for number, _ in page]
    assert seen == list(range(10))


def test_a_page_holds_what_is_wanted(pages: Pages) -> None:
    page = pages.after(0, 2, lambda sample: sample.split == Split.VAL)
    assert page == [(3, sample(3)), (6, sample(6))]


def test_an_empty_version_has_no_pages(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m", Header(format="coco", classes=()), ())
    assert Pages(Manifest(tmp_path / "m")).after(-1, 5) == []


def test_a_manifest_of_the_first_kind_has_pages_too() -> None:
    pages = Pages(Manifest(Path(__file__).parent / "recorded" / "manifest.v1.json"))
    assert pages.after(-1, 1)[0][1] == pages.sample(0)
    assert len(pages.after(-1, 10_000)) == len(pages) > 1
