"""The settings and the recipes that fill them."""

import pytest
from pydantic import ValidationError

from eyebright_ultralytics.config import DetectionConfig
from eyebright_ultralytics.manifest import MANIFEST
from eyebright_ultralytics.tasks import TASKS


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_recipe_is_the_defaults(task):
    assert MANIFEST.task(task.name).recipe == task.config().model_dump(mode="json")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_setting_says_who_it_is_for_and_what_it_does(task):
    for name, setting in MANIFEST.task(task.name).config_schema["properties"].items():
        assert setting["x-view"] in ("user", "developer"), name
        assert setting["description"], name


@pytest.mark.parametrize(
    "bad", [{"imgsz": 100}, {"epochs": 0}, {"optimizer": "adam"}, {"mosaic": 1.5}, {"device": "0,1"}, {"epoch": 3}]
)
def test_a_bad_setting_is_refused(bad: dict):
    with pytest.raises(ValidationError, match=next(iter(bad))):
        DetectionConfig.model_validate(bad)


def test_a_device_may_be_a_number():
    assert DetectionConfig.model_validate({"device": 0}).device == "0"


def test_every_family_has_every_size_of_every_task():
    assert {len(task.models) for task in MANIFEST.tasks} == {15}
    assert "yolo26x-obb" in {model.name for model in MANIFEST.task("oriented_detection").models}
