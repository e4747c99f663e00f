import pytest
import torch

from eyebright_kit.errors import ConfigInvalid
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
    models.freeze(model, name, "backbone")
    learning = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    head = models.ARCHITECTURES[name].head
    assert learning == {f"{head}.weight", f"{head}.bias"}


def test_frozen_stages_keep_their_normalisation_statistics():
    model = models.build("resnet18", 7)
    frozen = models.freeze(model, "resnet18", 2)
    models.train_mode(model, frozen)
    before = {key: value.clone() for key, value in model.state_dict().items() if "running_mean" in key}
    model(torch.rand(4, 3, 32, 32))
    moved = {key for key, value in before.items() if not torch.equal(value, model.state_dict()[key])}
    assert "bn1.running_mean" not in moved
    assert not any(key.startswith("layer1") for key in moved)
    assert "layer2.0.bn1.running_mean" in moved


def test_more_stages_than_there_are_cannot_be_frozen():
    with pytest.raises(ConfigInvalid, match="freeze=6: resnet18 has 5 stages"):
        models.freeze(models.build("resnet18", 7), "resnet18", 6)
