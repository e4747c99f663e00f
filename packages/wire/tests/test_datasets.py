import pytest
from pydantic import ValidationError

from eyebright_wire.datasets import DatasetPlan, DatasetReport
from eyebright_wire.names import dataset_name
from eyebright_wire.resources import MOST_IMAGES, DatasetImport


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("My photos (1).zip", "My-photos-1"),
        ("PETS.ZIP", "PETS"),
        ("pets", "pets"),
        ("v1.2", "v1.2"),
        ("ö", "dataset"),
        (".zip", "dataset"),
        ("", "dataset"),
        ("a" * 120, "a" * 100),
    ],
)
def test_a_data_set_is_named_after_its_file(file: str, name: str):
    assert dataset_name(file) == name


@pytest.mark.parametrize(
    "name", ["pets\x00", "pets\n", "pets\x1b[31m", "two words", "-pets", "ünï", "", "p" * 101, "a/b"]
)
def test_a_name_that_is_no_name_is_refused_with_one_that_is(name: str):
    with pytest.raises(ValidationError, match=rf"expected at most 100 letters.*such as {dataset_name(name)}"):
        DatasetImport(path="/photos", name=name)


def test_the_default_name_of_a_data_set_is_a_name():
    for file in ("My photos (1).zip", "ö", "a" * 120):
        assert DatasetImport(path="/photos", name=dataset_name(file)).name == dataset_name(file)


@pytest.mark.parametrize(
    "plan",
    ['{"splits": {"shares": {"train": NaN}}}', '{"min_box_pixels": NaN}', '{"min_box_pixels": Infinity}'],
)
def test_a_plan_has_no_numbers_that_are_none(plan: str):
    with pytest.raises(ValidationError, match="finite number"):
        DatasetPlan.model_validate_json(plan)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[2J", "a\u202eb", "\ud800"])
def test_a_class_is_not_renamed_to_what_cannot_be_shown(name: str):
    with pytest.raises(ValidationError, match="is no name for a class; expected a word or more"):
        DatasetPlan(rename={"cats": name})


def test_a_class_is_not_both_renamed_and_dropped():
    with pytest.raises(ValidationError, match="the class 'cat' is both renamed and dropped; choose one"):
        DatasetPlan(rename={"cat": "pet"}, drop=("dog", "cat"))
    assert DatasetPlan(rename={"cat": "pet"}, drop=("pet",)).drop == ("pet",)


@pytest.mark.parametrize("name", ["x", "pick-up truck", "猫", "l'été"])
def test_a_class_is_renamed_to_whatever_can_be_read(name: str):
    assert DatasetPlan(rename={"cats": name}).rename == {"cats": name}


def test_images_listed_one_by_one_are_a_source_like_any_other():
    order = DatasetImport.model_validate(
        {"images": [{"url": "https://a/1.jpg"}, {"url": "s3://b/2", "caption": "a cat"}]}
    )
    assert [image.caption for image in order.images] == [None, "a cat"]


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({}, "none"),
        ({"images": ()}, "none"),
        ({"url": "https://a/b.zip", "images": ({"url": "https://a/b"},)}, "url and images"),
    ],
)
def test_an_import_has_exactly_one_source(sources: dict[str, object], found: str):
    with pytest.raises(ValidationError, match=rf"found {found}; expected exactly one of path, upload, url, images and"):
        DatasetImport.model_validate(sources)


def test_a_list_has_its_limit():
    images = [{"url": "https://a/b.jpg"}] * (MOST_IMAGES + 1)
    with pytest.raises(ValidationError, match=r"at most 10000 items"):
        DatasetImport.model_validate({"images": images})


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "tells classes, and"), (2, "tells classes (a, b), and"), (7, "tells classes (a, b, c, d, e and 2 more), and")],
)
def test_data_that_cannot_teach_a_lora_say_what_they_have_instead(count: int, told: str):
    report = DatasetReport(format="coco", classes=tuple("abcdefg"[:count]), images={}, images_per_class={})
    assert told in report.ready_for("text_to_image").missing[0]
    assert report.ready_for("classification").missing == ("coco data cannot serve classification",)
