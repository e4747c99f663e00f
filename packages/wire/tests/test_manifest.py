"""Which models a task takes."""

import pytest

from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest


def task(pattern: str = "") -> TaskInfo:
    return TaskInfo(
        name="classification",
        models=(ModelInfo(name="resnet18"),),
        model_pattern=pattern,
        default_model="resnet18",
        config_schema={},
        recipe={},
    )


def test_without_a_pattern_the_list_is_all_there_is():
    assert task().offers("resnet18")
    assert not task().offers("")
    assert not task().offers("resnet50")


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vit_tiny"])
def test_a_pattern_takes_names_beyond_the_list(name: str):
    assert task("[a-z0-9_]+").offers(name)


@pytest.mark.parametrize("name", ["hub:resnet50", "resnet50\n", "../resnet50", "ResNet"])
def test_a_pattern_is_about_the_whole_name(name: str):
    assert not task("[a-z0-9_]+").offers(name)


def test_a_task_is_found_by_its_name_and_by_its_aliases():
    known = task().model_copy(update={"aliases": ("sorting",)})
    manifest = TrainerManifest(name="toy", version="1", module="toy", licence="MIT", tasks=(known,))
    assert manifest.task("classification") is manifest.task("sorting") is known
    assert manifest.task("sort") is None
