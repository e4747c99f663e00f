import json

import pytest

from eyebright_transformers.manifest import MANIFEST
from eyebright_transformers.tasks import TASKS, Task, task_named

SETTINGS = [(task, name) for task in TASKS for name in task.info.config_schema["properties"]]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.info.name)
def test_the_recipe_is_the_defaults_written_down(task: Task):
    assert task.config.model_validate(task.info.recipe) == task.config()


@pytest.mark.parametrize(
    ("task", "name"), SETTINGS, ids=lambda given: given if isinstance(given, str) else given.info.name
)
def test_each_setting_has_help_and_a_view(task: Task, name: str):
    told = task.info.config_schema["properties"][name]
    assert told["description"]
    assert told["x-view"] in ("user", "developer")
    assert "default" in told
    assert ("x-expected" in told) == ("pattern" in json.dumps(told))


def test_each_task_is_found_by_its_name():
    assert [task_named(told.name).info for told in MANIFEST.tasks] == list(MANIFEST.tasks)


@pytest.mark.parametrize("name", ["google/vit-base-patch16-224", "../vit-tiny-patch16", "vit-tiny-patch16\n", ""])
def test_no_address_and_no_path_is_a_model(name: str):
    assert not any(told.offers(name) for told in MANIFEST.tasks)
