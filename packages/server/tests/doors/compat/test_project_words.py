"""What Project Training's callers say, and what is understood by it."""

from typing import Any

import pytest

from eyebright.doors.compat.project_training.settings import wanted
from eyebright.doors.compat.project_training.words import framework_word, place_of, recipe_of, task_word
from eyebright.errors import ConfigInvalid, InvalidRequest

RECIPE = {"epochs": 100, "patience": 50, "amp": "auto", "device": "auto", "save_every_epochs": 1, "pretrained": False}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"epochs": 3, "imgsz": 64}, {"epochs": 3, "imgsz": 64}),
        ({"amp": True}, {"amp": "auto"}),
        ({"amp": False}, {"amp": "off"}),
        ({"amp": "bf16"}, {"amp": "bf16"}),
        ({"early_stop": True, "patience": 7}, {"patience": 7}),
        ({"early_stop": False, "patience": 7}, {"patience": 0}),
        ({"early_stop": 9}, {"patience": 9}),
        ({"save_best": True}, {}),
        ({"save_period": 5}, {"save_every_epochs": 5}),
        ({"save_period": -1}, {}),
        ({"resume": False}, {}),
        ({"device": "", "freeze": None}, {}),
        ({"device": "0"}, {"device": "0"}),
        ({"epocs": 3}, {"epocs": 3}),
    ],
    ids=str,
)
def test_a_setting_means_what_its_callers_mean_by_it(said: dict[str, Any], meant: dict[str, Any]) -> None:
    understood = wanted(said, RECIPE)
    assert (understood.settings, understood.model, understood.resume) == (meant, None, False)
    assert understood.warnings == []


@pytest.mark.parametrize(
    ("said", "model", "pretrained"),
    [
        ("yolo11n.pt", "yolo11n", {"pretrained": True}),
        ("yolo11n-seg.yaml", "yolo11n-seg", {}),
        ("yolo11n", "yolo11n", {}),
        ("resnet18.a1_in1k", "resnet18.a1_in1k", {}),
    ],
)
def test_a_model_is_named_by_its_weights_or_by_its_design(said: str, model: str, pretrained: dict[str, Any]) -> None:
    understood = wanted({"model": said}, RECIPE)
    assert (understood.model, understood.settings) == (model, pretrained)


def test_weights_that_are_named_and_refused_are_not_begun_from() -> None:
    assert wanted({"model": "yolo11n.pt", "pretrained": False}, RECIPE).settings == {"pretrained": False}


def test_what_changes_nothing_is_said() -> None:
    assert wanted({"save_best": False}, RECIPE).warnings == [
        "save_best=false has no effect: the best weights are always kept"
    ]
    assert "save_period=5 has no effect" in wanted({"save_period": 5}, {"epochs": 1}).warnings[0]


@pytest.mark.parametrize("said", [{"model": 3}, {"save_best": "yes"}, {"resume": "last.pt"}], ids=str)
def test_a_word_without_a_value_of_its_own_is_refused_by_its_name(said: dict[str, Any]) -> None:
    (key,) = said
    with pytest.raises(ConfigInvalid, match=f"^{key}=.*: expected") as refused:
        wanted(said, RECIPE)
    assert refused.value.errors[0]["field"] == key


@pytest.mark.parametrize(
    ("base", "place"),
    [
        ("ultralytics/segmentation", ("ultralytics", "segmentation")),
        ("ultralytics/segmentation/default.yaml", ("ultralytics", "segmentation")),
        ("backend/models/training/configs/ultralytics/detection/default.yaml", ("ultralytics", "detection")),
        ("mmdetection/detection/", ("mmdetection", "detection")),
    ],
)
def test_a_base_configuration_is_named_by_its_place(base: str, place: tuple[str, str]) -> None:
    assert place_of(base) == place


def test_a_base_configuration_without_a_place_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="expected <framework>/<task>"):
        place_of("default_yolo11.yaml")


def test_frameworks_and_tasks_are_named_as_their_callers_name_them() -> None:
    assert recipe_of("MMDetection", "Detect") == "mmdet/detection"
    assert (framework_word("mmdet"), framework_word("ultralytics")) == ("mmdetection", "ultralytics")
    assert [task_word(task) for task in ("detection", "instance_segmentation", "classification")] == [
        "detection",
        "segmentation",
        "classification",
    ]
    assert task_word("semantic_segmentation") == "semantic_segmentation"
