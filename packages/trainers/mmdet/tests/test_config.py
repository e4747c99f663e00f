import json

import pytest
from pydantic import ValidationError

from eyebright_mmdet.config import MMDetConfig
from eyebright_mmdet.manifest import MANIFEST

(TASK,) = MANIFEST.tasks
PROPERTIES = TASK.config_schema["properties"]


def test_the_recipe_is_the_defaults_written_down():
    assert MMDetConfig.model_validate(TASK.recipe) == MMDetConfig()


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_setting_has_help_and_a_view(name: str):
    assert PROPERTIES[name]["description"]
    assert PROPERTIES[name]["x-view"] in ("user", "developer")
    assert "default" in PROPERTIES[name]
    assert ("x-expected" in PROPERTIES[name]) == ("pattern" in json.dumps(PROPERTIES[name]))


@pytest.mark.parametrize(("name", "value"), [("imgsz", 100), ("score", 1.5), ("optimizer", "AdamWeird"), ("mosaic", 1)])
def test_a_value_without_meaning_is_refused(name: str, value: object):
    with pytest.raises(ValidationError, match=name):
        MMDetConfig.model_validate({name: value})


@pytest.mark.parametrize("name", ["rtmdet_tiny", "retinanet_r50_fpn_1x_coco", "retinanet_regnetx-3.2GF_fpn_1x_coco"])
def test_a_configuration_of_mmdetections_that_can_be_trained_is_offered(name: str):
    assert TASK.offers(name)


@pytest.mark.parametrize(
    "name",
    [
        "faster-rcnn_r50_fpn_1x_coco",
        "open-mmlab/rtmdet",
        "https://a.b",
        "../x",
        "/etc/passwd",
        "",
        "rtmdet_tiny\n",
        "a..b",
    ],
)
def test_nothing_else_is_no_address_and_no_path(name: str):
    assert not TASK.offers(name)
