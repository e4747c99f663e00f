import json

import pytest
from pydantic import ValidationError

from eyebright_timm.config import TimmConfig
from eyebright_timm.manifest import MANIFEST

(TASK,) = MANIFEST.tasks
PROPERTIES = TASK.config_schema["properties"]


def test_the_recipe_is_the_defaults_written_down():
    assert TimmConfig.model_validate(TASK.recipe) == TimmConfig()


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_setting_has_help_and_a_view(name: str):
    assert PROPERTIES[name]["description"]
    assert PROPERTIES[name]["x-view"] in ("user", "developer")
    assert "default" in PROPERTIES[name]
    assert ("x-expected" in PROPERTIES[name]) == ("pattern" in json.dumps(PROPERTIES[name]))


@pytest.mark.parametrize("policy", ["", "rand-m9-mstd0.5-inc1", "rand-m7-n3", "v0", "originalr-mstd0.5", "3a"])
def test_policies_are_written_as_timm_writes_them(policy: str):
    assert TimmConfig(auto_augment=policy).auto_augment == policy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auto_augment", "rand-m9;rm"),
        ("auto_augment", "augmix-m5-w4-d2"),  # draws from numpy's global generator in the midst of its work
        ("optimizer", "AdamWeird"),
        ("schedule", "plateau"),  # depends on more than the step
        ("layer_decay", 0),
        ("drop_path", 1.5),
    ],
)
def test_a_value_without_meaning_is_refused(name: str, value: object):
    with pytest.raises(ValidationError, match=name):
        TimmConfig.model_validate({name: value})


@pytest.mark.parametrize("name", ["resnet18", "resnet18.a1_in1k", "vit_base_patch16_clip_224.openai_ft_in12k_in1k"])
def test_any_name_of_timms_is_offered(name: str):
    assert TASK.offers(name)


@pytest.mark.parametrize(
    "name", ["hf-hub:stranger/model", "hf_hub:a/b", "local-dir:/etc", "../x", "", "resnet18\n", "a.b.c"]
)
def test_no_address_and_no_path_is_a_model(name: str):
    assert not TASK.offers(name)
