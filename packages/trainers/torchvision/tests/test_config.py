import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from eyebright_torchvision.config import TorchvisionConfig
from eyebright_torchvision.manifest import MANIFEST

(TASK,) = MANIFEST.tasks
PROPERTIES = TASK.config_schema["properties"]


def test_the_recipe_is_the_defaults_written_down():
    assert TorchvisionConfig.model_validate(TASK.recipe) == TorchvisionConfig()


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_setting_has_help_and_a_view(name: str):
    assert PROPERTIES[name]["description"]
    assert PROPERTIES[name]["x-view"] in ("user", "developer")
    assert "default" in PROPERTIES[name]


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_setting_with_a_pattern_says_in_words_what_it_takes(name: str):
    assert ("x-expected" in PROPERTIES[name]) == ("pattern" in json.dumps(PROPERTIES[name]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", -1),
        ("batch", 1),
        ("imgsz", 8),
        ("lr0", 0),
        ("lr0", float("nan")),
        ("optimizer", "Lion"),
        ("device", "0,"),
        ("device", "cuda:0"),
        ("exports", ["tflite"]),
        ("no_such_setting", 1),
    ],
)
def test_a_value_without_meaning_is_refused(name: str, value: object):
    with pytest.raises(ValidationError, match=name):
        TorchvisionConfig.model_validate({name: value})


def test_the_manifest_is_read_without_the_framework():
    code = "import sys, eyebright_torchvision.manifest; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_models_have_as_many_parameters_as_told():
    import torch

    from eyebright_torchvision.models import build

    with torch.device("meta"):
        found = {info.name: sum(p.numel() for p in build(info.name, 1000).parameters()) for info in TASK.models}
    assert found == {info.name: info.parameters for info in TASK.models}
