import pytest
import torch

from eyebright_torch.freezing import freeze
from eyebright_torchvision import models
from eyebright_torchvision.manifest import MANIFEST

NAMES = [info.name for info in MANIFEST.tasks[0].models]


def test_every_model_of_the_manifest_can_be_built():
    assert set(NAMES) == set(models.ARCHITECTURES)


@pytest.mark.parametrize("name", NAMES)
def test_the_head_has_one_output_for_each_class(name: str):
    with torch.inference_mode():
        assert models.build(name, 7).eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize("name", NAMES)
def test_given_weights_everything_but_the_head_is_theirs(name: str):
    torch.manual_seed(1)
    weights = models.ARCHITECTURES[name].build().state_dict()
    built = models.build(name, 7, weights).state_dict()
    head = models.ARCHITECTURES[name].head
    assert built[f"{head}.weight"].shape == (7, weights[f"{head}.weight"].shape[1])
    rest = [key for key in weights if not key.startswith(head)]
    assert rest
    assert all(torch.equal(weights[key], built[key]) for key in rest)


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_backbone_leaves_the_head_to_learn(name: str):
    model = models.build(name, 7)
    freeze(models.stages(name, model), name, "backbone")
    learning = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    head = models.ARCHITECTURES[name].head
    assert learning == {f"{head}.weight", f"{head}.bias"}
